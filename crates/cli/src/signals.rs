//! Signals on their way to a program that dhow runs for the user.

use std::io::IsTerminal;
use std::thread;

use dhow_sandbox::JobHandle;
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// Signals that no longer end dhow itself.
pub(crate) struct Caught(Signals);

impl Caught {
    /// Catches the signals that programs are stopped and told things by.
    pub(crate) fn new() -> Result<Self, Failure> {
        Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])
            .map(Self)
            .map_err(|source| Failure::new("cannot catch signals").because(source))
    }

    /// Sends what comes to `job`, as long as this process lives.
    ///
    /// A terminal sends Ctrl-C and Ctrl-\\ to the job too, as it is of the same process group: sent on, they would come
    /// twice. Without a terminal they were meant for dhow alone.
    pub(crate) fn pass_on(self, job: JobHandle) {
        let mut signals = self.0;
        let from_terminal = std::io::stdin().is_terminal();
        thread::spawn(move || {
            for number in signals.forever() {
                if let Some(signal) = signal_of(number, from_terminal) {
                    job.signal(signal);
                }
            }
        });
    }
}

fn signal_of(number: i32, from_terminal: bool) -> Option<Signal> {
    Some(match number {
        SIGHUP => Signal::HUP,
        SIGTERM => Signal::TERM,
        SIGUSR1 => Signal::USR1,
        SIGUSR2 => Signal::USR2,
        SIGINT if !from_terminal => Signal::INT,
        SIGQUIT if !from_terminal => Signal::QUIT,
        _ => return None,
    })
}
