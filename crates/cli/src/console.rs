//! The terminal: answers on stdout, talk on stderr, colour and progress only where they help.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dhow_lifecycle::Level;
use dhow_platform::{Event, Events, Progress};

use crate::colours::Uncoloured;
use crate::shown;
use crate::timestamp;
use crate::units::bytes;
use crate::variables::Variables;

/// A step shows its progress once it has taken this long.
const PROGRESS_AFTER: Duration = Duration::from_millis(250);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Off a terminal a line of progress is printed this often.
const PLAIN_PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How much of the output of programs is kept, at least, while it is not shown.
const KEPT: usize = 256 * 1024;

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// How to say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) verbosity: Verbosity,
    pub(crate) colour: bool,
    pub(crate) timestamps: bool,
}

impl Style {
    /// Colour is used on a terminal unless `--no-color`, `NO_COLOR` or `TERM=dumb` says otherwise.
    pub(crate) fn new(verbosity: Verbosity, no_colour: bool, timestamps: bool, variables: &Variables) -> Self {
        let refused = no_colour
            || variables.get("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variables.get("TERM") == Some("dumb");
        Self { verbosity, colour: !refused && io::stderr().is_terminal(), timestamps }
    }
}

/// Draws events on stderr.
pub(crate) struct Console {
    style: Style,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether output of a program ended without a newline.
    within_line: bool,
    /// Whether the last line of the terminal is a progress line, to be overwritten.
    progress_shown: bool,
    step: Option<Step>,
    /// Holds back what may be a colour, where none are wanted.
    uncoloured: Uncoloured,
    /// What programs of the running phase said while nothing was to be shown: a failure shows it.
    unsaid: Vec<u8>,
}

impl State {
    /// Keeps the last of what is said: a reason is at the end.
    fn keep(&mut self, bytes: &[u8]) {
        self.unsaid.extend_from_slice(bytes);
        if self.unsaid.len() > 2 * KEPT {
            let surplus = self.unsaid.len() - KEPT;
            self.unsaid.drain(..surplus);
        }
    }
}

struct Step {
    key: String,
    since: Instant,
    last_shown: Option<Instant>,
}

impl Console {
    pub(crate) fn new(style: Style) -> Self {
        Self { style, terminal: io::stderr().is_terminal(), state: Mutex::default() }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Prints a line of talk, unless quiet.
    pub(crate) fn say(&self, line: &str) {
        if self.style.verbosity != Verbosity::Quiet {
            self.line(line);
        }
    }

    fn line(&self, line: &str) {
        let mut state = self.lock();
        let mut out = io::stderr().lock();
        self.finish_partial(&mut state, &mut out);
        let prefix = self.prefix();
        // A closed stderr must not end a build.
        let _written = writeln!(out, "{prefix}{line}");
    }

    fn finish_partial(&self, state: &mut State, out: &mut impl Write) {
        self.clear_progress(state, out);
        if state.within_line {
            let _written = writeln!(out);
            state.within_line = false;
        }
    }

    fn prefix(&self) -> String {
        if self.style.timestamps { format!("{} ", timestamp::rfc3339(SystemTime::now())) } else { String::new() }
    }

    fn output(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let bytes = if self.style.colour { Cow::Borrowed(bytes) } else { state.uncoloured.pass(bytes) };
        if self.style.verbosity == Verbosity::Quiet {
            state.keep(&bytes);
            return;
        }
        self.write_output(&mut state, &bytes);
    }

    fn write_output(&self, state: &mut State, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut out = io::stderr().lock();
        self.clear_progress(state, &mut out);
        if !self.style.timestamps {
            let _written = out.write_all(bytes);
        } else {
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                if !state.within_line {
                    let _written = out.write_all(self.prefix().as_bytes());
                }
                let _written = out.write_all(piece);
                state.within_line = !piece.ends_with(b"\n");
            }
        }
        state.within_line = !bytes.ends_with(b"\n");
        let _flushed = out.flush();
    }

    fn progress(&self, progress: Progress<'_>) {
        if self.style.verbosity == Verbosity::Quiet {
            return;
        }
        let now = Instant::now();
        let mut state = self.lock();
        let key = format!("{} {}", progress.action, progress.subject);
        if state.step.as_ref().is_none_or(|step| step.key != key) {
            state.step = Some(Step { key, since: now, last_shown: None });
            return;
        }
        let Some(step) = state.step.as_mut() else { return };
        let interval = if self.terminal { PROGRESS_EVERY } else { PLAIN_PROGRESS_EVERY };
        let due = now - step.since >= PROGRESS_AFTER && step.last_shown.is_none_or(|last| now - last >= interval);
        if !due {
            return;
        }
        step.last_shown = Some(now);
        let key = shown::line(&step.key);
        let text = match progress.total {
            Some(total) if total > 0 => format!("{key} {}%", progress.done.min(total) * 100 / total),
            _ => format!("{key} {}", bytes(progress.done)),
        };
        let mut out = io::stderr().lock();
        if self.terminal {
            let _written = write!(out, "\r\x1b[K{text}");
            let _flushed = out.flush();
            state.progress_shown = true;
        } else {
            let _written = writeln!(out, "{text}");
        }
    }

    fn remark(&self, level: Level, message: &str) {
        match level {
            Level::Debug if self.style.verbosity == Verbosity::Verbose => self.line(message),
            Level::Debug => {}
            Level::Info => self.say(message),
            Level::Warn => self.line(&format!("{} {message}", self.paint("33", "warning:"))),
            Level::Error => self.line(&format!("{} {message}", self.paint("31", "error:"))),
        }
    }

    fn begin_phase(&self, banner: &str) {
        self.lock().unsaid.clear();
        self.say(&self.paint("36", &format!("===> {banner}")));
    }

    /// Clears the terminal's line for what comes next, which may be another program's.
    fn end_progress(&self) {
        let mut state = self.lock();
        state.step = None;
        self.clear_progress(&mut state, &mut io::stderr().lock());
    }

    fn clear_progress(&self, state: &mut State, out: &mut impl Write) {
        if state.progress_shown {
            let _written = write!(out, "\r\x1b[K").and_then(|()| out.flush());
            state.progress_shown = false;
        }
    }

    /// Prints an error's lines, however quiet the user wants it, after what the programs that failed said.
    pub(crate) fn report(&self, lines: &str) {
        let mut state = self.lock();
        let mut unsaid = std::mem::take(&mut state.unsaid);
        unsaid.extend(state.uncoloured.rest());
        if !unsaid.is_empty() {
            self.write_output(&mut state, &unsaid);
        }
        drop(state);
        self.line(lines);
    }

    /// Says that a signal ends everything, on a line of its own whatever is on the terminal.
    pub(crate) fn interrupted(&self) {
        if self.terminal {
            let _written = writeln!(io::stderr().lock());
        }
        self.line(&format!("{} interrupted", self.paint("31;1", "error:")));
    }

    /// Paints `text` with an ANSI colour code, if colours are wanted.
    pub(crate) fn paint(&self, code: &str, text: &str) -> String {
        if self.style.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Console {
    fn emit(&self, event: Event<'_>) {
        match event {
            Event::Phase(phase) => self.begin_phase(phase.banner()),
            Event::Remark(level, message) => self.remark(level, &shown::talk(message)),
            Event::Output(bytes) => self.output(bytes),
            Event::Progress(progress) => self.progress(progress),
            Event::ProgressEnd => self.end_progress(),
        }
    }
}

/// Prints an answer to stdout. A closed pipe ends the program quietly, as with other filters.
pub(crate) fn answer(text: &str) {
    let mut out = io::stdout().lock();
    let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints an answer for programs. Control characters that JSON lets pass are escaped, should it be read on a terminal.
pub(crate) fn answer_json(value: &serde_json::Value) {
    let mut text = String::new();
    for character in format!("{value:#}\n").chars() {
        match character {
            '\n' => text.push(character),
            other if other.is_control() => text += &format!("\\u{:04x}", u32::from(other)),
            other => text.push(other),
        }
    }
    answer(&text);
}
