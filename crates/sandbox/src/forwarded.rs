//! The signals that reach the job when they are sent to a helper process.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::sys;

/// Their numbers. The last two are not for the job's program: they stop and continue every process of the job.
const FORWARDED: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGCONT,
];

/// Blocks them, and the news of a child, and returns the descriptor that reads both.
pub(crate) fn descriptor() -> Result<OwnedFd, Errno> {
    let mut signals = FORWARDED.to_vec();
    signals.push(libc::SIGCHLD);
    sys::signal_descriptor(&signals)
}
