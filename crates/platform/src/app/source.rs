//! Where the app comes from.

use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root};

use super::error::ZipSourceError;
use super::zip;

/// The source of an app. It is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory.
    Directory(PathBuf),
    /// A zip archive.
    Zip(PathBuf),
}

/// Why a path is not the source of an app.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path cannot be looked at.
    #[error("cannot use {} as the app's source", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: PathError,
    },
    /// A file in the source cannot be read.
    #[error(transparent)]
    File(PathError),
    /// A file in the archive cannot be read.
    #[error("cannot read the app's source {}", .path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ZipSourceError,
    },
    /// The path is a file of some other kind.
    #[error("{} is neither a directory nor a zip archive", .0.display())]
    Kind(PathBuf),
}

impl Source {
    /// Returns the source at `path`: a directory, or a file that begins as a zip archive does.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let fail = |source| SourceError::Path { path: path.to_owned(), source };
        let root = Root::host().map_err(fail)?;
        match root.metadata(path).map_err(fail)?.kind {
            FileKind::Directory => Ok(Self::Directory(path.to_owned())),
            FileKind::File if is_zip(&root, path).map_err(fail)? => Ok(Self::Zip(path.to_owned())),
            _ => Err(SourceError::Kind(path.to_owned())),
        }
    }

    /// Returns the text of a file of the app, of at most `limit` bytes; `None` if there is none of this name.
    pub fn read_to_string(&self, name: &str, limit: u64) -> Result<Option<String>, SourceError> {
        match self {
            Self::Directory(path) => match Root::host().and_then(|host| host.read_to_string(&path.join(name), limit)) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(SourceError::File(error)),
            },
            Self::Zip(path) => zip::read_to_string(path, Path::new(name), limit)
                .map_err(|source| SourceError::Zip { path: path.clone(), source }),
        }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Zip(path) => path,
        }
    }
}

fn is_zip(root: &Root, path: &Path) -> Result<bool, PathError> {
    use std::io::Read;
    let mut magic = Vec::new();
    let file = root.open_file(path)?;
    file.take(4).read_to_end(&mut magic).map_err(|error| PathError::new(dhow_fs::Operation::Read, path, error))?;
    Ok(magic == b"PK\x03\x04" || magic == EMPTY_ARCHIVE)
}

const EMPTY_ARCHIVE: &[u8] = b"PK\x05\x06";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_directory_or_a_zip_archive() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        assert_eq!(Source::open(directory.path()).unwrap(), Source::Directory(directory.path().to_owned()));
        let zip = file("app.jar", b"PK\x03\x04rest");
        assert_eq!(Source::open(&zip).unwrap(), Source::Zip(zip));
        assert!(matches!(Source::open(&file("app.zip", b"text")), Err(SourceError::Kind(_))));
        assert!(matches!(Source::open(&file("empty", b"")), Err(SourceError::Kind(_))));
        assert!(matches!(Source::open(&directory.path().join("none")), Err(SourceError::Path { .. })));
    }
}
