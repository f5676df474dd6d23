//! How far long steps have got: told by a reader that counts, or by a look at counters from time to time.

use std::io::Read;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{Event, Events, Progress};

/// How often a step that runs is looked at. What is shown of it, and when, is decided by who draws it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A reader that tells how much has been read.
pub(crate) struct Counted<'a, R> {
    inner: R,
    done: u64,
    progress: Progress<'a>,
    events: &'a dyn Events,
}

impl<'a, R> Counted<'a, R> {
    /// Counts what is read from `inner`; `progress` says what that is.
    pub(crate) fn new(inner: R, progress: Progress<'a>, events: &'a dyn Events) -> Self {
        Self { inner, done: 0, progress, events }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done += count as u64;
        self.events.emit(Event::Progress(Progress { done: self.done, ..self.progress }));
        Ok(count)
    }
}

/// A step that counts what it does, looked at while it runs.
pub(crate) struct Watched<'a> {
    /// Who is told.
    pub(crate) events: &'a dyn Events,
    /// What is being done.
    pub(crate) action: &'static str,
    /// To what at the moment, if to anything worth telling.
    pub(crate) subject: &'a (dyn Fn() -> Option<String> + Sync),
    /// A counter of bytes, which need not begin at zero.
    pub(crate) bytes: &'a (dyn Fn() -> u64 + Sync),
}

impl Watched<'_> {
    /// Runs the step on this thread, and looks at it from another. Where the machine has no thread left, nobody looks.
    pub(crate) fn run<T>(&self, step: impl FnOnce() -> T) -> T {
        let end = End::default();
        let result = std::thread::scope(|scope| {
            let _watcher = std::thread::Builder::new().spawn_scoped(scope, || self.look_until(&end));
            // Also when the step panics, as the other thread is waited for.
            let _ended = EndOnDrop(&end);
            step()
        });
        self.events.emit(Event::ProgressEnd);
        result
    }

    fn look_until(&self, end: &End) {
        let mut current: Option<(String, u64)> = None;
        loop {
            let (subject, bytes) = ((self.subject)(), (self.bytes)());
            if let Some(subject) = subject {
                let (subject, before) = match current.take() {
                    Some((known, before)) if known == subject => (known, before),
                    _ => (subject, bytes),
                };
                let done = bytes.saturating_sub(before);
                let progress = Progress { action: self.action, subject: &subject, done, total: None };
                self.events.emit(Event::Progress(progress));
                current = Some((subject, before));
            }
            if end.is_reached_within(LOOK_EVERY) {
                return;
            }
        }
    }
}

#[derive(Default)]
struct End {
    reached: Mutex<bool>,
    changed: Condvar,
}

impl End {
    fn is_reached_within(&self, time: Duration) -> bool {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(reached, time, |reached| !*reached);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

struct EndOnDrop<'a>(&'a End);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        *self.0.reached.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Told(Mutex<Sender<(String, u64)>>);

    impl Events for Told {
        fn emit(&self, event: Event<'_>) {
            if let Event::Progress(Progress { action, subject, done, .. }) = event {
                // The test is over when nobody listens any more.
                let _sent = self.0.lock().unwrap().send((format!("{action} {subject}"), done));
            }
        }
    }

    #[test]
    fn a_step_is_told_with_what_it_did_since_its_subject_changed() {
        let (sender, told) = channel();
        let events = Told(Mutex::new(sender));
        let bytes = AtomicU64::new(7);
        let subject = Mutex::new("one".to_owned());
        let watched = Watched {
            events: &events,
            action: "packing",
            subject: &|| Some(subject.lock().unwrap().clone()),
            bytes: &|| bytes.load(Ordering::SeqCst),
        };
        let wait_for = |wanted: (&str, u64)| {
            while told.recv().unwrap() != (wanted.0.to_owned(), wanted.1) {}
        };
        let result = watched.run(|| {
            wait_for(("packing one", 0));
            bytes.store(17, Ordering::SeqCst);
            wait_for(("packing one", 10));
            *subject.lock().unwrap() = "two".to_owned();
            wait_for(("packing two", 0));
            "done"
        });
        assert_eq!(result, "done");
    }

    #[test]
    fn a_reader_tells_how_much_was_read() {
        let (sender, told) = channel();
        let events = Told(Mutex::new(sender));
        let progress = Progress { action: "importing", subject: "x", done: 0, total: Some(5) };
        let mut text = String::new();
        Counted::new(&b"bytes"[..], progress, &events).read_to_string(&mut text).unwrap();
        assert_eq!(told.recv().unwrap(), ("importing x".to_owned(), 5));
    }
}
