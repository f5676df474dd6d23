//! Layers that are known without reading a file of theirs.

use std::path::Path;

use dhow_oci::DiffId;

use crate::content::PackedLayer;

/// Knows layers from an earlier build. It looks at the inodes of files only.
pub trait KnownLayers: Sync {
    /// Returns the layer that was made of `directory`, if that still holds exactly what it held then. `id` names the layer.
    fn directory(&self, id: &str, directory: &Path) -> Option<PackedLayer>;

    /// Returns the diffID of `directory`, if that still holds exactly what it held then. A blob of it may not be kept.
    fn diff_id(&self, directory: &Path) -> Option<DiffId>;

    /// Returns the layers that `slices` made of the app, the rest last, if the app is exactly what it was then.
    fn app(&self, directory: &Path, slices: &[Vec<String>]) -> Option<Vec<PackedLayer>>;

    /// Returns the layer that was made of the same launcher.
    fn launcher(&self) -> Option<PackedLayer>;

    /// Returns the layer whose links name exactly these process types, in this order.
    fn process_types(&self, types: &[String]) -> Option<PackedLayer> {
        let _unknown = types;
        None
    }
}

/// Knows no layer: everything is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingKnown;

impl KnownLayers for NothingKnown {
    fn directory(&self, _id: &str, _directory: &Path) -> Option<PackedLayer> {
        None
    }

    fn diff_id(&self, _directory: &Path) -> Option<DiffId> {
        None
    }

    fn app(&self, _directory: &Path, _slices: &[Vec<String>]) -> Option<Vec<PackedLayer>> {
        None
    }

    fn launcher(&self) -> Option<PackedLayer> {
        None
    }
}
