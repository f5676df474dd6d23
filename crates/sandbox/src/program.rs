//! The last steps before the job's program: its ids, its directory, exec.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

use crate::failure::{During, Failure, Step};
use crate::job::Job;
use crate::{privileges, sys, terminal};

/// Replaces this process by the job's program; returns only why that failed.
pub(crate) fn become_program(job: &Job, control: &OwnedFd) -> Failure {
    let prepare = || {
        sys::reset_signals();
        if job.terminal.is_some() {
            // Only the leader of a session can have a controlling terminal.
            rustix::process::setsid().during(Step::Session)?;
        }
        privileges::drop_all(job)?;
        if let Some(size) = job.terminal {
            terminal::take(size, control)?;
        }
        enter_directory(&job.cwd)?;
        sys::close_on_exec_from_3().during(Step::Descriptors)
    };
    match prepare() {
        Ok(()) => execute(job),
        Err(failure) => failure,
    }
}

/// The kernel says `(unreachable)…` for a directory outside of the root (CVE-2024-21626).
fn enter_directory(path: &Path) -> Result<(), Failure> {
    rustix::process::chdir(path).during_at(Step::WorkingDirectory, path)?;
    let current = rustix::process::getcwd(Vec::new()).during_at(Step::WorkingDirectory, path)?;
    match current.as_bytes().first() {
        Some(b'/') => Ok(()),
        _ => Err(Step::WorkingDirectory.failed_at(path, Errno::XDEV)),
    }
}

fn execute(job: &Job) -> Failure {
    let Some(name) = job.argv.first() else { return Step::ProgramNotFound.failed(Errno::NOENT) };
    let arguments: Vec<CString> = job.argv.iter().filter_map(|word| c_string(word.as_bytes().to_vec())).collect();
    let environment: Vec<CString> = job.env.iter().filter_map(|(name, value)| variable(name, value)).collect();
    let mut failure = Step::ProgramNotFound.failed_at(Path::new(name), Errno::NOENT);
    for path in candidates(name, &job.env) {
        let Some(c_path) = c_string(path.clone().into_os_string().into_vec()) else { continue };
        let error = sys::execute(&c_path, &arguments, &environment);
        let missing =
            matches!(error, Errno::NOENT | Errno::NOTDIR) && rustix::fs::access(&path, Access::EXISTS).is_err();
        if !missing {
            failure = Step::Execute.failed_at(&path, error);
            // A shell goes on past what it may not run, and no further than any other failure.
            if error != Errno::ACCESS {
                return failure;
            }
        }
    }
    failure
}

fn candidates(name: &OsStr, env: &[(std::ffi::OsString, std::ffi::OsString)]) -> Vec<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.into()];
    }
    let path = env.iter().find(|(variable, _)| variable == "PATH").map_or(OsStr::new(DEFAULT_PATH), |(_, path)| path);
    let directories = path.as_bytes().split(|&byte| byte == b':').filter(|directory| !directory.is_empty());
    directories.map(|directory| Path::new(OsStr::from_bytes(directory)).join(name)).collect()
}

fn variable(name: &OsStr, value: &OsStr) -> Option<CString> {
    c_string([name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// Zero bytes were refused when the job was checked.
fn c_string(bytes: Vec<u8>) -> Option<CString> {
    CString::new(bytes).ok()
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
