//! `dhow sbom download`: the bills of materials that an app image carries.

use std::path::{Path, PathBuf};

use dhow_cnb::places;
use dhow_cnb::{LifecycleMetadata, label};
use dhow_fs::{PathError, Root, TemporaryDirectory, Work, sweep};
use dhow_layer::{UnpackError, UnpackOptions};
use dhow_oci::DiffId;
use dhow_store::BlobError;

use super::sbom_files::replace_sboms;
use crate::Opened;

/// Why no bill of materials could be written.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// The image carries none.
    #[error("the image has no layer with bills of materials")]
    None,
    /// Its label is malformed.
    #[error("the image's label {} is malformed", label::LIFECYCLE_METADATA)]
    Label,
    /// The layer is not where the image is: it is sparse.
    #[error("cannot read the layer with bills of materials")]
    Blob(#[from] BlobError),
    /// The layer is no proper one.
    #[error("cannot unpack the layer with bills of materials")]
    Unpack(#[from] UnpackError),
    /// The layer is another one than the label says.
    #[error("layer {found} is not the one that the label names, {expected}")]
    OtherLayer {
        /// The diffID of what was unpacked.
        found: DiffId,
        /// The diffID in the label.
        expected: DiffId,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Writes the image's SBOM files below `directory` and returns their paths, sorted.
///
/// The layer is verified before a file appears.
pub fn download_sbom(opened: &Opened, directory: &Path) -> Result<Vec<PathBuf>, SbomError> {
    let text = opened.image.config().value().label(label::LIFECYCLE_METADATA).ok_or(SbomError::None)?;
    let metadata = LifecycleMetadata::parse(text).map_err(|_| SbomError::Label)?;
    let sha = metadata.sbom.and_then(|layer| layer.sha).ok_or(SbomError::None)?;
    let expected: DiffId = sha.parse().map_err(|_| SbomError::Label)?;
    let layers = opened.image.layers();
    let layer = layers.iter().find(|layer| layer.diff_id == expected).ok_or(SbomError::None)?;
    let host = Root::host()?;
    host.create_directories(directory, 0o755)?;
    sweep(directory);
    let temporary = TemporaryDirectory::create_in(directory)?;
    let root = Root::open(temporary.path())?;
    let work = Work::default();
    let blob = opened.blobs().open(&layer.descriptor)?;
    let options = UnpackOptions { expected: Some(&expected), ..UnpackOptions::image(&work) };
    let unpacked = dhow_layer::unpack(blob, &root, Path::new("/"), &options)?;
    if unpacked.diff_id != expected {
        return Err(SbomError::OtherLayer { found: unpacked.diff_id, expected });
    }
    let layers = opened.image.config().value().env("CNB_LAYERS_DIR").unwrap_or(places::LAYERS);
    let files = replace_sboms(&root, &Path::new("/").join(layers).join("sbom"), &host, directory)?;
    if files.is_empty() { Err(SbomError::None) } else { Ok(files) }
}
