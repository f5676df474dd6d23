//! The last step: the launcher becomes the process.

mod direct;
mod lookup;
mod shell;

use std::convert::Infallible;

use dhow_cnb::env::Environment;
use dhow_cnb::launch::{Mode, Start};

use crate::failure::LaunchError;
use crate::files::BuildpackLayers;
use crate::settings::Settings;

/// Becomes the process; returns only when that fails.
pub(crate) fn become_process(
    settings: &Settings,
    buildpacks: &[BuildpackLayers],
    start: &Start,
    environment: &Environment,
) -> Result<Infallible, LaunchError> {
    match start.mode {
        Mode::Direct => direct::become_process(settings, start, environment),
        Mode::Shell => shell::become_process(settings, buildpacks, start, environment),
    }
}
