//! Advisory locks (`flock(2)`), released by the kernel when their holder dies.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Operation, PathError};

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
    _file: OwnedFd,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file cannot be opened or locked.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Someone else holds it, and the caller did not want to wait.
    #[error("{} is locked by another process", .0.display())]
    Held(PathBuf),
}

/// Has every wait of [`Lock::take_announced`] in this process told to `tell`, once for each path.
///
/// As with a logger, the first caller decides, and without one nothing is told: a lock may be waited for deep below a
/// stream of bytes, where nobody who could tell a person is at hand.
pub fn announce_waits(tell: impl Fn(&Path) + Send + Sync + 'static) {
    let _first_decides = LISTENER.set(Listener { tell: Box::new(tell), told: Mutex::default() });
}

static LISTENER: OnceLock<Listener> = OnceLock::new();

struct Listener {
    tell: Box<dyn Fn(&Path) + Send + Sync>,
    told: Mutex<BTreeSet<PathBuf>>,
}

impl Listener {
    fn hear(&self, path: &Path) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(path.to_owned()) {
            (self.tell)(path);
        }
    }
}

impl Lock {
    /// Takes the lock of the file or directory at `path`, creating an empty file if nothing is there.
    ///
    /// Calls `on_wait` once, before blocking, when someone else holds it.
    pub fn take(path: &Path, mode: LockMode, on_wait: impl FnOnce()) -> Result<Self, LockError> {
        Self::await_free(path, open(path)?, mode, on_wait)
    }

    /// As [`Lock::take`], of something that is there, with waits told to whom [`announce_waits`] named.
    pub fn take_announced(path: &Path, mode: LockMode) -> Result<Self, LockError> {
        let file = open_existing(path).map_err(|source| PathError::new(Operation::Lock, path, source))?;
        Self::await_free(path, file, mode, || {
            if let Some(listener) = LISTENER.get() {
                listener.hear(path);
            }
        })
    }

    fn await_free(path: &Path, file: OwnedFd, mode: LockMode, on_wait: impl FnOnce()) -> Result<Self, LockError> {
        let fail = |source| PathError::new(Operation::Lock, path, source);
        if try_flock(&file, mode).map_err(fail)? {
            return Ok(Self { _file: file });
        }
        on_wait();
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, blocking(mode))).map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if it is free; [`LockError::Held`] if it is not.
    pub fn attempt(path: &Path, mode: LockMode) -> Result<Self, LockError> {
        let file = open(path)?;
        match try_flock(&file, mode).map_err(|source| PathError::new(Operation::Lock, path, source))? {
            true => Ok(Self { _file: file }),
            false => Err(LockError::Held(path.to_owned())),
        }
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
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Opens without writing where possible, so that a read-only layout can still be locked for reading.
fn open(path: &Path) -> Result<OwnedFd, PathError> {
    let result = match open_existing(path) {
        Err(Errno::NOENT) => rustix::fs::open(path, FLAGS | OFlags::CREATE, Mode::from_raw_mode(0o644)),
        other => other,
    };
    result.map_err(|source| PathError::new(Operation::Lock, path, source))
}

fn open_existing(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, FLAGS, Mode::empty())
}
