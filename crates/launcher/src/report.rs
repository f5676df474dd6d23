//! Messages, which go to standard output as all messages of the lifecycle do.

use std::error::Error;
use std::io::Write;

/// Prints messages.
pub(crate) struct Report {
    colour: bool,
}

impl Report {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    pub(crate) fn warning(&self, message: &str) {
        self.line("33;1", "Warning: ", message);
    }

    /// Prints an error and its causes in one line.
    pub(crate) fn error(&self, error: &dyn Error) {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        self.line("31;1", "ERROR: ", &message);
    }

    fn line(&self, colour: &str, prefix: &str, message: &str) {
        let line = match self.colour {
            true => format!("\x1b[{colour}m{prefix}\x1b[0m{message}\n"),
            false => format!("{prefix}{message}\n"),
        };
        // There is nowhere left to report that standard output is gone.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}
