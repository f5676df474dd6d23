//! A layer of the previous image, in the place where it was made.

use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_oci::DiffId;

use crate::extract::{Destination, ExtractError, extract};
use crate::image::SourceImage;

/// Unpacks the layer of `image` that holds `directory`, and returns whether the image has it.
///
/// What is at the directory is replaced. A layer that is damaged, or holds another directory, changes nothing.
pub fn unpack_layer(
    image: &SourceImage,
    diff_id: &DiffId,
    root: &Root,
    layers: &Path,
    directory: &Path,
    work: &Work,
) -> Result<bool, ExtractError> {
    let Some(layer) = image.layer(diff_id.0.as_str()) else { return Ok(false) };
    let reader = image.blobs.open(&layer.descriptor)?;
    let destination = Destination { root, layers, directory };
    extract(reader, &layer.descriptor.media_type, diff_id, &destination, work)?;
    Ok(true)
}
