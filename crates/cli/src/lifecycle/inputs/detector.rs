//! Inputs of the detector.

use std::path::{Path, PathBuf};

use dhow_cnb::places;
use dhow_fs::Root;

use super::Given;
use crate::lifecycle::failure::Failure;

/// What the detector works from.
#[derive(Debug)]
pub(crate) struct DetectorInputs {
    pub(crate) analyzed: PathBuf,
    pub(crate) app: PathBuf,
    pub(crate) build_config: PathBuf,
    pub(crate) buildpacks: PathBuf,
    pub(crate) group: PathBuf,
    pub(crate) order: PathBuf,
    pub(crate) plan: PathBuf,
    pub(crate) platform: PathBuf,
    pub(crate) system: PathBuf,
}

impl DetectorInputs {
    pub(crate) fn resolve(given: &Given, root: &Root) -> Result<Self, Failure> {
        given.check_no_positional()?;
        Ok(Self {
            analyzed: given.path("analyzed"),
            app: given.path("app"),
            build_config: given.path("build-config"),
            buildpacks: given.path("buildpacks"),
            group: given.path("group"),
            order: order(given, root),
            plan: given.path("plan"),
            platform: given.path("platform"),
            system: given.path("system"),
        })
    }
}

/// Returns the order that is given, or the one in the layers directory, or the builder's.
pub(super) fn order(given: &Given, root: &Root) -> PathBuf {
    let path = given.path("order");
    let is_default = given.text("order").starts_with(crate::lifecycle::settings::LAYERS_PLACEHOLDER);
    if is_default && !root.exists(&path) { Path::new(places::ORDER).to_owned() } else { path }
}
