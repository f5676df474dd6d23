//! The environment that the layers ask for.

use std::path::Path;

use dhow_cnb::env::{EnvFile, Environment, LayerFiles, apply_layers};

use crate::failure::{LaunchError, SystemError};
use crate::files::{self, BuildpackLayers};

/// Applies every buildpack's layers, in the order of the group.
pub(crate) fn apply(
    environment: &mut Environment,
    buildpacks: &[BuildpackLayers],
    process_type: Option<&str>,
) -> Result<(), LaunchError> {
    for layers in buildpacks {
        apply_layers(environment, layers, process_type, &ImageFiles).map_err(LaunchError::Environment)?;
    }
    Ok(())
}

/// The files of the image that the launcher runs in.
struct ImageFiles;

impl LayerFiles for ImageFiles {
    type Error = SystemError;

    fn exists(&self, path: &Path) -> Result<bool, SystemError> {
        files::exists(path)
    }

    fn env_files(&self, directory: &Path) -> Result<Vec<EnvFile>, SystemError> {
        files::env_files(directory)
    }
}
