//! How a lifecycle program ends when it does not succeed.

use std::error::Error;
use std::fmt::Write as _;

use dhow_cnb::ExitCode;
use dhow_platform::FailedBuildpack;

/// An exit code, and the text to print after `ERROR: `.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    pub(crate) text: String,
    /// The buildpacks that failed, for `dhow build`, which words it itself.
    pub(crate) buildpacks: Vec<FailedBuildpack>,
}

impl Failure {
    /// Returns a failure with a text of its own.
    pub(crate) fn new(code: ExitCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), buildpacks: Vec::new() }
    }

    /// Returns the failure of an input: `failed to resolve inputs: TEXT`.
    pub(crate) fn input(text: impl std::fmt::Display) -> Self {
        Self::new(ExitCode::Arguments, format!("failed to resolve inputs: {text}"))
    }

    /// Returns a failure whose text is that of `error` and its causes, joined by colons.
    pub(crate) fn of(code: ExitCode, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }
}

/// Returns the text of an error and its causes, joined by colons. A cause that the text before it ends in is not said twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            let _ = write!(text, ": {words}");
        }
        cause = error.source();
    }
    text
}
