//! What a buildpack left in its layers directory: `<layers>/<escaped id>/`. Nobody else reads it.
//!
//! A file whose name ends in `.toml` is the file of a layer, or one of the buildpack's own files. The builder sees what the
//! buildpack states (`stated_layers`); the later phases see what is there ([`LayersDirectory`]).

use std::path::{Path, PathBuf};

use dhow_cnb::{GroupElement, LayerFile, LayerFileError, LayerName, NameError, Store, TomlError};
use dhow_fs::{FileKind, PathError, Root};

use crate::files::{BUILDPACK_TOML_LIMIT, FileCause, read_text};
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
    Own(#[from] OwnFileError),
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
    #[error(transparent)]
    Own(#[from] OwnFileError),
    /// The name of a layer's file breaks the rule for names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name of a layer's file is no text.
    #[error("layer file {0} has a name that is no UTF-8")]
    NameNotText(String),
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
        let names = Names::of(root, &path)?;
        let mut directory = Self { path, layers: Vec::new(), store: None };
        for name in names.directories {
            directory.add(root, buildpack, name, true);
        }
        for name in names.files {
            match name.as_str() {
                "store" => directory.store = Some(directory.read_store(root, buildpack)?),
                "launch" | "build" => {}
                _ if directory.layers.iter().any(|layer| layer.name == name) => {}
                _ => directory.add(root, buildpack, name, false),
            }
        }
        directory.layers.sort_by(|left, right| left.identifier.cmp(&right.identifier));
        Ok(directory)
    }

    fn add(&mut self, root: &Root, buildpack: &GroupElement, name: LayerName, has_contents: bool) {
        let path = self.path.join(name.as_str());
        self.layers.push(Layer {
            identifier: format!("{}:{name}", buildpack.id),
            has_contents: has_contents || root.is_directory(&path),
            file: read_layer_file(root, &self.path, &name),
            name,
            path,
        });
    }

    fn read_store(&self, root: &Root, buildpack: &GroupElement) -> Result<Store, LayersDirectoryError> {
        let text = own_file(root, &self.path, "store.toml")?.unwrap_or_default();
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

/// A layer that a buildpack states: its `<name>.toml` is there, whether or not its directory is.
#[derive(Debug)]
pub(crate) struct StatedLayer {
    /// Its name.
    pub(crate) name: LayerName,
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its TOML file.
    pub(crate) path: PathBuf,
    /// What that file says.
    pub(crate) file: Result<LayerFile, ReadLayerError>,
}

/// Returns the layers that a buildpack states in `directory`, sorted by the names of their files.
///
/// `launch.toml`, `build.toml` and `store.toml` count as layers without types, as in the reference.
pub(crate) fn stated_layers(root: &Root, directory: &Path) -> Result<Vec<StatedLayer>, LayersDirectoryError> {
    let stated = |name: LayerName| StatedLayer {
        directory: directory.join(name.as_str()),
        path: directory.join(format!("{name}.toml")),
        file: read_layer_file(root, directory, &name),
        name,
    };
    Ok(Names::of(root, directory)?.files.into_iter().map(stated).collect())
}

/// Returns the text of one of the buildpack's own files, such as `build.toml`, if it is there.
pub(crate) fn own_file(root: &Root, directory: &Path, name: &str) -> Result<Option<String>, OwnFileError> {
    match read_text(root, &directory.join(name), BUILDPACK_TOML_LIMIT) {
        Ok(text) => Ok(Some(text)),
        Err(FileCause::Path(error)) if error.0.is_not_found() => Ok(None),
        Err(other) => Err(OwnFileError(other)),
    }
}

/// One of a buildpack's own files can't be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OwnFileError(FileCause);

/// The names in a buildpack's directory, sorted.
#[derive(Debug, Default)]
struct Names {
    /// The directories that may be layers.
    directories: Vec<LayerName>,
    /// What precedes `.toml`.
    files: Vec<LayerName>,
}

impl Names {
    /// Reads a directory; one that is missing has no names.
    ///
    /// A directory whose name no layer can have was not made for a layer, and is left alone. A TOML file with such a name
    /// was, so it is an error: a layer would be lost without a word.
    fn of(root: &Root, directory: &Path) -> Result<Self, LayersDirectoryError> {
        let entries = match root.read_directory(directory) {
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            other => other.map_err(GoPathError)?,
        };
        let mut names = Self::default();
        for entry in entries {
            let path = directory.join(&entry.name);
            let is_directory = root.symlink_metadata(&path).map_err(GoPathError)?.kind == FileKind::Directory;
            let is_file_of_layer = !is_directory && entry.name.as_encoded_bytes().ends_with(b".toml");
            let Some(name) = entry.name.to_str() else {
                if is_file_of_layer {
                    return Err(LayersDirectoryError::NameNotText(path.display().to_string()));
                }
                continue;
            };
            if is_directory {
                names.directories.extend(LayerName::new(name));
            } else if let Some(name) = name.strip_suffix(".toml") {
                names.files.push(LayerName::new(name)?);
            }
        }
        Ok(names)
    }
}

/// Reads the TOML file of a layer; a layer without one has no types.
fn read_layer_file(root: &Root, directory: &Path, name: &LayerName) -> Result<LayerFile, ReadLayerError> {
    match own_file(root, directory, &format!("{name}.toml"))? {
        Some(text) => Ok(LayerFile::parse(&text)?),
        None => Ok(LayerFile::default()),
    }
}

#[cfg(test)]
mod tests {
    use dhow_cnb::{BuildpackApi, BuildpackId, BuildpackVersion};

    use super::*;

    fn scratch(files: &[&[u8]]) -> (tempfile::TempDir, Root) {
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for path in files {
            let path = Path::new("/layers/x_bp").join(std::ffi::OsStr::from_bytes(path));
            root.create_directories(path.parent().unwrap(), 0o755).unwrap();
            root.write(&path, b"", 0o644).unwrap();
        }
        (directory, root)
    }

    fn buildpack() -> GroupElement {
        GroupElement {
            id: BuildpackId::new("x/bp").unwrap(),
            version: BuildpackVersion::new("1").unwrap(),
            api: BuildpackApi::V0_10.into(),
            homepage: String::new(),
        }
    }

    #[test]
    fn a_layer_file_with_a_name_that_no_layer_can_have_is_an_error_for_every_reader() {
        for name in [&b".toml"[..], b"...toml", b"\xff.toml"] {
            let (_directory, root) = scratch(&[name]);
            let seen_later = LayersDirectory::read(&root, Path::new("/layers"), &buildpack());
            let seen_by_the_builder = stated_layers(&root, Path::new("/layers/x_bp"));
            assert!(seen_later.is_err(), "{name:?}");
            assert_eq!(seen_later.unwrap_err().to_string(), seen_by_the_builder.unwrap_err().to_string());
        }
    }

    #[test]
    fn a_layer_is_there_by_its_directory_or_by_its_file_and_own_files_are_none() {
        let (_directory, root) = scratch(&[
            b"both/f",
            b"both.toml",
            b"directory/f",
            b"file.toml",
            b"launch.toml",
            b"build.toml",
            b"store.toml",
            b"\xff/f",
        ]);
        let directory = LayersDirectory::read(&root, Path::new("/layers"), &buildpack()).unwrap();
        let found: Vec<_> = directory.layers.iter().map(|layer| (layer.name.as_str(), layer.has_contents)).collect();
        assert_eq!(found, [("both", true), ("directory", true), ("file", false)]);
        assert!(directory.store.is_some());
        let stated: Vec<_> =
            stated_layers(&root, &directory.path).unwrap().iter().map(|layer| layer.name.to_string()).collect();
        assert_eq!(stated, ["both", "build", "file", "launch", "store"]);
    }
}
