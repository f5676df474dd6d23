//! The environment that the layers ask for.

use dhow_cnb::env::{Environment, Phase, PlainFile, changes, roots};

use crate::failure::{LaunchError, SystemError};
use crate::files::{self, BuildpackLayers};

/// Applies every buildpack's layers: first what their directories put on paths, then their env directories.
pub(crate) fn apply(
    environment: &mut Environment,
    buildpacks: &[BuildpackLayers],
    process_type: Option<&str>,
) -> Result<(), LaunchError> {
    for layers in buildpacks {
        apply_buildpack(environment, layers, process_type).map_err(LaunchError::Environment)?;
    }
    Ok(())
}

fn apply_buildpack(
    environment: &mut Environment,
    layers: &BuildpackLayers,
    process_type: Option<&str>,
) -> Result<(), SystemError> {
    for layer in layers {
        for root in roots(Phase::Launch) {
            if files::exists(&layer.join(root.directory))? {
                root.changes(layer).for_each(|change| environment.apply(&change));
            }
        }
    }
    for layer in layers {
        let for_launch = layer.join("env.launch");
        let for_process = process_type.map(|process_type| for_launch.join(process_type));
        for directory in [Some(layer.join("env")), Some(for_launch), for_process].iter().flatten() {
            environment.apply_all(&changes(files::env_files(directory)?, PlainFile::Override));
        }
    }
    Ok(())
}
