//! Errors of the disk in the words that the reference prints: `open /layers/x: permission denied`.

use dhow_fs::{Operation, PathError};

/// A [`PathError`] in the reference's words, cause included.
#[derive(Debug, thiserror::Error)]
#[error("{} {}: {}", verb(.0.operation), .0.path.display(), words(&.0.source))]
pub struct GoPathError(pub PathError);

impl From<PathError> for GoPathError {
    fn from(error: PathError) -> Self {
        Self(error)
    }
}

/// Returns what the operating system says, as Go writes it: lower case, without a number.
#[must_use]
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Open | Operation::Create | Operation::ReadDirectory => "open",
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::CreateDirectory => "mkdir",
        Operation::Inspect => "lstat",
        Operation::Remove => "unlinkat",
        Operation::Rename => "rename",
        Operation::Link => "link",
        Operation::ReadLink => "readlink",
        Operation::SetMode => "chmod",
        Operation::SetOwner => "chown",
        Operation::SetTimes => "chtimes",
        Operation::Lock => "flock",
        Operation::Sync | Operation::SyncName => "sync",
        Operation::Copy => "copy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_errors_read_as_in_the_reference() {
        let source = std::io::Error::from_raw_os_error(13);
        let error = GoPathError(PathError::new(Operation::Open, "/layers/group.toml", source));
        assert_eq!(error.to_string(), "open /layers/group.toml: permission denied");
        let source = std::io::Error::from_raw_os_error(2);
        let error = GoPathError(PathError::new(Operation::Inspect, "/workspace", source));
        assert_eq!(error.to_string(), "lstat /workspace: no such file or directory");
    }
}
