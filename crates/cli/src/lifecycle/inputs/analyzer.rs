//! Inputs of the analyzer.

use std::path::PathBuf;

use dhow_fs::Root;
use dhow_lifecycle::{Level, Log};

use super::{CacheImage, Given, LayoutDirectory, images, run_image};
use crate::lifecycle::failure::Failure;

/// What the analyzer works from.
#[derive(Debug)]
pub(crate) struct AnalyzerInputs {
    pub(crate) analyzed: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) layouts: LayoutDirectory,
    /// The layout of the image whose layers may be reused.
    pub(crate) previous_image: PathBuf,
    /// The layout of the run image.
    pub(crate) run_image: PathBuf,
    pub(crate) skip_layers: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl AnalyzerInputs {
    pub(crate) fn resolve(given: &Given, root: &Root, log: &dyn Log) -> Result<Self, Failure> {
        let output = given.only_positional()?;
        let layouts = LayoutDirectory::resolve(given, root)?;
        let previous = given.optional("previous-image").unwrap_or(output);
        let run_image_name = run_image::resolve(given, root, output, log)?;
        warn_of_launch_cache(given, log);
        let names: Vec<String> = std::iter::once(output).chain(given.list("tag")).cloned().collect();
        images::check_one_registry(&names)?;
        images::check([previous, &run_image_name])?;
        CacheImage::resolve(given, Some(&layouts))?;
        Ok(Self {
            analyzed: given.path("analyzed"),
            layers: given.path("layers"),
            previous_image: layouts.layout_of(previous)?,
            run_image: layouts.layout_of(&run_image_name)?,
            skip_layers: given.switch("skip-layers"),
            uid: given.id("uid")?,
            gid: given.id("gid")?,
            layouts,
        })
    }
}

/// Warns when a cache is given that only a daemon could use.
pub(super) fn warn_of_launch_cache(given: &Given, log: &dyn Log) {
    if given.optional("launch-cache").is_some() {
        log.log(Level::Warn, "Ignoring -launch-cache, only intended for use with -daemon");
    }
}
