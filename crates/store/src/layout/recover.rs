//! A layout whose own two files are damaged.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::{AtomicFile, LockMode, Work};
use dhow_oci::{Document, Index};

use super::create::{is_foreign, marker, open_root, version};
use super::{Layout, LayoutError, VERSION, session};
use crate::staging::FILE_MODE;

impl Layout {
    /// Opens the layout at `path` after making those of `oci-layout` and `index.json` anew that are no JSON or missing.
    /// With its index a layout loses all names; its blobs stay until a `gc`.
    ///
    /// For layouts whose content can be made again. Refuses a directory that holds anything else, and other versions.
    pub fn recover(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        let root = open_root(path)?;
        let lock = session::lock(&root, LockMode::Exclusive)?;
        if is_foreign(&root)? {
            return Self::open(path, work);
        }
        match version(&root, path) {
            Ok(Some(known)) if known == VERSION => {}
            Ok(Some(found)) => return Err(LayoutError::Version { path: path.to_owned(), found }),
            Ok(None) | Err(LayoutError::Version { .. }) => {
                AtomicFile::replace_at(&root, Path::new("/oci-layout"), &marker(), FILE_MODE)?;
            }
            Err(other) => return Err(other),
        }
        let is_readable = match Self::at(path, work)?.index() {
            Ok(_) => true,
            Err(LayoutError::Index { .. }) => false,
            Err(LayoutError::Path(error)) if error.is_not_found() => false,
            Err(other) => return Err(other),
        };
        if !is_readable {
            AtomicFile::replace_at(&root, Path::new("/index.json"), Document::of(Index::default()).bytes(), FILE_MODE)?;
        }
        drop(lock);
        Self::open_or_create(path, work)
    }
}
