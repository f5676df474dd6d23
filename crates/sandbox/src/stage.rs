//! The re-executed program: which helper process this is, and what it was handed.
//!
//! ```text
//! dhow ──▶ dhow-sandbox            new user namespace, outside of the container; waits and cleans up
//!              └──▶ dhow-sandbox-init   process 1 of the container: mounts, then reaps and forwards signals
//!                       └──▶ the job's program
//! ```

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;

use rustix::io::Errno;

use crate::failure::{Failure, Step};
use crate::job::Job;
use crate::{init, outer, remove, sys};

/// The first word of the command line of the process outside of the container.
pub(crate) const OUTER: &str = "dhow-sandbox";
/// The first word of the command line of the container's process 1.
pub(crate) const INIT: &str = "dhow-sandbox-init";
/// Where this program is mounted to do nothing, for trials.
pub(crate) const TRIAL: &str = "/dhow-sandbox-trial";
/// Where this program is mounted to remove a tree.
pub(crate) const REMOVE: &str = "/dhow-sandbox-remove";

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

/// Returns the command line of the container's process 1.
pub(crate) fn init_arguments(descriptors: [RawFd; 3]) -> Vec<CString> {
    let name = CString::new(INIT).unwrap_or_default();
    let numbers = descriptors.iter().filter_map(|number| CString::new(number.to_string()).ok());
    std::iter::once(name).chain(numbers).collect()
}

/// Reads the job from the start of its memory file.
pub(crate) fn read_job(file: &OwnedFd) -> Result<Job, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::from(file.try_clone()?);
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| Step::ReadJob.failed(source))?;
    serde_json::from_slice(&bytes).map_err(|_| Step::ReadJob.failed(Errno::BADMSG))
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
