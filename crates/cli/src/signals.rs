//! Signals: on their way to a program that dhow runs for the user, and told when they end dhow itself.

use std::io::IsTerminal;
use std::path::Path;
use std::thread;

use dhow_fs::Root;
use dhow_sandbox::JobHandle;
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::console::{Console, Style};
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

/// Says so when a signal ends dhow, which then ends as it would have. Nothing else is done: what runs in a sandbox ends
/// with dhow, and what is half-written has no name.
pub(crate) fn tell_interruption(style: Style) {
    let told = [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    // Without it the build is as good.
    let Ok(mut signals) = Signals::new(told) else { return };
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            Console::new(style).interrupted();
            let _ended = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

/// Tells whether the caller wants a signal ignored, as shells do for what they start in the background.
fn is_ignored(signal: i32) -> bool {
    const LIMIT: u64 = 64 * 1024;
    let status = Root::host().and_then(|host| host.read_to_string(Path::new("/proc/self/status"), LIMIT));
    let mask = status.ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim().to_owned();
        u64::from_str_radix(&line, 16).ok()
    });
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
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
