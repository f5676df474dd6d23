//! An image that a phase works from: the value, where its blobs are, and how it is called.

use std::sync::Arc;

use dhow_oci::{Descriptor, Image, LayerRef};
use dhow_store::{BlobError, BlobSource, Presence};

/// An image that was found.
#[derive(Clone)]
pub struct SourceImage {
    /// Manifest and config.
    pub image: Image,
    /// Where its layers are.
    pub blobs: Arc<dyn BlobSource>,
    /// What messages call it: its path in layout mode, as it was named otherwise.
    pub name: String,
    /// What the name leads to: the manifest, or the index that lists it.
    pub named: Descriptor,
    /// The reference of the image, fully qualified, if one is known.
    pub base_name: Option<String>,
}

impl SourceImage {
    /// Returns the name joined with the manifest's digest, as analyzed.toml and labels have it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.image.manifest().digest())
    }

    /// Returns the first layer with that diffID.
    #[must_use]
    pub fn layer(&self, diff_id: &str) -> Option<LayerRef> {
        self.image.layers().into_iter().find(|layer| layer.diff_id.0.as_str() == diff_id)
    }

    /// Returns the layers whose blobs are absent. Opens none.
    pub fn absent_layers(&self) -> Result<Vec<LayerRef>, BlobError> {
        let mut absent = Vec::new();
        for layer in self.image.layers() {
            if self.blobs.presence(&layer.descriptor)? == Presence::Absent {
                absent.push(layer);
            }
        }
        Ok(absent)
    }
}

impl std::fmt::Debug for SourceImage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SourceImage").field("name", &self.name).field("named", &self.named).finish()
    }
}
