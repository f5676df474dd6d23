//! Processes without a shell.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use dhow_cnb::env::Environment;
use dhow_cnb::launch::Start;

use super::lookup;
use crate::failure::{LaunchError, SystemError};
use crate::settings::Settings;

/// Looks the command up from the app's directory, changes to the process's, and becomes it.
pub(super) fn become_process(
    settings: &Settings,
    start: &Start,
    environment: &Environment,
) -> Result<Infallible, LaunchError> {
    let (command, fixed) = start
        .command
        .split_first()
        .ok_or_else(|| LaunchError::NoCommand(start.process_type.clone().unwrap_or_default()))?;
    let program = lookup::program(command, environment.get("PATH"))?;
    let directory = start.working_directory.as_deref().map_or(settings.app.as_path(), Path::new);
    std::env::set_current_dir(directory)
        .map_err(|error| LaunchError::WorkingDirectory(SystemError::new("chdir", directory, error)))?;
    let error =
        Command::new(&program).arg0(command).args(fixed).args(&start.args).env_clear().envs(environment.iter()).exec();
    Err(LaunchError::DirectExec(SystemError::new("exec", &program, error)))
}
