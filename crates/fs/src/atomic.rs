//! Files that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::durable::{rename_replacing, sync_entry};
use crate::{Operation, PathError, Root};

/// A file that is written beside its final name and renamed over it by [`AtomicFile::commit`].
///
/// Dropped without commit it leaves nothing. The name of the temporary file starts with `.dhow-`. The directory is opened
/// once: a file is never renamed into another directory that has taken its name meanwhile.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    directory: OwnedFd,
    temporary: String,
    name: OsString,
    destination: PathBuf,
    synced: bool,
    committed: bool,
}

impl AtomicFile {
    /// Creates the temporary file in the destination's directory, with `mode` whatever the umask is.
    pub fn create(destination: &Path, mode: u32) -> Result<Self, PathError> {
        Self::create_at(&Root::host()?, destination, mode)
    }

    /// As [`AtomicFile::create`], for a destination below `root`.
    pub fn create_at(root: &Root, destination: &Path, mode: u32) -> Result<Self, PathError> {
        let (directory, name) = root.parent(destination, Operation::Create)?;
        let (temporary, destination) = (unique_name(), root.host_path(destination));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &temporary, flags, Mode::from_raw_mode(mode))
            .map_err(|source| PathError::new(Operation::Create, &destination, source))?;
        let (name, file) = (name.to_owned(), File::from(file));
        let created = Self { file, directory, temporary, name, destination, synced: false, committed: false };
        rustix::fs::fchmod(&created.file, Mode::from_raw_mode(mode))
            .map_err(|source| PathError::new(Operation::SetMode, &created.destination, source))?;
        Ok(created)
    }

    /// Writes `bytes` to `destination` atomically and durably.
    pub fn replace(destination: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        Self::replace_at(&Root::host()?, destination, bytes, mode)
    }

    /// As [`AtomicFile::replace`], for a destination below `root`.
    pub fn replace_at(root: &Root, destination: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        Self::holding(root, destination, bytes, mode)?.commit()
    }

    /// As [`AtomicFile::replace`], but not durably: for what is made anew when a crash takes it.
    pub fn replace_unsynced(destination: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        Self::holding(&Root::host()?, destination, bytes, mode)?.commit_unsynced()
    }

    fn holding(root: &Root, destination: &Path, bytes: &[u8], mode: u32) -> Result<Self, PathError> {
        let mut file = Self::create_at(root, destination, mode)?;
        file.write_all(bytes).map_err(|source| PathError::new(Operation::Write, &file.destination, source))?;
        Ok(file)
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
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
        self.rename(RenameFlags::empty())?;
        self.sync_directory()
    }

    /// As [`AtomicFile::commit`], but fails with [`std::io::ErrorKind::AlreadyExists`] if something is at the destination.
    pub fn commit_new(mut self) -> Result<(), PathError> {
        self.sync()?;
        match self.rename(RenameFlags::NOREPLACE) {
            // Some file systems cannot tell; a link can.
            Err(error) if error.source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                let (directory, fail) =
                    (&self.directory, |source| PathError::new(Operation::Link, &self.destination, source));
                rustix::fs::linkat(directory, &self.temporary, directory, &self.name, AtFlags::empty())
                    .map_err(fail)?;
            }
            other => other?,
        }
        self.sync_directory()
    }

    /// Renames the file over its destination without syncing; the caller syncs the file system later.
    pub fn commit_unsynced(mut self) -> Result<(), PathError> {
        self.rename(RenameFlags::empty())
    }

    /// Renames the file to `destination` below `root`, as [`Root::rename_replacing`] does.
    pub fn commit_replacing(mut self, root: &Root, destination: &Path) -> Result<bool, PathError> {
        let (directory, name) = root.parent(destination, Operation::Rename)?;
        let is_synced = rename_replacing((&self.directory, OsStr::new(&self.temporary)), (&directory, name))
            .map_err(|source| root.error(Operation::Rename, destination, source))?;
        self.committed = true;
        Ok(is_synced)
    }

    fn rename(&mut self, flags: RenameFlags) -> Result<(), PathError> {
        let directory = &self.directory;
        match flags.is_empty() {
            true => rustix::fs::renameat(directory, &self.temporary, directory, &self.name),
            false => rustix::fs::renameat_with(directory, &self.temporary, directory, &self.name, flags),
        }
        .map_err(|source| PathError::new(Operation::Rename, &self.destination, source))?;
        self.committed = true;
        Ok(())
    }

    fn sync_directory(&self) -> Result<(), PathError> {
        let directory = self.destination.parent().unwrap_or(Path::new("."));
        sync_entry(&self.directory, OsStr::new("."))
            .map_err(|source| PathError::new(Operation::Sync, directory, source))
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
            let _unlinked = rustix::fs::unlinkat(&self.directory, &self.temporary, AtFlags::empty());
        }
    }
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
