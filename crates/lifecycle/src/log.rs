//! Messages of the phases.

/// How important a message is, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes messages. They have neither prefix nor colour nor line end: the terminal's owner adds them.
pub trait Log: Sync {
    /// Takes one message.
    fn log(&self, level: Level, message: &str);
}
