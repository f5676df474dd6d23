//! What the launcher is told: its name, its arguments, its environment.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use dhow_cnb::places;
use dhow_cnb::{PlatformApi, PlatformApiError};

/// Everything that the launcher takes from outside, but the files.
pub(crate) struct Settings {
    /// The name it was called by.
    pub(crate) argv0: OsString,
    /// The arguments after the name.
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where the layers are.
    pub(crate) layers: PathBuf,
    /// Where the app is.
    pub(crate) app: PathBuf,
    /// Whether messages have colours.
    pub(crate) colour: bool,
}

impl Settings {
    pub(crate) fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        let argv0 = arguments.next().unwrap_or_default();
        let environment: Vec<_> = std::env::vars_os().collect();
        let directory = |name, default: &str| {
            find(&environment, name).filter(|value| !value.is_empty()).map_or(default.into(), PathBuf::from)
        };
        Self {
            argv0,
            arguments: arguments.collect(),
            layers: directory("CNB_LAYERS_DIR", places::LAYERS),
            app: directory("CNB_APP_DIR", places::WORKSPACE),
            colour: !find(&environment, "CNB_NO_COLOR").is_some_and(is_true),
            environment,
        }
    }

    /// Returns the last component of the name it was called by, which may be a process type.
    pub(crate) fn name(&self) -> &OsStr {
        Path::new(&self.argv0).file_name().unwrap_or_default()
    }

    pub(crate) fn platform_api(&self) -> Result<PlatformApi, PlatformApiError> {
        PlatformApi::negotiate(self.text("CNB_PLATFORM_API").as_deref())
    }

    /// Returns the execution environment; an image is for production if nothing else is said.
    pub(crate) fn exec_env(&self) -> &str {
        find(&self.environment, "CNB_EXEC_ENV")
            .and_then(OsStr::to_str)
            .filter(|name| !name.is_empty())
            .unwrap_or("production")
    }

    /// Returns the process type that old platforms named by a variable.
    pub(crate) fn ignored_process_type(&self) -> Option<String> {
        self.text("CNB_PROCESS_TYPE").filter(|name| !name.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        find(&self.environment, name).map(|value| value.to_string_lossy().into_owned())
    }
}

fn find<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
}

/// The words for true that the reference lifecycle takes.
fn is_true(value: &OsStr) -> bool {
    ["1", "t", "T", "true", "TRUE", "True"].iter().any(|word| value == *word)
}
