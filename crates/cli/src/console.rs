//! The terminal: answers on stdout, talk on stderr, colour and progress only where they help.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dhow_lifecycle::Level;
use dhow_platform::{Event, Events, OutputStream, Progress};

use crate::program_output::{Colours, ProgramOutput};
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

struct State {
    /// Whether output of a program ended without a newline.
    within_line: bool,
    /// Whether the last line of the terminal is a progress line, to be overwritten.
    progress_shown: bool,
    step: Option<Step>,
    /// Filters what the programs of the running phase print.
    standard_output: ProgramOutput,
    standard_error: ProgramOutput,
    /// What programs of the running phase said while nothing was to be shown: a failure shows it.
    unsaid: String,
}

impl State {
    fn new(style: Style) -> Self {
        let output = || ProgramOutput::new(if style.colour { Colours::Kept } else { Colours::Dropped });
        let (standard_output, standard_error) = (output(), output());
        Self {
            within_line: false,
            progress_shown: false,
            step: None,
            standard_output,
            standard_error,
            unsaid: String::new(),
        }
    }

    /// Forgets what the programs of the last phase said and left unfinished.
    fn begin_phase(&mut self) {
        self.standard_output.restart();
        self.standard_error.restart();
        self.unsaid.clear();
    }

    /// Keeps the last of what is said: a reason is at the end.
    fn keep(&mut self, text: &str) {
        self.unsaid.push_str(text);
        if self.unsaid.len() > 2 * KEPT {
            let surplus = self.unsaid.len() - KEPT;
            let boundary = (surplus..).find(|index| self.unsaid.is_char_boundary(*index));
            self.unsaid.drain(..boundary.unwrap_or(surplus));
        }
    }

    /// Makes what dhow writes next look like dhow's own, whatever colours a program left on.
    fn plain_again(&mut self, out: &mut impl Write) {
        for output in [&mut self.standard_output, &mut self.standard_error] {
            let _written = out.write_all(output.plain_again().as_bytes());
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
        Self { style, terminal: io::stderr().is_terminal(), state: Mutex::new(State::new(style)) }
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
        state.plain_again(out);
        if state.within_line {
            let _written = writeln!(out);
            state.within_line = false;
        }
    }

    fn prefix(&self) -> String {
        if self.style.timestamps { format!("{} ", timestamp::rfc3339(SystemTime::now())) } else { String::new() }
    }

    fn output(&self, stream: OutputStream, bytes: &[u8]) {
        let mut state = self.lock();
        let text = match stream {
            OutputStream::Output => state.standard_output.pass(bytes),
            OutputStream::Error => state.standard_error.pass(bytes),
        };
        if self.style.verbosity == Verbosity::Quiet {
            state.keep(&text);
            return;
        }
        self.write_output(&mut state, &text);
    }

    fn write_output(&self, state: &mut State, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut out = io::stderr().lock();
        self.clear_progress(state, &mut out);
        if !self.style.timestamps {
            let _written = out.write_all(text.as_bytes());
        } else {
            for piece in text.split_inclusive('\n') {
                if !state.within_line {
                    let _written = out.write_all(self.prefix().as_bytes());
                }
                let _written = out.write_all(piece.as_bytes());
                state.within_line = !piece.ends_with('\n');
            }
        }
        state.within_line = !text.ends_with('\n');
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
        state.plain_again(&mut out);
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
        self.say(&self.paint("36", &format!("===> {banner}")));
        self.lock().begin_phase();
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
        let unsaid = std::mem::take(&mut state.unsaid);
        self.write_output(&mut state, &unsaid);
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
            Event::Output(stream, bytes) => self.output(stream, bytes),
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
