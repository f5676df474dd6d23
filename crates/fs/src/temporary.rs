//! Directories that end with the process that made them, however it ends.
//!
//! Each is locked (flock) by its owner until it is removed. The lock of a killed process is free, by which
//! [`TemporaryDirectory::sweep`] knows what it may remove.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::atomic::{is_unfinished, unique_name};
use crate::lock::try_flock;
use crate::remove::remove_at;
use crate::{FileKind, LockMode, Operation, PathError, Root};

/// A directory that is removed, with all that is in it, when dropped. Its name starts with `.dhow-`.
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
            if let Some(lock) = lock_own(&parent, &name).map_err(|source| fail(Operation::Lock, source))? {
                return Ok(Self { path: root.host_path(&place), parent, name, is_kept: false, _lock: lock });
            }
        }
    }

    /// Removes the directories in `parent` whose makers were killed, and returns how many; what cannot be removed stays.
    pub fn sweep(parent: &Path) -> usize {
        let Ok(root) = Root::open(parent) else { return 0 };
        let entries = root.read_directory(Path::new("/")).unwrap_or_default();
        let temporary = entries.iter().filter(|entry| is_unfinished(&entry.name));
        let mut removed = 0;
        for entry in temporary {
            let path = Path::new("/").join(&entry.name);
            if !root.symlink_metadata(&path).is_ok_and(|stat| stat.kind == FileKind::Directory) {
                continue;
            }
            // The lock is held until it is gone, so that its maker, if it lives after all, makes itself another.
            let Ok((parent, name)) = root.parent(&path, Operation::Lock) else { continue };
            let Ok(Some(_free)) = attempt(&parent, name) else { continue };
            removed += usize::from(root.remove_all(&path).is_ok());
        }
        removed
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
fn lock_own(parent: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    match attempt(parent, OsStr::new(name)) {
        Ok(Some(lock)) if rustix::fs::fstat(&lock)?.st_nlink > 0 => Ok(Some(lock)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(source) => Err(source),
    }
}

/// Locks a directory; `None` if somebody holds it.
fn attempt(parent: &OwnedFd, name: &OsStr) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(try_flock(&directory, LockMode::Exclusive)?.then_some(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_removes_what_dead_processes_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let live = TemporaryDirectory::create_in(directory.path()).unwrap();
        root.create_directories(Path::new("/.dhow-1-dead/closed/below"), 0o755).unwrap();
        root.set_mode(Path::new("/.dhow-1-dead/closed"), 0o000).unwrap();
        root.create_directory(Path::new("/kept"), 0o755).unwrap();
        root.write(Path::new("/.dhow-file"), b"", 0o644).unwrap();
        root.symlink(Path::new("kept"), Path::new("/.dhow-link")).unwrap();
        assert_eq!(TemporaryDirectory::sweep(directory.path()), 1);
        assert_eq!(TemporaryDirectory::sweep(directory.path()), 0);
        for name in ["/kept", "/.dhow-file", "/.dhow-link"] {
            assert!(root.symlink_metadata(Path::new(name)).is_ok(), "{name}");
        }
        assert!(!root.exists(Path::new("/.dhow-1-dead")));
        assert!(live.path().is_dir());
        let path = live.path().to_owned();
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn directories_made_while_others_sweep_stay() {
        let directory = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    TemporaryDirectory::sweep(directory.path());
                }
            });
            for _ in 0..500 {
                let made = TemporaryDirectory::create_in(directory.path()).unwrap();
                Root::host().unwrap().write(&made.path().join("file"), b"", 0o644).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            sweeper.join().unwrap();
        });
    }
}
