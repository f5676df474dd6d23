//! The platform's consent to experimental features.

use dhow_cnb::ExitCode;
use dhow_lifecycle::{Level, Log};

use super::failure::Failure;
use crate::variables::Variables;

const MODE: &str = "CNB_EXPERIMENTAL_MODE";

/// Refuses `feature`, warns of it, or says nothing, as the environment asks for; refusing is the default.
pub(crate) fn check(feature: &str, variables: &Variables, log: &dyn Log) -> Result<(), Failure> {
    let text = format!("Platform requested experimental feature '{feature}'");
    match variables.given(MODE).unwrap_or("error") {
        "quiet" => Ok(()),
        "error" => {
            log.log(Level::Error, &text);
            Err(Failure::new(ExitCode::Generic, format!("experimental features are disabled by {MODE}=error")))
        }
        _ => {
            log.log(Level::Warn, &text);
            Ok(())
        }
    }
}
