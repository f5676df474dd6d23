//! Directories that end with the process that made them, however it ends.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::remove::remove_at;
use crate::unfinished::{lock_own, unique_name};
use crate::{Operation, PathError, Root};

/// A directory that is removed, with all that is in it, when dropped. Its name starts with `.dhow-`.
///
/// It is locked until then. What a killed process left is removed by [`sweep`](crate::sweep).
#[derive(Debug)]
pub struct TemporaryDirectory {
    path: PathBuf,
    parent: OwnedFd,
    name: String,
    is_kept: bool,
    _lock: OwnedFd,
}

impl TemporaryDirectory {
    /// Creates a directory of mode 0700 in `parent`.
    pub fn create_in(parent: &Path) -> Result<Self, PathError> {
        Self::create_at(&Root::host()?, parent)
    }

    /// As [`TemporaryDirectory::create_in`], for a parent below `root`.
    pub fn create_at(root: &Root, parent: &Path) -> Result<Self, PathError> {
        loop {
            let name = unique_name();
            let place = parent.join(&name);
            let fail = |operation, source: Errno| root.error(operation, &place, source);
            let (parent, _) = root.parent(&place, Operation::CreateDirectory)?;
            rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o700))
                .map_err(|source| fail(Operation::CreateDirectory, source))?;
            if let Some(lock) = lock_made(&parent, &name).map_err(|source| fail(Operation::Lock, source))? {
                return Ok(Self { path: root.host_path(&place), parent, name, is_kept: false, _lock: lock });
            }
        }
    }

    /// Returns the directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory's name in its parent.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the directory and returns its path.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        self.is_kept = true;
        std::mem::take(&mut self.path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is swept later.
            let _left = remove_at(self.parent.as_fd(), OsStr::new(&self.name));
        }
    }
}

/// Locks a directory that was just made; `None` if a sweep took it for a dead process's.
fn lock_made(parent: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(made) => Ok(lock_own(&made)?.then_some(made)),
        Err(Errno::NOENT) => Ok(None),
        Err(source) => Err(source),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sweep;

    #[test]
    fn a_directory_is_closed_to_others_and_gone_with_its_maker_whatever_is_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let made = TemporaryDirectory::create_in(parent.path()).unwrap();
        let path = made.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::set_permissions(path.join("a"), fs::Permissions::from_mode(0o0)).unwrap();
        assert_eq!(sweep(parent.path()), 0);
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_is_kept_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = TemporaryDirectory::create_in(parent.path()).unwrap().keep();
        assert!(path.is_dir());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let error = TemporaryDirectory::create_in(&parent.path().join("none")).unwrap_err();
        assert!(error.is_not_found() && error.operation == Operation::CreateDirectory);
        assert!(error.path.starts_with(parent.path().join("none")));
    }

    #[test]
    fn directories_made_while_others_sweep_stay() {
        let directory = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep(directory.path());
                }
            });
            for _ in 0..500 {
                let made = TemporaryDirectory::create_in(directory.path()).unwrap();
                fs::write(made.path().join("file"), "").unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            sweeper.join().unwrap();
        });
    }
}
