//! What the environment of a process starts from.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{EnvFile, Environment, Phase, PlainFile, changes, roots};
use crate::places;

/// Where the files of layers are read.
pub trait LayerFiles {
    /// Why they cannot be.
    type Error;

    /// Tells whether something is at `path`. Links are followed.
    fn exists(&self, path: &Path) -> Result<bool, Self::Error>;

    /// Returns the files of an env directory. A directory that is missing has none.
    fn env_files(&self, directory: &Path) -> Result<Vec<EnvFile>, Self::Error>;
}

/// Applies what the launch layers of one buildpack ask for (platform.md, "Environment Variables", launch).
///
/// First come the directories that all layers put on paths, then the env directories of all layers, those of the process
/// among them.
pub fn apply_layers<F: LayerFiles>(
    environment: &mut Environment,
    layers: &[PathBuf],
    process_type: Option<&str>,
    files: &F,
) -> Result<(), F::Error> {
    for layer in layers {
        for root in roots(Phase::Launch) {
            if files.exists(&layer.join(root.directory))? {
                root.changes(layer).for_each(|change| environment.apply(&change));
            }
        }
    }
    for layer in layers {
        let for_launch = layer.join("env.launch");
        let for_process = process_type.map(|process_type| for_launch.join(process_type));
        for directory in [Some(layer.join("env")), Some(for_launch), for_process].iter().flatten() {
            environment.apply_all(&changes(files.env_files(directory)?, PlainFile::Override));
        }
    }
    Ok(())
}

/// Returns the part of the launcher's own environment that processes see: all of it but what is
/// meant for the launcher, and without the launcher's own directories in `PATH`.
#[must_use]
pub fn launch(own: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let mut environment: Environment =
        own.into_iter().filter(|(name, _)| !LAUNCHER_ONLY.iter().any(|hidden| name == *hidden)).collect();
    if let Some(path) = environment.get("PATH").map(without_launcher) {
        environment.set("PATH", path);
    }
    environment
}

fn without_launcher(path: &OsStr) -> OsString {
    let kept: Vec<&[u8]> = path
        .as_bytes()
        .split(|byte| *byte == b':')
        .filter(|directory| !LAUNCHER_DIRECTORIES.contains(directory))
        .collect();
    OsString::from_vec(kept.join(&b':'))
}

const LAUNCHER_ONLY: [&str; 5] =
    ["CNB_LAYERS_DIR", "CNB_APP_DIR", "CNB_PROCESS_TYPE", "CNB_PLATFORM_API", "CNB_DEPRECATION_MODE"];

const LAUNCHER_DIRECTORIES: [&[u8]; 2] = [places::PROCESS_DIRECTORY.as_bytes(), places::LIFECYCLE_DIRECTORY.as_bytes()];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Option<OsString> {
        launch([("PATH".into(), path.into())]).get("PATH").map(ToOwned::to_owned)
    }

    #[test]
    fn the_launchers_own_variables_are_hidden_and_the_execution_environment_is_not() {
        let own = ["CNB_LAYERS_DIR", "CNB_APP_DIR", "CNB_PLATFORM_API", "CNB_EXEC_ENV", "CNB_NO_COLOR"];
        let environment = launch(own.map(|name| (name.into(), "x".into())));
        let names: Vec<&OsStr> = environment.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["CNB_EXEC_ENV", "CNB_NO_COLOR"]);
    }

    #[test]
    fn exactly_the_launchers_directories_leave_the_path() {
        assert_eq!(
            path("/cnb/process:/usr/bin:/cnb/lifecycle:/bin:/cnb/process:/cnb/lifecycle/:"),
            Some("/usr/bin:/bin:/cnb/lifecycle/:".into())
        );
        assert_eq!(path("/cnb/process:/cnb/lifecycle:"), Some("".into()));
        assert_eq!(launch([]).get("PATH"), None);
    }
}
