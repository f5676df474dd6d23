//! The exit code of each failure: the lifecycle's own where there is one, those of shells for a program that cannot be
//! run, else 1.

use std::error::Error;

use dhow_platform::{BuildError, RunError};
use dhow_sandbox::SandboxError;

use crate::hints::find;

/// Returns the exit code for an error, by what is in its chain.
pub(crate) fn of(error: &(dyn Error + 'static)) -> u8 {
    match find::<RunError>(error) {
        Some(RunError::Sandbox(SandboxError::ProgramNotFound(_))) => 127,
        Some(RunError::Sandbox(SandboxError::Execute { .. })) => 126,
        _ => find::<BuildError>(error).map_or(1, BuildError::exit_code),
    }
}
