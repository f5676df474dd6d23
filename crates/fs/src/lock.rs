//! Advisory locks (`flock(2)`), released by the kernel when their holder dies.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Operation, Ownership, PathError, Root, Stat};

/// Whether others may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Others may hold it too, if they share.
    Shared,
    /// Nobody else may hold it.
    Exclusive,
}

/// A held lock. Dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// What is to be locked cannot be opened or locked.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Someone else holds it, and the caller did not want to wait.
    #[error("{} is locked by another process", .0.display())]
    Held(PathBuf),
}

/// Has every wait for a lock in this process told to `tell`, as `another writer of PATH`, once for each holder.
///
/// As with a logger, the first caller decides, and without one nothing is told. A lock may be waited for deep below a
/// stream of bytes, where nobody who could tell a person is at hand.
pub fn announce_waits(tell: impl Fn(&str) + Send + Sync + 'static) {
    let _first_decides = LISTENER.set(Listener { tell: Box::new(tell), told: Mutex::default() });
}

static LISTENER: OnceLock<Listener> = OnceLock::new();

struct Listener {
    tell: Box<dyn Fn(&str) + Send + Sync>,
    told: Mutex<BTreeSet<String>>,
}

impl Listener {
    fn hear(&self, holder: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&holder) {
            (self.tell)(&holder);
            told.insert(holder);
        }
    }
}

impl Lock {
    /// Takes the lock of the file or directory at `path`, which must be there.
    ///
    /// Blocks while somebody else holds it. Before that, `holder` says who that is, for [`announce_waits`].
    pub fn take(root: &Root, path: &Path, mode: LockMode, holder: impl FnOnce() -> String) -> Result<Self, LockError> {
        let file = root.resolve(path, FLAGS, Mode::empty(), Operation::Lock)?;
        Self::await_free(root, path, file, mode, holder)
    }

    /// As [`Lock::take`], but makes an empty file where nothing is.
    pub fn take_file(
        root: &Root,
        path: &Path,
        mode: LockMode,
        holder: impl FnOnce() -> String,
    ) -> Result<Self, LockError> {
        // Opened without writing where possible, so that one that is read-only can still be locked.
        let file = match root.resolve(path, FLAGS, Mode::empty(), Operation::Lock) {
            Err(error) if error.is_not_found() => {
                root.resolve(path, FLAGS | OFlags::CREATE, Mode::from_raw_mode(0o644), Operation::Lock)
            }
            other => other,
        };
        Self::await_free(root, path, file?, mode, holder)
    }

    /// Takes the lock of what is at `path` if it is free; [`LockError::Held`] if it is not.
    pub fn attempt(root: &Root, path: &Path, mode: LockMode) -> Result<Self, LockError> {
        let file = root.resolve(path, FLAGS, Mode::empty(), Operation::Lock)?;
        let place = root.host_path(path);
        match try_flock(&file, mode).map_err(|source| PathError::new(Operation::Lock, &place, source))? {
            true => Ok(Self { file }),
            false => Err(LockError::Held(place)),
        }
    }

    /// Returns the facts of what is locked, whatever its name leads to by now.
    pub fn stat(&self) -> Result<Stat, PathError> {
        let stat = rustix::fs::fstat(&self.file);
        let stat = stat.map_err(|source| PathError::new(Operation::Inspect, Path::new("a locked file"), source))?;
        Ok(Stat::of(&stat, &Ownership::Real))
    }

    fn await_free(
        root: &Root,
        path: &Path,
        file: OwnedFd,
        mode: LockMode,
        holder: impl FnOnce() -> String,
    ) -> Result<Self, LockError> {
        let fail = |source| PathError::new(Operation::Lock, root.host_path(path), source);
        if !try_flock(&file, mode).map_err(fail)? {
            if let Some(listener) = LISTENER.get() {
                listener.hear(holder());
            }
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, blocking(mode))).map_err(fail)?;
        }
        Ok(Self { file })
    }
}

/// Locks an open file or directory if that needs no waiting, and tells whether it did.
pub(crate) fn try_flock(file: &OwnedFd, mode: LockMode) -> Result<bool, Errno> {
    let operation = match mode {
        LockMode::Shared => FlockOperation::NonBlockingLockShared,
        LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    match rustix::fs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(other) => Err(other),
    }
}

fn blocking(mode: LockMode) -> FlockOperation {
    match mode {
        LockMode::Shared => FlockOperation::LockShared,
        LockMode::Exclusive => FlockOperation::LockExclusive,
    }
}

/// A pipe in a lock's place makes nobody wait for its other end.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::*;

    fn scratch() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    fn take(root: &Root, mode: LockMode) -> Result<Lock, LockError> {
        Lock::take_file(root, Path::new("/lock"), mode, String::new)
    }

    fn attempt(root: &Root, mode: LockMode) -> Result<Lock, LockError> {
        Lock::attempt(root, Path::new("/lock"), mode)
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let (directory, root) = scratch();
        let held = take(&root, LockMode::Exclusive).unwrap();
        for mode in [LockMode::Exclusive, LockMode::Shared] {
            let place = directory.path().join("lock");
            assert!(matches!(attempt(&root, mode), Err(LockError::Held(held)) if held == place));
        }
        drop(held);
        attempt(&root, LockMode::Exclusive).unwrap();
    }

    #[test]
    fn those_who_share_hold_it_together_and_keep_others_out() {
        let (_directory, root) = scratch();
        let first = take(&root, LockMode::Shared).unwrap();
        let second = attempt(&root, LockMode::Shared).unwrap();
        drop(first);
        assert!(matches!(attempt(&root, LockMode::Exclusive), Err(LockError::Held(_))));
        drop(second);
        attempt(&root, LockMode::Exclusive).unwrap();
    }

    #[test]
    fn whoever_must_wait_gets_it_when_it_is_free() {
        let (_directory, root) = scratch();
        let held = take(&root, LockMode::Exclusive).unwrap();
        let (begin, begun) = channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                begin.send(()).unwrap();
                take(&root, LockMode::Exclusive).unwrap()
            });
            begun.recv().unwrap();
            assert!(attempt(&root, LockMode::Exclusive).is_err());
            drop(held);
            drop(waiting.join().unwrap());
        });
        attempt(&root, LockMode::Exclusive).unwrap();
    }

    #[test]
    fn a_directory_is_locked_as_it_is_and_only_a_file_that_is_asked_for_is_made() {
        let (directory, root) = scratch();
        let _held = Lock::take(&root, Path::new("/"), LockMode::Exclusive, String::new).unwrap();
        assert!(Lock::take(&root, Path::new("/lock"), LockMode::Shared, String::new).is_err());
        assert!(attempt(&root, LockMode::Shared).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        take(&root, LockMode::Shared).unwrap();
        assert_eq!(fs::read(directory.path().join("lock")).unwrap(), b"");
    }

    #[test]
    fn a_lock_knows_what_is_locked_whatever_has_its_name() {
        let (directory, root) = scratch();
        let held = take(&root, LockMode::Exclusive).unwrap();
        let identity = |name: &str| root.metadata(Path::new(name)).unwrap().identity();
        assert_eq!(held.stat().unwrap().identity(), identity("/lock"));
        fs::rename(directory.path().join("lock"), directory.path().join("moved")).unwrap();
        fs::write(directory.path().join("lock"), "").unwrap();
        assert_eq!(held.stat().unwrap().identity(), identity("/moved"));
    }

    #[test]
    fn a_pipe_in_a_locks_place_makes_nobody_wait() {
        let (directory, root) = scratch();
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("lock"), Mode::RWXU).unwrap();
        let _whatever = attempt(&root, LockMode::Exclusive);
    }
}
