//! The limit of a scratch.
//!
//! Disks have no limit for a directory without privileges, so somebody has to look. A program that writes more than it may
//! is ended; until the next look it may have written more.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use dhow_fs::{PathError, disk_usage, free_space};

/// The time between two looks, at least.
const INTERVAL: Duration = Duration::from_secs(1);
/// A look takes at most this part of the time, however much there is to look at.
const PART: u32 = 20;

/// A program wrote more to its scratch than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("programs wrote more than {} MB to /tmp, home and other places that are not kept, so they were ended", .limit / 1_000_000)]
pub struct ScratchExceeded {
    /// How many bytes they may write.
    pub limit: u64,
}

/// Returns the limit of a scratch in bytes: what is wanted, else half of what its disk has left.
pub(super) fn limit(directory: &Path, wanted: Option<u64>) -> Result<u64, PathError> {
    wanted.map_or_else(|| free_space(directory).map(|free| free / 2), Ok)
}

/// Waits by `wait`, and calls `end` as soon as the directory takes more than `limit` bytes of the disk.
///
/// Returns what `wait` returns, and whether the limit was exceeded. Fails only if nobody can be made to look.
pub(super) fn watched<T>(
    directory: &Path,
    limit: u64,
    end: impl Fn() + Send,
    wait: impl FnOnce() -> T,
) -> io::Result<(T, Option<ScratchExceeded>)> {
    let exceeded = AtomicBool::new(false);
    let waited = thread::scope(|scope| {
        let (waiting, ended) = channel::<()>();
        let exceeded = &exceeded;
        let look = move || look(directory, limit, &ended, end, exceeded);
        thread::Builder::new().name("scratch".to_owned()).spawn_scoped(scope, look)?;
        let waited = wait();
        drop(waiting);
        Ok::<_, io::Error>(waited)
    })?;
    Ok((waited, exceeded.into_inner().then_some(ScratchExceeded { limit })))
}

/// Looks from time to time until the other end of `ended` is gone.
fn look(directory: &Path, limit: u64, ended: &Receiver<()>, end: impl Fn(), exceeded: &AtomicBool) {
    let mut pause = INTERVAL;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let before = Instant::now();
        let is_running = || ended.try_recv() == Err(TryRecvError::Empty);
        if disk_usage(directory, &is_running) > limit && is_running() {
            exceeded.store(true, Ordering::Relaxed);
            return end();
        }
        pause = INTERVAL.max(before.elapsed() * PART);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use dhow_fs::Root;

    use super::*;

    #[test]
    fn who_writes_more_than_the_limit_is_ended_and_who_does_not_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        Root::host().unwrap().write(&directory.path().join("file"), &[1; 1 << 20], 0o644).unwrap();
        let watch = |limit: u64| {
            let (ended, end) = mpsc::channel();
            let wait = || end.recv_timeout(INTERVAL * 3).is_ok();
            watched(directory.path(), limit, move || ended.send(()).unwrap(), wait).unwrap()
        };
        assert_eq!(watch(1 << 19), (true, Some(ScratchExceeded { limit: 1 << 19 })));
        assert_eq!(watch(1 << 30), (false, None));
    }

    #[test]
    fn a_program_that_ends_at_once_is_not_waited_for() {
        let before = Instant::now();
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(watched(directory.path(), 0, || (), || 7).unwrap(), (7, None));
        assert!(before.elapsed() < INTERVAL);
    }

    #[test]
    fn the_limit_is_half_of_the_free_disk_unless_told() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(limit(directory.path(), Some(5)).unwrap(), 5);
        assert!(limit(directory.path(), None).unwrap() <= free_space(directory.path()).unwrap());
    }
}
