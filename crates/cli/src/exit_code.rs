//! The exit code of each failure: the lifecycle's own where there is one, else 1.

use std::error::Error;

use dhow_platform::BuildError;

use crate::hints::find;

/// Returns the exit code for an error, by what is in its chain.
pub(crate) fn of(error: &(dyn Error + 'static)) -> u8 {
    find::<BuildError>(error).map_or(1, BuildError::exit_code)
}
