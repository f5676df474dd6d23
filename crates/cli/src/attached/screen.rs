//! The caller's terminal while a program with a terminal of its own runs: raw, and its size passed on.

use std::os::fd::{BorrowedFd, OwnedFd};

use dhow_sandbox::TerminalSize;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// Both terminals.
#[derive(Debug)]
pub(crate) struct Screen {
    /// How the caller's terminal was, if there is one whose keys are passed on.
    saved: Option<Termios>,
    other_end: OwnedFd,
}

impl Screen {
    /// Takes over the caller's terminal, if `typed` asks for its keys. `other_end` is that of the program's terminal.
    pub(crate) fn take(other_end: OwnedFd, typed: bool) -> Self {
        let saved = if typed { tcgetattr(stdin()).ok() } else { None };
        let screen = Self { saved, other_end };
        screen.enter();
        screen
    }

    /// Lets every key reach the program's terminal, which then does what keys do, and passes on the size.
    pub(crate) fn enter(&self) {
        if let Some(saved) = self.saved.as_ref().filter(|_| is_in_foreground()) {
            let mut raw = saved.clone();
            raw.make_raw();
            let _ = tcsetattr(stdin(), OptionalActions::Now, &raw);
        }
        self.resize();
    }

    /// Gives the caller's terminal back as it was. In the background it is the shell's already.
    pub(crate) fn leave(&self) {
        if let Some(saved) = self.saved.as_ref().filter(|_| is_in_foreground()) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, saved);
        }
    }

    /// Gives the program's terminal the size of the caller's.
    pub(crate) fn resize(&self) {
        if let Some(size) = found_size() {
            let _ = rustix::termios::tcsetwinsize(&self.other_end, size);
        }
    }
}

/// Tells whether keys of the terminal that is standard input are meant for this process.
pub(crate) fn is_in_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Returns the size of the caller's terminal, or what every terminal once was.
pub(crate) fn size() -> TerminalSize {
    let size = found_size().map(|size| TerminalSize { rows: size.ws_row, columns: size.ws_col });
    size.unwrap_or(TerminalSize { rows: 24, columns: 80 })
}

fn found_size() -> Option<Winsize> {
    let streams: [BorrowedFd<'_>; 3] = [stdout(), stdin(), stderr()];
    let sizes = streams.into_iter().filter_map(|stream| tcgetwinsize(stream).ok());
    sizes.into_iter().find(|size| size.ws_row > 0 && size.ws_col > 0)
}
