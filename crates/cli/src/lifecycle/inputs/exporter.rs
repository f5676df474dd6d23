//! Inputs of the exporter.

use std::path::PathBuf;

use dhow_cnb::{Analyzed, ExitCode};
use dhow_fs::Root;
use dhow_lifecycle::{Level, Log, files};

use super::analyzer::warn_of_launch_cache;
use super::restorer::warn_of_missing_cache;
use super::{CacheImage, Given, LayoutDirectory, images, images::Output};
use crate::lifecycle::failure::{Failure, chain};
use crate::variables::Variables;

/// What the exporter works from.
#[derive(Debug)]
pub(crate) struct ExporterInputs {
    pub(crate) app: PathBuf,
    pub(crate) group: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) report: PathBuf,
    pub(crate) project_metadata: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) stack: PathBuf,
    pub(crate) launcher: PathBuf,
    pub(crate) launcher_sbom: PathBuf,
    pub(crate) layouts: LayoutDirectory,
    /// Where the image goes; never empty.
    pub(crate) outputs: Vec<Output>,
    pub(crate) cache_directory: Option<PathBuf>,
    pub(crate) cache_image: Option<CacheImage>,
    pub(crate) parallel: bool,
    pub(crate) process_type: Option<String>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl ExporterInputs {
    /// Returns the inputs, and analyzed.toml, which says what the run image is.
    pub(crate) fn resolve(
        given: &Given,
        variables: &Variables,
        root: &Root,
        log: &dyn Log,
    ) -> Result<(Self, Analyzed), Failure> {
        if given.positional.is_empty() {
            return Err(Failure::new(
                ExitCode::Arguments,
                "failed to parse arguments: at least one image argument is required",
            ));
        }
        let run_image = given.optional("run-image");
        if run_image.is_some() && run_image != variables.given("CNB_RUN_IMAGE") {
            return Err(Failure::input("-run-image is unsupported"));
        }
        if given.optional("image").is_some() {
            return Err(Failure::input("-image is unsupported"));
        }
        let layouts = LayoutDirectory::resolve(given, root)?;
        let analyzed = given.path("analyzed");
        let content = files::read_analyzed(root, &analyzed, log).map_err(|error| Failure::input(chain(&error)))?;
        if content.run_image.as_ref().is_none_or(|image| image.reference.is_empty()) {
            return Err(Failure::input("run image not found in analyzed metadata"));
        }
        warn_of_launch_cache(given, log);
        warn_of_missing_cache(given, log);
        warn_of_parallel_without_cache(given, log);
        let names = given.positional.clone();
        images::check_one_registry(&names)?;
        let outputs = layouts.outputs(&names)?;
        let cache_image = CacheImage::resolve(given, Some(&layouts))?;
        if let (Some(cache), Some(run_image)) = (&cache_image, &content.run_image) {
            let path = run_image.reference.rsplit_once('@').map_or(run_image.reference.as_str(), |(path, _)| path);
            cache.check_apart(&outputs, &layouts.layout_of(path)?, root)?;
        }
        let inputs = Self {
            app: given.path("app"),
            group: given.path("group"),
            layers: given.path("layers"),
            report: given.path("report"),
            project_metadata: given.path("project-metadata"),
            run: given.path("run"),
            stack: given.path("stack"),
            launcher: given.path("launcher"),
            launcher_sbom: given.path("launcher-sbom"),
            outputs,
            cache_directory: given.optional_path("cache-dir"),
            cache_image,
            parallel: given.switch("parallel"),
            process_type: given.optional("process-type").map(str::to_owned),
            uid: given.id("uid")?,
            gid: given.id("gid")?,
            layouts,
        };
        Ok((inputs, content))
    }
}

/// Warns when there is nothing to do in parallel.
pub(super) fn warn_of_parallel_without_cache(given: &Given, log: &dyn Log) {
    let has_cache = given.optional("cache-dir").or(given.optional("cache-image")).is_some();
    if given.switch("parallel") && !has_cache {
        let text = "Parallel export has been enabled, but it has not taken effect because no cache has been specified.";
        log.log(Level::Warn, text);
    }
}
