//! Files that appear whole or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::{Operation, PathError};

/// Writes everything of the file system that holds `path` to the disk (`syncfs(2)`).
///
/// One call before an index is renamed is cheaper than an fsync for each blob.
pub fn sync_filesystem(path: &Path) -> Result<(), PathError> {
    let directory = open_directory(path)?;
    rustix::fs::syncfs(&directory).map_err(|source| PathError::new(Operation::Sync, path, source))
}

/// Writes one file or directory to the disk (`fsync(2)`); one that is there already costs next to nothing.
pub fn sync_path(path: &Path) -> Result<(), PathError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let sync = || rustix::fs::fsync(rustix::fs::open(path, flags, Mode::empty())?);
    sync().map_err(|source: rustix::io::Errno| PathError::new(Operation::Sync, path, source))
}

/// Renames a file, synced only if it replaces another: whoever relied on that finds a whole file under the name after a
/// crash too. Tells whether it was synced.
pub fn rename_replacing(from: &Path, to: &Path) -> Result<bool, PathError> {
    let fail = |source| PathError::new(Operation::Rename, to, source);
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(false),
        // Some file systems cannot tell.
        Err(Errno::EXIST | Errno::INVAL) => {
            sync_path(from)?;
            rustix::fs::rename(from, to).map_err(fail)?;
            Ok(true)
        }
        Err(source) => Err(fail(source)),
    }
}

/// A file that is written beside its final name and renamed over it by [`AtomicFile::commit`].
///
/// Dropped without commit it leaves nothing. The name of the temporary file starts with `.dhow-`.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    temporary: PathBuf,
    destination: PathBuf,
    synced: bool,
    committed: bool,
}

impl AtomicFile {
    /// Creates the temporary file in the destination's directory, with `mode` whatever the umask is.
    pub fn create(destination: &Path, mode: u32) -> Result<Self, PathError> {
        let directory = destination.parent().unwrap_or(Path::new("."));
        Self::create_in(directory, destination, mode)
    }

    /// As [`AtomicFile::create`], with the temporary file in `directory`, which must be of the same file system.
    pub fn create_in(directory: &Path, destination: &Path, mode: u32) -> Result<Self, PathError> {
        let temporary = directory.join(unique_name());
        let file = File::options()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
            .map_err(|source| PathError::new(Operation::Create, destination, source))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|source| PathError::new(Operation::SetMode, destination, source))?;
        Ok(Self { file, temporary, destination: destination.to_owned(), synced: false, committed: false })
    }

    /// Writes `bytes` to `destination` atomically and durably.
    pub fn replace(destination: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        let mut file = Self::create(destination, mode)?;
        file.write_all(bytes).map_err(|source| PathError::new(Operation::Write, destination, source))?;
        file.commit()
    }

    /// As [`AtomicFile::replace`], but not durably: for what is made anew when a crash takes it.
    pub fn replace_unsynced(destination: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        let mut file = Self::create(destination, mode)?;
        file.write_all(bytes).map_err(|source| PathError::new(Operation::Write, destination, source))?;
        file.commit_unsynced(destination)
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the temporary path.
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        &self.temporary
    }

    /// Writes the file's content to the disk, unless it is there since the last write.
    pub fn sync(&mut self) -> Result<(), PathError> {
        if !self.synced {
            self.file.sync_all().map_err(|source| PathError::new(Operation::Sync, &self.destination, source))?;
            self.synced = true;
        }
        Ok(())
    }

    /// Syncs the file, renames it over the destination, and syncs the directory.
    pub fn commit(mut self) -> Result<(), PathError> {
        self.sync()?;
        let destination = self.destination.clone();
        self.commit_unsynced(&destination)?;
        let directory = destination.parent().unwrap_or(Path::new("."));
        let handle = open_directory(directory)?;
        rustix::fs::fsync(&handle).map_err(|source| PathError::new(Operation::Sync, directory, source))
    }

    /// Renames the file to `destination` as [`rename_replacing`] does.
    pub fn commit_replacing(mut self, destination: &Path) -> Result<bool, PathError> {
        let is_synced = rename_replacing(&self.temporary, destination)?;
        self.committed = true;
        Ok(is_synced)
    }

    /// Renames the file to `destination` without syncing; the caller syncs the file system later.
    pub fn commit_unsynced(mut self, destination: &Path) -> Result<(), PathError> {
        rustix::fs::rename(&self.temporary, destination)
            .map_err(|source| PathError::new(Operation::Rename, destination, source))?;
        self.committed = true;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.synced = false;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _unlinked = rustix::fs::unlink(&self.temporary);
        }
    }
}

fn open_directory(path: &Path) -> Result<impl AsFd, PathError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| PathError::new(Operation::Open, path, source))
}

/// How the names of unfinished files and directories begin.
const PREFIX: &str = ".dhow-";

/// Tells whether a name is one of an [`AtomicFile`] or a [`crate::TemporaryDirectory`] that is not finished.
#[must_use]
pub fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Unique among live processes of this machine; leftovers of dead ones are told apart by their lock.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{PREFIX}{}-{clock:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
