//! Inputs of the restorer.

use std::path::PathBuf;

use dhow_cnb::ExitCode;
use dhow_fs::Root;
use dhow_lifecycle::{Level, Log};

use super::{CacheImage, Given, LayoutDirectory};
use crate::lifecycle::failure::Failure;

/// What the restorer works from.
#[derive(Debug)]
pub(crate) struct RestorerInputs {
    pub(crate) analyzed: PathBuf,
    pub(crate) group: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) cache_directory: Option<PathBuf>,
    pub(crate) cache_image: Option<CacheImage>,
    /// The layout of the build image, whose digest is recorded.
    pub(crate) build_image: Option<PathBuf>,
    pub(crate) layouts: Option<LayoutDirectory>,
    pub(crate) skip_layers: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl RestorerInputs {
    pub(crate) fn resolve(given: &Given, root: &Root, log: &dyn Log) -> Result<Self, Failure> {
        if !given.positional.is_empty() {
            return Err(Failure::new(ExitCode::Arguments, "failed to parse arguments: received unexpected Args"));
        }
        let layouts = layouts(given, root)?;
        warn_of_missing_cache(given, log);
        let build_image = match (&layouts, given.optional("build-image")) {
            (Some(layouts), Some(name)) => Some(layouts.layout_of(name)?),
            _ => None,
        };
        Ok(Self {
            analyzed: given.path("analyzed"),
            group: given.path("group"),
            layers: given.path("layers"),
            run: given.path("run"),
            cache_directory: given.optional_path("cache-dir"),
            cache_image: CacheImage::resolve(given, layouts.as_ref())?,
            build_image,
            layouts,
            skip_layers: given.switch("skip-layers"),
            uid: given.id("uid")?,
            gid: given.id("gid")?,
        })
    }
}

/// Returns the directory of layouts, unless no image is named: the restorer works on directories then, in any mode.
fn layouts(given: &Given, root: &Root) -> Result<Option<LayoutDirectory>, Failure> {
    let names_image =
        given.optional("build-image").is_some() || given.optional("cache-image").is_some_and(CacheImage::is_named);
    if !names_image && !given.switch("layout") && !given.switch("daemon") {
        return Ok(None);
    }
    LayoutDirectory::resolve(given, root).map(Some)
}

/// Warns when nothing is kept for the next build.
pub(super) fn warn_of_missing_cache(given: &Given, log: &dyn Log) {
    if given.optional("cache-dir").or(given.optional("cache-image")).is_some() {
        return;
    }
    log.log(Level::Warn, "No cached data will be used, no cache specified.");
}
