//! Opening the cache of a build.

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::ExitCode;
use dhow_lifecycle::Log;
use dhow_lifecycle::cache::{DirectoryCache, LayerCache, LayoutCache};
use dhow_store::{ImageSource, Layout, LayoutError, Query, Wanted};

use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::CacheImage;
use crate::lifecycle::session::Session;

/// What a phase does with the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Takes layers out of it: nothing is made.
    Read,
    /// Puts layers into it.
    Write,
}

/// Opens the cache that is asked for, the image if both are.
pub(super) fn open<'a>(
    session: &'a Session<'_>,
    access: Access,
    directory: Option<&Path>,
    image: Option<&CacheImage>,
) -> Result<Option<Box<dyn LayerCache + 'a>>, Failure> {
    match (image, directory) {
        (Some(image), _) => open_image(session, access, image),
        (None, Some(directory)) => {
            let cache = DirectoryCache::open(directory, &session.work);
            let cache = cache.map_err(|error| Failure::of(ExitCode::Generic, &error))?;
            Ok(Some(Box::new(cache)))
        }
        (None, None) => Ok(None),
    }
}

/// An image that cannot be read counts as none, and is replaced.
fn open_image<'a>(
    session: &Session<'_>,
    access: Access,
    image: &CacheImage,
) -> Result<Option<Box<dyn LayerCache + 'a>>, Failure> {
    let layout = match access {
        Access::Read => open_to_read(session, &image.path),
        Access::Write => Some(open_to_write(session, &image.path)?),
    };
    let Some(layout) = layout else { return Ok(None) };
    let previous = match layout.load(&Query { wanted: Wanted::Preferably(&image.tag), platform: None }) {
        Ok(loaded) => Some(loaded.image),
        Err(error) if error.is_not_found() => None,
        Err(error) => {
            ignore(session, &image.path, &error);
            None
        }
    };
    Ok(Some(Box::new(LayoutCache::new(Arc::new(layout), &image.tag, previous))))
}

/// Returns the layout if it is there; one that is damaged is told.
fn open_to_read(session: &Session<'_>, path: &Path) -> Option<Layout> {
    match Layout::open(path, &session.work) {
        Ok(layout) => Some(layout),
        Err(LayoutError::Missing(_)) => None,
        Err(error) => {
            ignore(session, path, &error);
            None
        }
    }
}

fn ignore(session: &Session<'_>, path: &Path, error: &dyn std::error::Error) {
    session.terminal.warn(&format!("Ignoring cache image in {}: {}", path.display(), chain(error)));
}

/// Returns the layout, made if need be. The index of a damaged one that holds caches alone is made anew, as all that it
/// led to can be.
fn open_to_write(session: &Session<'_>, path: &Path) -> Result<Layout, Failure> {
    let opened = Layout::prepare(path, &session.work).and_then(|layout| layout.index().map(|_| layout));
    let damage = match opened {
        Ok(layout) => return Ok(layout),
        Err(damage) => damage,
    };
    let Ok(layout) = Layout::recover(path, &session.work, &LayoutCache::is_cache) else {
        return Err(Failure::new(ExitCode::Generic, format!("failed to create image cache: {}", chain(&damage))));
    };
    let text = format!("The cache image in {} is damaged and made anew: {}", path.display(), chain(&damage));
    session.terminal.warn(&text);
    Ok(layout)
}
