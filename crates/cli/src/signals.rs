//! Signals: on their way to a program that dhow runs for the user, and told when they end dhow itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use dhow_fs::Root;
use dhow_platform::CurrentJob;
use dhow_sandbox::JobHandle;
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::attached::Screen;
use crate::console::{Console, Style};
use crate::failure::Failure;

/// Signals that no longer end dhow itself.
pub(crate) struct Caught(Signals);

impl Caught {
    /// Catches the signals that programs are stopped and told things by.
    pub(crate) fn new() -> Result<Self, Failure> {
        Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH])
            .map(Self)
            .map_err(|source| Failure::new("cannot catch signals").because(source))
    }

    /// Sends what comes to `job`, as long as this process lives.
    ///
    /// The job is in a session of its own, so nothing reaches it but what is sent on. A new size of the terminal goes
    /// to `screen`. A stop gives the terminal back as long as it lasts.
    pub(crate) fn pass_on(self, job: JobHandle, screen: Option<Arc<Screen>>) -> Result<(), io::Error> {
        let mut signals = self.0;
        let pass_on = move || {
            for number in signals.forever() {
                match (number, &screen) {
                    (SIGWINCH, Some(screen)) => screen.resize(),
                    (SIGTSTP, screen) => stop(Some(&job), screen.as_deref()),
                    _ => {}
                }
                if let Some(signal) = signal_of(number) {
                    job.signal(signal);
                }
            }
        };
        thread::Builder::new().spawn(pass_on).map(drop)
    }
}

/// Makes a write beyond the limit of file sizes (`ulimit -f`) fail as one on a full disk does, instead of killing dhow.
///
/// The signal is caught rather than ignored, because programs that dhow starts would inherit that it is ignored.
pub(crate) fn survive_file_size_limit() {
    // Nobody looks at the flag: the write itself fails then.
    let _otherwise_killed = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Says so when a signal ends dhow, which then ends as it would have. Nothing else is done: what runs in a sandbox ends
/// with dhow, and what is half-written has no name. A signal that stops dhow stops its job, too, which is not reached by
/// the keys of the terminal.
pub(crate) fn watch_build(style: Style, job: CurrentJob) {
    let told: Vec<i32> = [SIGINT, SIGTERM, SIGTSTP].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    // The signals are caught by the thread itself: caught with nobody to tell them, they would end nothing.
    let tell = move || {
        let Ok(mut signals) = Signals::new(told) else { return };
        for signal in signals.forever() {
            if signal == SIGTSTP {
                stop(job.handle().as_ref(), None);
                continue;
            }
            Console::new(style).interrupted();
            let _ended = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    // Without it the build is as good.
    let _teller = thread::Builder::new().spawn(tell);
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

/// Stops the job and this process until someone continues this process.
fn stop(job: Option<&JobHandle>, screen: Option<&Screen>) {
    if let Some(job) = job {
        job.pause();
    }
    if let Some(screen) = screen {
        screen.leave();
    }
    dhow_sandbox::stop_this_process();
    if let Some(screen) = screen {
        screen.enter();
    }
    if let Some(job) = job {
        job.resume();
    }
}

fn signal_of(number: i32) -> Option<Signal> {
    Some(match number {
        SIGHUP => Signal::HUP,
        SIGTERM => Signal::TERM,
        SIGUSR1 => Signal::USR1,
        SIGUSR2 => Signal::USR2,
        SIGINT => Signal::INT,
        SIGQUIT => Signal::QUIT,
        _ => return None,
    })
}
