//! What went wrong inside, as it travels to the caller.

use std::io;
use std::path::{Path, PathBuf};

use dhow_fs::PathError;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// A step of the set-up failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    #[serde(with = "crate::bytes")]
    pub(crate) path: PathBuf,
    pub(crate) errno: i32,
}

/// The steps of the set-up that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    ReadJob,
    UserNamespace,
    Namespaces,
    NetworkNamespace,
    Loopback,
    OwnProgram,
    Root,
    Overlay,
    OverlayScratch,
    Proc,
    ProcMask,
    Linked,
    Device,
    Terminals,
    OwnTerminal,
    Session,
    Source,
    Destination,
    ForbiddenDestination,
    Mount,
    Pivot,
    HostName,
    Start,
    Groups,
    User,
    Capabilities,
    NoNewPrivileges,
    Seccomp,
    Scope,
    Descriptors,
    Limits,
    WorkingDirectory,
    ProgramNotFound,
    Execute,
}

impl Step {
    /// Joins this step with an operating system's error about nothing in particular.
    pub(crate) fn failed(self, source: impl Into<io::Error>) -> Failure {
        self.failed_at(Path::new(""), source)
    }

    /// Joins this step with an operating system's error about `path`.
    pub(crate) fn failed_at(self, path: &Path, source: impl Into<io::Error>) -> Failure {
        let errno = source.into().raw_os_error().unwrap_or(Errno::IO.raw_os_error());
        Failure { step: self, path: path.to_owned(), errno }
    }
}

/// Names the step that an error ended.
pub(crate) trait During<T> {
    fn during(self, step: Step) -> Result<T, Failure>;
    fn during_at(self, step: Step, path: &Path) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, step: Step) -> Result<T, Failure> {
        self.map_err(|source| step.failed(source))
    }
    fn during_at(self, step: Step, path: &Path) -> Result<T, Failure> {
        self.map_err(|source| step.failed_at(path, source))
    }
}

impl<T> During<T> for Result<T, PathError> {
    fn during(self, step: Step) -> Result<T, Failure> {
        self.map_err(|error| step.failed_at(&error.path, error.source))
    }
    fn during_at(self, step: Step, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| step.failed_at(path, error.source))
    }
}
