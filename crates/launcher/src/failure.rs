//! Why a launch fails. The texts are those of the reference lifecycle, which platforms show.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dhow_cnb::launch::{ReadError, ResolveError};
use dhow_cnb::{BuildpackApiError, ExitCode, PlatformApiError};

/// The launcher ends without a process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    PlatformApi(#[from] PlatformApiError),
    #[error(transparent)]
    BuildpackApi(#[from] BuildpackApiError),
    #[error("failed to read metadata")]
    Metadata(#[from] MetadataError),
    #[error("failed to launch")]
    Launch(#[source] LaunchError),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::PlatformApi(_) => ExitCode::PlatformApi,
            Self::BuildpackApi(_) => ExitCode::BuildpackApi,
            Self::Metadata(_) => ExitCode::Generic,
            Self::Launch(_) => ExitCode::Launch,
        }
    }
}

/// `metadata.toml` is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error(transparent)]
    File(SystemError),
    #[error(transparent)]
    Content(ReadError),
}

/// A step of the launch fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("determine start command")]
    Command(#[from] ResolveError),
    #[error("no command provided for process type {0:?}")]
    NoCommand(String),
    #[error("change to app directory")]
    AppDirectory(#[source] SystemError),
    #[error("modify env")]
    Environment(#[source] SystemError),
    #[error("exec.d")]
    ExecD(#[from] ExecDError),
    #[error("find profiles")]
    Profiles(#[source] SystemError),
    #[error("path lookup")]
    Lookup(#[from] LookupError),
    #[error("change directory")]
    WorkingDirectory(#[source] SystemError),
    #[error("direct exec")]
    DirectExec(#[source] SystemError),
    #[error("bash exec")]
    ShellExec(#[source] SystemError),
}

/// A program of `exec.d` can't be run, or says nothing of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecDError {
    #[error("failed to find exec.d files")]
    List(#[source] SystemError),
    #[error("failed to execute exec.d file at path '{}'", path.display())]
    Run { path: PathBuf, source: RunError },
    #[error("failed to decode output from exec.d file at path '{}'", path.display())]
    Output { path: PathBuf, source: OutputError },
}

/// A program does not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Spawn(SystemError),
    #[error("exit status {0}")]
    Exit(i32),
    #[error("signal {0}")]
    Signal(i32),
}

/// Output is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error(transparent)]
    Read(SystemError),
    #[error("more than {0} bytes")]
    Length(u64),
    #[error(transparent)]
    Content(ReadError),
}

/// A command is no program.
#[derive(Debug, thiserror::Error)]
#[error("exec: {command:?}: {reason}")]
pub(crate) struct LookupError {
    pub(crate) command: String,
    pub(crate) reason: Reason,
}

/// Why a command is no program.
#[derive(Debug)]
pub(crate) enum Reason {
    NotOnPath,
    RelativeToWorkingDirectory,
    System(SystemError),
    File(io::Error),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnPath => formatter.write_str("executable file not found in $PATH"),
            Self::RelativeToWorkingDirectory => {
                formatter.write_str("cannot run executable found relative to current directory")
            }
            Self::System(error) => error.fmt(formatter),
            Self::File(error) => formatter.write_str(&words(error)),
        }
    }
}

/// The system refuses an operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}: {}", path.display(), words(error))]
pub(crate) struct SystemError {
    operation: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl SystemError {
    pub(crate) fn new(operation: &'static str, path: &Path, error: io::Error) -> Self {
        Self { operation, path: path.to_owned(), error }
    }
}

/// Returns the system's words for an error as Go has them: no number, and a lower-case beginning.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
