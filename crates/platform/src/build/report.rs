//! What a build came to.

use std::time::{Duration, Instant};

use dhow_fs::WorkReport;
use dhow_oci::Digest;

use crate::{Event, Events, Phase};

/// What a build came to.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildReport {
    /// The image, as the user named it.
    pub name: String,
    /// All names that it got, the first one first.
    pub tags: Vec<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The bytes of its layers, compressed, the run image's included.
    pub size: u64,
    /// The number of its layers.
    pub layers: usize,
    /// Whether the run image's layers are left out.
    pub sparse: bool,
    /// The builder, in words.
    pub builder: String,
    /// The run image, by name and digest.
    pub run_image: String,
    /// How long each phase took, in order.
    pub times: Vec<(Phase, Duration)>,
    /// What was done.
    pub work: WorkReport,
}

/// Tells phases as they begin, and measures them.
pub(crate) struct PhaseClock<'a> {
    events: &'a dyn Events,
    running: Option<(Phase, Instant)>,
    times: Vec<(Phase, Duration)>,
}

impl<'a> PhaseClock<'a> {
    pub(crate) fn new(events: &'a dyn Events) -> Self {
        Self { events, running: None, times: Vec::new() }
    }

    /// Ends the phase that runs, and begins another.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.end();
        self.events.emit(Event::Phase(phase));
        self.running = Some((phase, Instant::now()));
    }

    fn end(&mut self) {
        if let Some((phase, since)) = self.running.take() {
            self.times.push((phase, since.elapsed()));
        }
    }

    /// Ends the last phase and returns the times of all.
    pub(crate) fn finish(mut self) -> Vec<(Phase, Duration)> {
        self.end();
        self.times
    }
}
