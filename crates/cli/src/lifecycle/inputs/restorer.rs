//! Inputs of the restorer.

use std::path::PathBuf;

use dhow_cnb::ExitCode;
use dhow_fs::Root;
use dhow_lifecycle::{Level, Log};

use super::{CacheImage, Given, LayoutDirectory, images};
use crate::lifecycle::failure::Failure;

/// What the restorer works from.
#[derive(Debug)]
pub(crate) struct RestorerInputs {
    pub(crate) analyzed: PathBuf,
    pub(crate) group: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) cache_directory: Option<PathBuf>,
    pub(crate) cache_image: Option<CacheImage>,
    pub(crate) skip_layers: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl RestorerInputs {
    pub(crate) fn resolve(given: &Given, root: &Root, log: &dyn Log) -> Result<Self, Failure> {
        if !given.positional.is_empty() {
            return Err(Failure::new(ExitCode::Arguments, "failed to parse arguments: received unexpected Args"));
        }
        let layouts = LayoutDirectory::resolve(given, root)?;
        warn_of_missing_cache(given, log);
        if let Some(name) = given.optional("build-image") {
            images::check([name])?;
        }
        Ok(Self {
            analyzed: given.path("analyzed"),
            group: given.path("group"),
            layers: given.path("layers"),
            cache_directory: given.optional_path("cache-dir"),
            cache_image: CacheImage::resolve(given, &layouts)?,
            skip_layers: given.switch("skip-layers"),
            uid: given.id("uid"),
            gid: given.id("gid"),
        })
    }
}

/// Warns when nothing is kept for the next build.
pub(super) fn warn_of_missing_cache(given: &Given, log: &dyn Log) {
    if given.optional("cache-dir").or(given.optional("cache-image")).is_some() {
        return;
    }
    log.log(Level::Warn, "No cached data will be used, no cache specified.");
}
