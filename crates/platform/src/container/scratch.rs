//! Where programs in containers write what nobody keeps.
//!
//! ```text
//! <cache>/run/.dhow-…/        one container's, locked while it runs
//!     root/                   what is written into its root file system
//!     directories/<number>/   a directory that is mounted into it
//! ```
//!
//! It is on the disk, because a toolchain and its downloads are larger than what a small machine has of memory. It is
//! removed when the container has ended, or by the next command if dhow was killed.

mod watch;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use dhow_fs::{PathError, Root, TemporaryDirectory, sweep, takes_overlay_writes};
use dhow_sandbox::{JobHandle, SandboxError, Scratch};

pub use watch::ScratchExceeded;

/// The scratch of one container. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct ScratchSpace {
    directory: TemporaryDirectory,
    directories: Cell<usize>,
}

impl ScratchSpace {
    /// Makes one below the cache directory, and removes what killed commands left there.
    pub(crate) fn create(cache: &Path) -> Result<Self, PathError> {
        let parent = cache.join("run");
        Root::host()?.create_directories(&parent, 0o700)?;
        sweep(&parent);
        Ok(Self { directory: TemporaryDirectory::create_in(&parent)?, directories: Cell::new(0) })
    }

    /// Returns where writes into the root file system go.
    ///
    /// An overlay cannot write to every kind of disk. To one that it cannot (another overlay, as in a container whose cache
    /// is no volume; a network's), writes go to memory.
    pub(crate) fn of_root(&self) -> Result<Scratch, PathError> {
        if !takes_overlay_writes(self.directory.path()) {
            return Ok(Scratch::Memory { bytes: None });
        }
        let path = self.directory.path().join("root");
        Root::host()?.create_directories(&path, 0o700)?;
        Ok(Scratch::Directory(path))
    }

    /// Waits for a job by `wait`, and kills it if it writes more than `limit` bytes here; half of the free disk if `None`.
    ///
    /// What the job writes to memory, or elsewhere, does not count.
    pub(crate) fn watched<T>(
        &self,
        limit: Option<u64>,
        job: &JobHandle,
        wait: impl FnOnce() -> T,
    ) -> Result<(T, Option<ScratchExceeded>), SandboxError> {
        let path = self.directory.path();
        let limit =
            watch::limit(path, limit).map_err(|error| SandboxError::Open { path: error.path, source: error.source })?;
        watch::watched(path, limit, || job.kill(), wait).map_err(SandboxError::Start)
    }

    /// Makes an empty directory of this mode, which belongs to `owner` if one is given.
    pub(crate) fn directory(&self, mode: u32, owner: Option<(u32, u32)>) -> Result<PathBuf, PathError> {
        let number = self.directories.replace(self.directories.get() + 1);
        let path = self.directory.path().join("directories").join(number.to_string());
        let host = Root::host()?;
        host.create_directories(&path, 0o700)?;
        host.set_mode(&path, mode)?;
        if let Some((uid, gid)) = owner {
            host.set_owner(&path, uid, gid)?;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_is_removed_with_all_that_is_in_it_and_the_next_removes_that_of_the_dead() {
        let cache = tempfile::tempdir().unwrap();
        let host = Root::host().unwrap();
        let dead = cache.path().join("run/.dhow-1-dead/root/upper");
        host.create_directories(&dead, 0o755).unwrap();
        let scratch = ScratchSpace::create(cache.path()).unwrap();
        assert!(!host.exists(&dead));
        let (first, second) = (scratch.directory(0o1777, None).unwrap(), scratch.directory(0o755, None).unwrap());
        assert_ne!(first, second);
        assert_eq!(host.metadata(&first).unwrap().mode & 0o7777, 0o1777);
        host.create_directories(&second.join("closed/below"), 0o755).unwrap();
        host.set_mode(&second.join("closed"), 0o000).unwrap();
        drop(scratch);
        assert_eq!(host.read_directory(&cache.path().join("run")).unwrap(), []);
    }
}
