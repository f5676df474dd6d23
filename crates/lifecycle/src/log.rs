//! What phases say while they work.

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes messages: whole lines, without a prefix, a colour, or a newline at the end.
pub trait Log: Sync {
    /// Takes one message.
    fn log(&self, level: Level, message: &str);

    /// Takes a message that is told however quiet the log is; the level decides about its prefix.
    fn tell(&self, level: Level, message: &str) {
        self.log(level, message);
    }

    /// Takes a message that helps to find out why.
    fn debug(&self, message: &str) {
        self.log(Level::Debug, message);
    }

    /// Takes a message for everyone.
    fn info(&self, message: &str) {
        self.log(Level::Info, message);
    }

    /// Takes a warning.
    fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }
}

/// A log that keeps what it takes, for tests and for messages that are told later.
#[derive(Debug, Default)]
pub struct MemoryLog {
    entries: std::sync::Mutex<Vec<(Level, String)>>,
}

impl MemoryLog {
    /// Returns what was taken, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<(Level, String)> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Log for MemoryLog {
    fn log(&self, level: Level, message: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.push((level, message.to_owned()));
    }

    /// Whoever passes it on later tells everyone.
    fn tell(&self, level: Level, message: &str) {
        self.log(level.max(Level::Info), message);
    }
}
