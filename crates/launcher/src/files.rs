//! The directories of the image that the launcher looks into.

use std::fs::{DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use dhow_cnb::env::EnvFile;
use dhow_cnb::{BuildpackId, launch};

use crate::failure::{LaunchError, SystemError};

/// The layers of one buildpack, by name.
pub(crate) type BuildpackLayers = Vec<PathBuf>;

/// Returns the layer directories of each buildpack, in the order of the group.
pub(crate) fn launch_layers(layers: &Path, metadata: &launch::Metadata) -> Result<Vec<BuildpackLayers>, LaunchError> {
    metadata
        .buildpacks
        .iter()
        .map(|module| {
            let directory = layers.join(BuildpackId::escape(&module.id));
            // A link is no layer: what it points to is one by itself, or lies outside of the layers.
            list(&directory, |entry| Ok(entry.file_type()?.is_dir())).map_err(LaunchError::Environment)
        })
        .collect()
}

/// Returns the regular files of an env directory with their contents; links to files count.
pub(crate) fn env_files(directory: &Path) -> Result<Vec<EnvFile>, SystemError> {
    let paths = list(directory, |entry| Ok(following_links(entry)?.is_file()))?;
    paths
        .into_iter()
        .map(|path| {
            let content = std::fs::read(&path).map_err(|error| SystemError::new("open", &path, error))?;
            Ok(EnvFile { name: path.file_name().unwrap_or_default().to_owned(), content })
        })
        .collect()
}

/// Returns the paths in a directory of programs or scripts that are no directories.
pub(crate) fn programs(directory: &Path) -> Result<Vec<PathBuf>, SystemError> {
    list(directory, |entry| match following_links(entry) {
        Ok(metadata) => Ok(!metadata.is_dir()),
        // A dangling link fails where it is run, under its name.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    })
}

/// Returns whether something is there, at the end of any links.
pub(crate) fn exists(path: &Path) -> Result<bool, SystemError> {
    path.try_exists().map_err(|error| SystemError::new("stat", path, error))
}

fn following_links(entry: &DirEntry) -> io::Result<Metadata> {
    std::fs::metadata(entry.path())
}

/// Returns the wanted entries of a directory in lexical order; a directory that is absent has none.
fn list(directory: &Path, wanted: impl Fn(&DirEntry) -> io::Result<bool>) -> Result<Vec<PathBuf>, SystemError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SystemError::new("open", directory, error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| SystemError::new("readdir", directory, error))?;
        if wanted(&entry).map_err(|error| SystemError::new("stat", &entry.path(), error))? {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
