//! Opening the cache of a build.

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::ExitCode;
use dhow_lifecycle::cache::{DirectoryCache, LayerCache, LayoutCache};
use dhow_store::{ImageSource, Layout, Query, Wanted};

use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::CacheImage;
use crate::lifecycle::session::Session;
use dhow_lifecycle::Log;

/// Opens the cache that is asked for, the image if both are.
pub(super) fn open<'a>(
    session: &'a Session<'_>,
    directory: Option<&Path>,
    image: Option<&CacheImage>,
) -> Result<Option<Box<dyn LayerCache + 'a>>, Failure> {
    match (image, directory) {
        (Some(image), _) => open_image(session, image).map(Some),
        (None, Some(directory)) => {
            let cache = DirectoryCache::open(directory, &session.work);
            let cache = cache.map_err(|error| Failure::of(ExitCode::Generic, &error))?;
            Ok(Some(Box::new(cache)))
        }
        (None, None) => Ok(None),
    }
}

/// An image that cannot be read counts as none, and is replaced.
fn open_image<'a>(session: &Session<'_>, image: &CacheImage) -> Result<Box<dyn LayerCache + 'a>, Failure> {
    let layout = Layout::open_or_create(&image.path, &session.work)
        .map_err(|error| Failure::new(ExitCode::Generic, format!("failed to create image cache: {}", chain(&error))))?;
    let previous = match layout.load(&Query { wanted: Wanted::Preferably(&image.tag), platform: None }) {
        Ok(loaded) => Some(loaded.image),
        Err(error) if error.is_not_found() => None,
        Err(error) => {
            session.terminal.warn(&format!("Ignoring cache image in {}: {}", image.path.display(), chain(&error)));
            None
        }
    };
    Ok(Box::new(LayoutCache::new(Arc::new(layout), &image.tag, previous)))
}
