//! What happens during a build, as values. Engines emit them; the command line draws them.

mod progress;

use dhow_lifecycle::{Level, Log};

pub(crate) use progress::{Counted, Watched};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A phase begins: `ANALYZING`, `DETECTING`, …
    Phase(Phase),
    /// A remark of dhow or of a phase.
    Remark(Level, &'a str),
    /// Output of a program in the sandbox, as it comes: not trusted, and cut anywhere.
    Output(OutputStream, &'a [u8]),
    /// A step that may take long has got this far.
    Progress(Progress<'a>),
    /// The step is over: its progress is nothing to look at any more.
    ProgressEnd,
}

/// Which of its streams a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How far a step has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done: `unpacking`, `copying`.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, if known.
    pub total: Option<u64>,
}

/// The phases of a build, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Builder, run image and workspace are made ready.
    Prepare,
    /// What exists already is looked at.
    Analyze,
    /// Buildpacks say whether they take part.
    Detect,
    /// What earlier builds left is put back.
    Restore,
    /// Buildpacks make layers.
    Build,
    /// The image is written.
    Export,
}

impl Phase {
    /// Returns the phase's banner, as users of buildpacks know it.
    #[must_use]
    pub fn banner(self) -> &'static str {
        match self {
            Self::Prepare => "PREPARING",
            Self::Analyze => "ANALYZING",
            Self::Detect => "DETECTING",
            Self::Restore => "RESTORING",
            Self::Build => "BUILDING",
            Self::Export => "EXPORTING",
        }
    }

    /// Returns the phase's name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Analyze => "analyze",
            Self::Detect => "detect",
            Self::Restore => "restore",
            Self::Build => "build",
            Self::Export => "export",
        }
    }
}

/// Takes events, from several threads at a time.
pub trait Events: Sync {
    /// Takes one event.
    fn emit(&self, event: Event<'_>);

    /// Takes a remark at the level of ordinary information.
    fn info(&self, message: &str) {
        self.emit(Event::Remark(Level::Info, message));
    }

    /// Takes a warning.
    fn warn(&self, message: &str) {
        self.emit(Event::Remark(Level::Warn, message));
    }
}

/// Hands messages of the phases on as events.
pub(crate) struct EventLog<'a>(pub(crate) &'a dyn Events);

impl Log for EventLog<'_> {
    fn log(&self, level: Level, message: &str) {
        self.0.emit(Event::Remark(level, message));
    }
}

/// Events that nobody hears, for tests.
#[cfg(test)]
pub(crate) struct Silent;

#[cfg(test)]
impl Events for Silent {
    fn emit(&self, _event: Event<'_>) {}
}
