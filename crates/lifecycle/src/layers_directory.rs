//! What a buildpack left in its layers directory: `<layers>/<escaped id>/`.

use std::path::{Path, PathBuf};

use dhow_cnb::{GroupElement, LayerFile, LayerFileError, LayerName, Store, TomlError};
use dhow_fs::{PathError, Root};

use crate::files::BUILDPACK_TOML_LIMIT;
use crate::go_error::GoPathError;

/// The layers of one buildpack, sorted by name.
#[derive(Debug)]
pub struct LayersDirectory {
    /// The directory.
    pub path: PathBuf,
    /// The layers: every directory, and every `<name>.toml` without one.
    pub layers: Vec<Layer>,
    /// What `store.toml` says.
    pub store: Option<Store>,
}

/// One layer as it is on disk.
#[derive(Debug)]
pub struct Layer {
    /// Its name.
    pub name: LayerName,
    /// `<buildpack id>:<name>`.
    pub identifier: String,
    /// Its directory.
    pub path: PathBuf,
    /// Whether that directory exists.
    pub has_contents: bool,
    /// What `<name>.toml` says; all false if there is none.
    pub file: Result<LayerFile, ReadLayerError>,
}

/// A layer's TOML file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLayerError {
    /// The file.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// What it says.
    #[error(transparent)]
    File(#[from] LayerFileError),
}

/// A layers directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LayersDirectoryError {
    /// The directory.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// `store.toml`.
    #[error("failed decoding store.toml for buildpack \"{buildpack}\"")]
    Store {
        /// The buildpack.
        buildpack: String,
        /// What is wrong with it.
        source: Box<TomlError>,
    },
}

impl LayersDirectory {
    /// Reads the layers of `buildpack` below `layers`; a directory that is missing has none.
    pub fn read(root: &Root, layers: &Path, buildpack: &GroupElement) -> Result<Self, LayersDirectoryError> {
        let path = layers.join(buildpack.id.escaped());
        let entries = match root.read_directory(&path) {
            Err(error) if error.is_not_found() => Vec::new(),
            other => other.map_err(GoPathError)?,
        };
        let mut directory = Self { path, layers: Vec::new(), store: None };
        let mut files = Vec::new();
        for entry in entries {
            // A name that is no text was not made by a buildpack that wants it as a layer.
            let Some(name) = entry.name.to_str() else { continue };
            let stat = root.symlink_metadata(&directory.path.join(name)).map_err(GoPathError)?;
            if stat.kind == dhow_fs::FileKind::Directory {
                directory.add(root, buildpack, name, true);
            } else if let Some(name) = name.strip_suffix(".toml") {
                files.push(name.to_owned());
            }
        }
        for name in files {
            match name.as_str() {
                "store" => directory.store = Some(directory.read_store(root, buildpack)?),
                "launch" | "build" => {}
                other if directory.layers.iter().any(|layer| layer.name == *other) => {}
                other => directory.add(root, buildpack, other, false),
            }
        }
        directory.layers.sort_by(|left, right| left.identifier.cmp(&right.identifier));
        Ok(directory)
    }

    fn add(&mut self, root: &Root, buildpack: &GroupElement, name: &str, has_contents: bool) {
        let Ok(layer_name) = LayerName::new(name) else { return };
        let path = self.path.join(name);
        self.layers.push(Layer {
            identifier: format!("{}:{name}", buildpack.id),
            has_contents: has_contents || root.is_directory(&path),
            file: read_file(root, &self.path.join(format!("{name}.toml"))),
            name: layer_name,
            path,
        });
    }

    fn read_store(&self, root: &Root, buildpack: &GroupElement) -> Result<Store, LayersDirectoryError> {
        let text = root.read_to_string(&self.path.join("store.toml"), BUILDPACK_TOML_LIMIT).map_err(GoPathError)?;
        Store::parse(&text).map_err(|source| LayersDirectoryError::Store {
            buildpack: buildpack.id.to_string(),
            source: Box::new(source),
        })
    }
}

impl Layer {
    /// Removes the layer: its directory, its TOML file, and the `.sha` file of long ago.
    pub fn remove(&self, root: &Root) -> Result<(), PathError> {
        remove(root, &self.path)
    }
}

/// Removes the layer whose directory is `path`.
pub(crate) fn remove(root: &Root, path: &Path) -> Result<(), PathError> {
    root.remove_all(path)?;
    for suffix in [".sha", ".toml"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        root.remove_file(Path::new(&name))?;
    }
    Ok(())
}

fn read_file(root: &Root, path: &Path) -> Result<LayerFile, ReadLayerError> {
    match root.read_to_string(path, BUILDPACK_TOML_LIMIT) {
        Ok(text) => Ok(LayerFile::parse(&text)?),
        Err(error) if error.is_not_found() => Ok(LayerFile::default()),
        Err(error) => Err(GoPathError(error).into()),
    }
}
