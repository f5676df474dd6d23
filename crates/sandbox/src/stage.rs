//! The re-executed program: which helper process this is, and what it was handed.
//!
//! ```text
//! dhow ──▶ dhow-sandbox            new user namespace, outside of the container; waits and cleans up
//!              └──▶ dhow-sandbox-init   process 1 of the container: mounts, then reaps and forwards signals
//!                       └──▶ the job's program
//! ```

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::Path;

use crate::roles::{INIT, OUTER, REMOVE, TRIAL};
use crate::{init, outer, remove, sys};

/// Becomes a helper process of the sandbox if this program was started as one; then it does not return.
///
/// Must be the first thing in `main` of every program that calls [`spawn`](crate::spawn): the helpers
/// need a process with one thread.
pub fn init_if_asked() {
    let mut arguments = std::env::args_os();
    let Some(name) = arguments.next() else { return };
    if name == OUTER {
        std::process::exit(outer_process(arguments));
    }
    if name == INIT {
        std::process::exit(init_process(arguments));
    }
    if name == TRIAL {
        std::process::exit(0);
    }
    if name == REMOVE {
        std::process::exit(remove::inside(Path::new(&arguments.next().unwrap_or_default())));
    }
}

fn outer_process(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let (Some(control), Some(job)) = (number(arguments.next()), number(arguments.next())) else { return MISUSED };
    if sys::close_all_but(&mut [control, job]).is_err() {
        return MISUSED;
    }
    let (Ok(control), Ok(job)) = (sys::adopt(control), sys::adopt(job)) else { return MISUSED };
    outer::run(&control, &job)
}

fn init_process(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let mut next = || number(arguments.next());
    let (Some(control), Some(job), Some(alive)) = (next(), next(), next()) else { return MISUSED };
    let (Ok(control), Ok(job), Ok(alive)) = (sys::adopt(control), sys::adopt(job), sys::adopt(alive)) else {
        return MISUSED;
    };
    init::run(control, job, &alive)
}

fn number(argument: Option<OsString>) -> Option<RawFd> {
    argument.as_deref().and_then(OsStr::to_str)?.parse().ok()
}

/// Someone called the helper by hand.
const MISUSED: i32 = 125;
