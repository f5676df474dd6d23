//! Writing layers and images into a layout.

use dhow_fs::{Root, Work};
use dhow_layer::{Entry, PackError, PackOptions};
use dhow_oci::{Descriptor, Image, LayerRef, MediaType, Oversized, Reference, annotation};
use dhow_store::{BlobError, BlobSink, Completeness, Layout, LayoutError, Staging};

/// When images made here say that they were made: the time of every entry of their layers.
pub(crate) const CREATED: &str = "1980-01-01T00:00:01Z";

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A layer cannot be packed.
    #[error("cannot pack the layer with {what}")]
    Pack {
        /// What is in it.
        what: String,
        /// Why.
        source: PackError,
    },
    /// The image could not be read again.
    #[error(transparent)]
    Oversized(#[from] Oversized),
    /// A blob cannot be written.
    #[error("cannot write to the layout")]
    Blob(#[from] BlobError),
    /// The layout cannot be read or written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// An image that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The image.
    pub(crate) image: Image,
    /// Its entry in `index.json`.
    pub(crate) entry: Descriptor,
}

/// Packs `entries` of `root` into a blob of the layout; `what` names them in an error.
pub(crate) fn pack_layer(
    layout: &Layout,
    root: &Root,
    entries: &[Entry],
    what: &str,
    work: &Work,
) -> Result<LayerRef, WriteError> {
    let options = PackOptions::new(work);
    let mut writer = layout.stage()?.without_hashing();
    let packed = dhow_layer::pack(root, entries, &mut writer, &options)
        .map_err(|source| WriteError::Pack { what: what.to_owned(), source })?;
    writer.finish_known(&packed.digest, packed.size)?;
    let descriptor = Descriptor::new(options.compression.media_type(), packed.digest, packed.size);
    Ok(LayerRef { descriptor, diff_id: packed.diff_id })
}

/// Stores config and manifest, whose layers are in the layout, and lists the image under `tag`.
///
/// `known` is the reference under which others know the image; `annotations` go on the entry alone.
pub(crate) fn write_image(
    layout: &Layout,
    image: Image,
    tag: &str,
    known: Option<&Reference>,
    completeness: Completeness,
    annotations: &[(&str, String)],
) -> Result<Written, WriteError> {
    image.check_size()?;
    layout.store(image.config().bytes(), MediaType::OciConfig)?;
    layout.store(image.manifest().bytes(), image.manifest().value().media_type())?;
    let mut descriptor = image.descriptor();
    if let Some(reference) = known {
        descriptor.annotations.insert(annotation::CONTAINERD_IMAGE_NAME.to_owned(), reference.familiar());
    }
    for (key, value) in annotations {
        descriptor.annotations.insert((*key).to_owned(), value.clone());
    }
    let entry = layout.tag(tag, descriptor, completeness)?;
    Ok(Written { image, entry })
}
