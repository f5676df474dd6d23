//! Directories that stay made, until they are empty and go.

use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::{Operation, PathError, sync_path};

/// Makes the directory at `path` with those above it that are missing, and returns those that it made, topmost first.
///
/// Each has `mode` less the umask, and is on the disk with its name when this returns.
pub fn make_directories(path: &Path, mode: u32) -> Result<Vec<PathBuf>, PathError> {
    let mut made = Vec::new();
    make(path, mode, &mut made)?;
    for directory in &made {
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_path(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(made)
}

/// Removes a directory that is empty; anything else is an error.
pub fn remove_empty_directory(path: &Path) -> Result<(), PathError> {
    rustix::fs::rmdir(path).map_err(|source| PathError::new(Operation::Remove, path, source))
}

fn make(path: &Path, mode: u32, made: &mut Vec<PathBuf>) -> Result<(), PathError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match (make_one(path, mode, made), parent) {
        (Err(error), Some(parent)) if error.is_not_found() => {
            make(parent, mode, made)?;
            make_one(path, mode, made)
        }
        (result, _) => result,
    }
}

fn make_one(path: &Path, mode: u32, made: &mut Vec<PathBuf>) -> Result<(), PathError> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) => made.push(path.to_owned()),
        // It was there, or somebody else made it meanwhile.
        Err(Errno::EXIST) if is_directory(path) => {}
        Err(source) => return Err(PathError::new(Operation::CreateDirectory, path, source)),
    }
    Ok(())
}

fn is_directory(path: &Path) -> bool {
    let is_directory = |mode| rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Directory;
    rustix::fs::stat(path).is_ok_and(|stat| is_directory(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_directory_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        make_directories(&path, 0o755).unwrap();
        assert!(remove_empty_directory(&directory.path().join("a")).is_err());
        remove_empty_directory(&path).unwrap();
        assert!(remove_empty_directory(&path).unwrap_err().is_not_found());
    }

    #[test]
    fn what_is_missing_is_made_and_only_that_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c");
        let made: Vec<PathBuf> = ["a", "a/b", "a/b/c"].iter().map(|name| directory.path().join(name)).collect();
        assert_eq!(make_directories(&path, 0o755).unwrap(), made);
        assert_eq!(make_directories(&path, 0o755).unwrap(), Vec::<PathBuf>::new());
        crate::AtomicFile::replace(&directory.path().join("file"), b"", 0o644).unwrap();
        assert!(make_directories(&directory.path().join("file"), 0o755).is_err());
        assert!(make_directories(&directory.path().join("file/x"), 0o755).is_err());
    }
}
