//! Errors that name a path.

use std::io;
use std::path::{Path, PathBuf};

/// What was being done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum Operation {
    Open,
    Read,
    Write,
    Create,
    CreateDirectory,
    ReadDirectory,
    Inspect,
    Remove,
    Rename,
    Link,
    ReadLink,
    SetMode,
    SetOwner,
    SetTimes,
    Lock,
    Sync,
    /// Syncing the directory in which a file has just got its name: the file is in place, but may not survive a crash.
    SyncName,
    Copy,
}

impl Operation {
    fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::CreateDirectory => "create directory",
            Self::ReadDirectory => "read directory",
            Self::Inspect => "inspect",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::ReadLink => "read link",
            Self::SetMode => "set mode of",
            Self::SetOwner => "set owner of",
            Self::SetTimes => "set times of",
            Self::Lock => "lock",
            Self::Sync => "sync",
            // The change is made: whoever reads the error must not believe that it is not.
            Self::SyncName => "make sure that a crash spares what is now in",
            Self::Copy => "copy",
        }
    }
}

/// An operation on a path failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {}", .operation.words(), .path.display())]
pub struct PathError {
    /// What was being done.
    pub operation: Operation,
    /// The path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl PathError {
    /// Joins an operating system's error with what was being done to `path`.
    pub fn new(operation: Operation, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self { operation, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// Tells whether the path does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_done_to_which_path_and_leaves_the_cause_to_its_source() {
        let error = PathError::new(Operation::CreateDirectory, "/a/b", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.to_string(), "cannot create directory /a/b");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_sync_that_fails_when_the_file_is_in_place_says_that_it_is() {
        let error = PathError::new(Operation::SyncName, "/l/index.json", io::Error::other("x"));
        assert_eq!(error.to_string(), "cannot make sure that a crash spares what is now in /l/index.json");
    }

    #[test]
    fn nothing_is_there_below_a_file_either() {
        let not_found =
            |kind: io::ErrorKind| PathError::new(Operation::Open, "/a", io::Error::from(kind)).is_not_found();
        assert!(not_found(io::ErrorKind::NotFound) && not_found(io::ErrorKind::NotADirectory));
        assert!(!not_found(io::ErrorKind::PermissionDenied));
    }
}
