//! Inputs of the builder.

use std::path::PathBuf;

use super::Given;
use crate::lifecycle::failure::Failure;

/// What the builder works from.
#[derive(Debug)]
pub(crate) struct BuilderInputs {
    pub(crate) analyzed: PathBuf,
    pub(crate) app: PathBuf,
    pub(crate) build_config: PathBuf,
    pub(crate) buildpacks: PathBuf,
    pub(crate) group: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) plan: PathBuf,
    pub(crate) platform: PathBuf,
}

impl BuilderInputs {
    pub(crate) fn resolve(given: &Given) -> Result<Self, Failure> {
        given.check_no_positional()?;
        Ok(Self {
            analyzed: given.path("analyzed"),
            app: given.path("app"),
            build_config: given.path("build-config"),
            buildpacks: given.path("buildpacks"),
            group: given.path("group"),
            layers: given.path("layers"),
            plan: given.path("plan"),
            platform: given.path("platform"),
        })
    }
}
