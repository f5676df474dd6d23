//! `dhow version`

use serde_json::json;

use crate::arguments::{Format, VersionArguments};
use crate::console::{answer, answer_json};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(arguments: &VersionArguments) {
    match arguments.format {
        Format::Text => answer(&format!("dhow {VERSION}\n")),
        Format::Json => {
            let value = json!({
                "version": VERSION,
                "platform": dhow_oci::Platform::host().to_string(),
                "platformApis": dhow_cnb::PlatformApi::ALL.map(|api| api.to_string()),
                "buildpackApis": dhow_cnb::BuildpackApi::ALL.map(|api| api.to_string()),
            });
            answer_json(&value);
        }
    }
}
