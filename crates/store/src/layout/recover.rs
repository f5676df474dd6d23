//! A layout whose own two files are damaged, and whose content can be made again.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::{AtomicFile, LockMode, Work};
use dhow_oci::{Descriptor, Document, ImageConfig, Index, MANIFEST_LIMIT, MediaType};
use serde_json::Value;

use super::create::{count_blobs, is_foreign, marker, open_root, version};
use super::{INDEX_LIMIT, Layout, LayoutError, VERSION, is_json, session};
use crate::read_document;
use crate::staging::FILE_MODE;

impl Layout {
    /// Opens the layout at `path` after it has made `oci-layout` and `index.json` anew, each only if it is missing or no
    /// JSON. With its index a layout loses all names; its blobs stay until a `gc`.
    ///
    /// For layouts whose content can be made again. An index is made anew only if `is_own` says of the config of every
    /// image among the blobs that it is the caller's own.
    ///
    /// # Errors
    /// What is wrong with the layout, if it is anything else, or not all of it is the caller's own. It is as it was then.
    pub fn recover(path: &Path, work: &Arc<Work>, is_own: &dyn Fn(&ImageConfig) -> bool) -> Result<Self, LayoutError> {
        let root = open_root(path)?;
        let lock = session::lock(&root, LockMode::Exclusive)?;
        if is_foreign(&root)? {
            return Self::open(path, work);
        }
        let layout = Self::at(path, work)?;
        let damage = layout.index().err();
        if let Some(damage) = damage {
            let is_lost = match layout.root.read(Path::new("/index.json"), INDEX_LIMIT.0) {
                Ok(bytes) => !is_json(&bytes),
                Err(error) => error.is_not_found(),
            };
            if !is_lost || layout.holds_others(is_own)? {
                return Err(damage);
            }
            let empty = Document::of(Index::default());
            AtomicFile::replace_at(&root, Path::new("/index.json"), empty.bytes(), FILE_MODE)?;
        }
        match version(&root, path) {
            Ok(Some(known)) if known == VERSION => {}
            Ok(Some(found)) => return Err(LayoutError::Version { path: path.to_owned(), found }),
            Ok(None) | Err(LayoutError::Version { .. }) => {
                AtomicFile::replace_at(&root, Path::new("/oci-layout"), &marker(), FILE_MODE)?;
            }
            Err(other) => return Err(other),
        }
        drop(lock);
        Self::open_or_create(path, work)
    }

    /// Tells whether anything among the blobs may belong to an image that is not the caller's own.
    fn holds_others(&self, is_own: &dyn Fn(&ImageConfig) -> bool) -> Result<bool, LayoutError> {
        let blobs = self.blobs()?;
        // What has no digest's name, or one of an algorithm that is not known here, is somebody else's.
        if count_blobs(&self.root)? > blobs.len() {
            return Ok(true);
        }
        for (digest, blob) in blobs {
            if blob.size > MANIFEST_LIMIT.0 {
                continue;
            }
            let descriptor = Descriptor::new(MediaType::Other("".into()), digest, blob.size);
            if !self.starts_as_object(&descriptor)? {
                continue;
            }
            // What cannot be read is not known to be the caller's own.
            let Ok(bytes) = read_document(self, &descriptor, MANIFEST_LIMIT) else { return Ok(true) };
            let Ok(Value::Object(document)) = serde_json::from_slice(&bytes) else { continue };
            let is_image = document.contains_key("layers");
            if document.contains_key("manifests")
                || is_image && !self.config(&document).is_some_and(|config| is_own(&config))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn config(&self, manifest: &serde_json::Map<String, Value>) -> Option<ImageConfig> {
        let config: Descriptor = serde_json::from_value(manifest.get("config")?.clone()).ok()?;
        let bytes = read_document(self, &config, MANIFEST_LIMIT).ok()?;
        Some(Document::<ImageConfig>::parse("config", bytes).ok()?.value().clone())
    }
}
