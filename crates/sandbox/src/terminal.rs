//! A terminal of the program's own, made in the container's `/dev/pts`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions, Winsize};
use serde::{Deserialize, Serialize};

use crate::channel::{self, Report};
use crate::failure::{During, Failure, Step};

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// How many lines it has.
    pub rows: u16,
    /// How many characters a line has.
    pub columns: u16,
}

impl TerminalSize {
    fn winsize(self) -> Winsize {
        Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// Makes a terminal, makes it the standard streams and the controlling terminal of this process, and sends its other
/// end to the caller. This process must lead a session, and be the job's user, to whom the terminal then belongs.
pub(crate) fn take(size: TerminalSize, control: &OwnedFd) -> Result<(), Failure> {
    let made = || -> Result<OwnedFd, Errno> {
        let path = Path::new("/dev/pts/ptmx");
        let other_end = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::pty::unlockpt(&other_end)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = rustix::pty::ioctl_tiocgptpeer(&other_end, flags)?;
        let mut modes = rustix::termios::tcgetattr(&terminal)?;
        // Else the backspace key takes a byte, not a character.
        modes.input_modes |= InputModes::IUTF8;
        rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes)?;
        rustix::termios::tcsetwinsize(&terminal, size.winsize())?;
        rustix::process::ioctl_tiocsctty(&terminal)?;
        rustix::stdio::dup2_stdin(&terminal)?;
        rustix::stdio::dup2_stdout(&terminal)?;
        rustix::stdio::dup2_stderr(&terminal)?;
        Ok(other_end)
    };
    let other_end = made().during(Step::OwnTerminal)?;
    channel::send_with(control, &Report::Terminal, other_end.as_fd()).during(Step::OwnTerminal)
}
