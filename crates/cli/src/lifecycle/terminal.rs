//! Messages as platforms expect them: all on standard output, with a prefix for warnings and errors.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use dhow_lifecycle::{Level, Log};

/// Writes messages of a level and above, in colour or not.
pub(crate) struct Terminal<W> {
    writer: Mutex<W>,
    /// The least level that is written; `None` if nothing is, not even errors.
    pub(crate) level: Option<Level>,
    /// Whether errors that a phase logs are written.
    pub(crate) errors: Errors,
    /// Whether prefixes and banners have colours.
    pub(crate) colour: Colour,
}

/// Whether errors that a phase logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// They are.
    Written,
    /// They are left to `dhow build`, which tells the failure itself.
    Left,
}

/// Whether escape sequences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// They are, terminal or not.
    Always,
    /// Not one.
    Never,
}

const WARNING: &str = "33;1";
const ERROR: &str = "31;1";
const PHASE: &str = "36";

impl Terminal<io::Stdout> {
    /// Returns the log of a program before it has read its flags.
    pub(crate) fn new() -> Self {
        Self::to(io::stdout())
    }

    /// Returns another that writes the same, for whoever writes at any time.
    pub(crate) fn twin(&self) -> Self {
        Self { level: self.level, colour: self.colour, ..Self::new() }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the lifecycle's answers and complaints go there")]
impl<W: Write> Terminal<W> {
    /// Prints an answer, such as a version.
    pub(crate) fn answer(&self, text: &str) {
        println!("{text}");
    }

    /// Prints what the flag parser says to standard error.
    pub(crate) fn complain(&self, text: &str) {
        eprint!("{text}");
    }

    fn to(writer: W) -> Self {
        Self { writer: Mutex::new(writer), level: Some(Level::Info), errors: Errors::Written, colour: Colour::Always }
    }

    /// Writes the banner of a phase.
    pub(crate) fn phase(&self, name: &str) {
        if self.shows(Level::Info) {
            self.line(&self.painted(PHASE, &format!("===> {name}")));
        }
    }

    /// Writes an error.
    pub(crate) fn error(&self, text: &str) {
        if self.shows(Level::Error) {
            self.line(&format!("{}{text}", self.painted(ERROR, "ERROR: ")));
        }
    }

    fn shows(&self, level: Level) -> bool {
        self.level.is_some_and(|least| level >= least)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        match self.colour {
            Colour::Always => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Never => text.to_owned(),
        }
    }

    /// Nothing is done about a closed standard output: the exit code still tells the outcome.
    fn line(&self, text: &str) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = writer.write_all(format!("{text}{end}").as_bytes());
        let _ = writer.flush();
    }
}

impl<W: Write + Send> Log for Terminal<W> {
    fn log(&self, level: Level, message: &str) {
        if self.shows(level) {
            self.tell(level, message);
        }
    }

    fn tell(&self, level: Level, message: &str) {
        match level {
            Level::Debug | Level::Info => self.line(message),
            Level::Warn => self.line(&format!("{}{message}", self.painted(WARNING, "Warning: "))),
            Level::Error if self.errors == Errors::Left => {}
            Level::Error => self.error(message),
        }
    }
}

/// Reads the name of the least level that is written; above `error` there is only `fatal`, where nothing is.
pub(crate) fn parse_level(text: &str) -> Option<Option<Level>> {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Some(Some(Level::Debug)),
        "info" => Some(Some(Level::Info)),
        "warn" | "warning" => Some(Some(Level::Warn)),
        "error" => Some(Some(Level::Error)),
        "fatal" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(level: impl Into<Option<Level>>, colour: Colour) -> String {
        let terminal = Terminal { level: level.into(), colour, ..Terminal::to(Vec::new()) };
        terminal.log(Level::Debug, "d");
        terminal.log(Level::Info, "i\n");
        terminal.phase("ANALYZING");
        terminal.log(Level::Warn, "w");
        terminal.log(Level::Error, "e");
        String::from_utf8(terminal.writer.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn warnings_and_errors_have_a_prefix() {
        assert_eq!(written(Level::Debug, Colour::Never), "d\ni\n===> ANALYZING\nWarning: w\nERROR: e\n");
    }

    #[test]
    fn prefixes_and_banners_are_coloured() {
        assert_eq!(
            written(Level::Info, Colour::Always),
            "i\n\x1b[36m===> ANALYZING\x1b[0m\n\x1b[33;1mWarning: \x1b[0mw\n\x1b[31;1mERROR: \x1b[0me\n"
        );
    }

    #[test]
    fn lower_levels_are_left_out() {
        assert_eq!(written(Level::Error, Colour::Never), "ERROR: e\n");
        assert_eq!(written(None, Colour::Never), "");
    }
}
