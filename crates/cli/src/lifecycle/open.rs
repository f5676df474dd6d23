//! Opening the images of layouts.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_lifecycle::image::{SourceImage, reference_at};
use dhow_oci::Platform;
use dhow_store::{Layout, ResolveError};

/// Opens the image at `path`; returns none where no image is.
///
/// Of several images in a layout, the one for this machine is meant, and of several for it, the one that is
/// tagged as the path ends. An only image is meant whatever it is for: apps are also built for other machines.
pub(crate) fn open(path: &Path, layouts: &Path, work: &Arc<Work>) -> Result<Option<SourceImage>, ResolveError> {
    let reference = reference_at(path, layouts);
    let name = path.display().to_string();
    let loaded = Layout::open(path, work)
        .map_err(ResolveError::from)
        .and_then(|layout| SourceImage::load(Arc::new(layout), reference.as_ref(), &Platform::host(), &name));
    match loaded {
        Ok(image) => Ok(Some(image)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
