//! What becomes of the layers that a buildpack states: directories are put aside, and the environment is changed.

use std::path::{Path, PathBuf};

use dhow_cnb::env::{self, Change, LayerFiles, Phase, PlainFile};
use dhow_cnb::{LayerFile, LayerFileError, LayerName};
use dhow_fs::{FileKind, Operation, PathError, Root};

use crate::environment::{self, RootFiles};
use crate::go_error::GoPathError;
use crate::layers_directory::{LayersDirectoryError, OwnFileError, ReadLayerError, StatedLayer, stated_layers};

/// A layer that a buildpack left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BuiltLayer {
    pub(super) name: LayerName,
    pub(super) directory: PathBuf,
    pub(super) file: LayerFile,
}

/// A layer that a buildpack left can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The disk.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// The directory that it is in can't be read.
    #[error(transparent)]
    Directory(#[from] LayersDirectoryError),
    /// Its TOML file can't be read.
    #[error("failed to decode layer metadata file")]
    Own(#[source] OwnFileError),
    /// Its TOML file can't be understood.
    #[error("failed to decode layer metadata file")]
    File(#[source] LayerFileError),
    /// Its TOML file has the flags of long ago.
    #[error(
        "failed to decode layer metadata file: the launch, cache and build flags should be in the types table of {0}"
    )]
    TopLevelTypes(String),
}

/// Returns the layers that a buildpack states. A directory that nobody wants gets the suffix `.ignore`.
///
/// The buildpack's own files count as layers without types, so directories of these names are put aside too.
pub(super) fn process(root: &Root, directory: &Path) -> Result<Vec<BuiltLayer>, LayerError> {
    let mut found = Vec::new();
    for StatedLayer { name, directory, path, file } in stated_layers(root, directory)? {
        let file = file.map_err(|error| match error {
            ReadLayerError::Own(error) => LayerError::Own(error),
            ReadLayerError::File(LayerFileError::TopLevelTypes) => {
                LayerError::TopLevelTypes(path.display().to_string())
            }
            ReadLayerError::File(other) => LayerError::File(other),
        })?;
        if file.has_no_type() {
            put_aside(root, &directory)?;
        }
        found.push(BuiltLayer { name, directory, file });
    }
    Ok(found)
}

fn put_aside(root: &Root, directory: &Path) -> Result<(), GoPathError> {
    let mut aside = directory.as_os_str().to_owned();
    aside.push(".ignore");
    match root.rename(directory, Path::new(&aside)) {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

/// Returns what the layers for build change in the environment of later buildpacks.
pub(super) fn changes(root: &Root, layers: &[BuiltLayer]) -> Result<Vec<Change>, GoPathError> {
    let mut changes = Vec::new();
    for layer in layers.iter().filter(|layer| layer.file.build) {
        refuse_file(root, &layer.directory)?;
        for directory in env::roots(Phase::Build) {
            if RootFiles(root).exists(&layer.directory.join(directory.directory))? {
                changes.extend(directory.changes(&layer.directory));
            }
        }
        for directory in ["env", "env.build"] {
            let files = environment::files(root, &layer.directory.join(directory))?;
            changes.extend(env::changes(files, PlainFile::Override));
        }
    }
    Ok(changes)
}

/// Fails if a file is where the layer's directory should be.
fn refuse_file(root: &Root, directory: &Path) -> Result<(), GoPathError> {
    match root.metadata(directory) {
        Ok(stat) if stat.kind != FileKind::Directory => {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            Err(GoPathError(PathError::new(Operation::Inspect, directory, source)))
        }
        Err(error) if !error.is_not_found() => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directories(Path::new("/bp"), 0o755).unwrap();
        for (path, text) in files {
            let path = Path::new(path);
            root.create_directories(path.parent().unwrap(), 0o755).unwrap();
            root.write(path, text.as_bytes(), 0o644).unwrap();
        }
        (directory, root)
    }

    #[test]
    fn directories_that_nobody_wants_are_put_aside() {
        let (_directory, root) = scratch(&[
            ("/bp/none/f", ""),
            ("/bp/none.toml", "[metadata]\nn = 1"),
            ("/bp/launch/f", ""),
            ("/bp/launch.toml", ""),
            ("/bp/kept/f", ""),
            ("/bp/kept.toml", "[types]\ncache = true"),
            ("/bp/stray/f", ""),
            ("/bp/nothing.toml", ""),
        ]);
        let layers = process(&root, Path::new("/bp")).unwrap();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["kept", "launch", "none", "nothing"]);
        let left: Vec<_> = root.read_directory(Path::new("/bp")).unwrap().into_iter().map(|entry| entry.name).collect();
        let expected =
            ["kept", "kept.toml", "launch.ignore", "launch.toml", "none.ignore", "none.toml", "nothing.toml", "stray"];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_layer_that_would_be_its_parent_is_refused() {
        for name in ["/bp/.toml", "/bp/...toml"] {
            let (_directory, root) = scratch(&[(name, "[types]\nlaunch = true")]);
            let refusal = process(&root, Path::new("/bp"));
            assert!(matches!(refusal, Err(LayerError::Directory(LayersDirectoryError::Name(_)))), "{name}");
        }
    }

    #[test]
    fn types_outside_of_their_table_are_told_with_the_file() {
        let (_directory, root) = scratch(&[("/bp/l.toml", "launch = true")]);
        assert_eq!(
            process(&root, Path::new("/bp")).unwrap_err().to_string(),
            "failed to decode layer metadata file: the launch, cache and build flags should be in the types table of \
             /bp/l.toml"
        );
    }

    #[test]
    fn layers_for_build_change_paths_first_and_then_variables() {
        let (_directory, root) = scratch(&[
            ("/bp/b/bin/tool", ""),
            ("/bp/b/env/PATH.prepend", "/pp"),
            ("/bp/b/env/PATH.delim", ":"),
            ("/bp/b/env.build/BUILD", "b"),
            ("/bp/b.toml", "[types]\nbuild = true"),
            ("/bp/l/bin/tool", ""),
            ("/bp/l.toml", "[types]\nlaunch = true"),
            ("/bp/notthere.toml", "[types]\nbuild = true"),
        ]);
        let layers = process(&root, Path::new("/bp")).unwrap();
        let mut environment: env::Environment = [("PATH", "/bin")].into_iter().collect();
        environment.apply_all(&changes(&root, &layers).unwrap());
        let text: Vec<String> =
            environment.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(text, ["BUILD=b", "PATH=/pp:/bp/b/bin:/bin"]);
    }
}
