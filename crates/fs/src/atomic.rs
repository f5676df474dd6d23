//! Files that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use crate::durable::{rename_replacing, sync_entry};
use crate::unfinished::{lock_own, unique_name};
use crate::{Operation, Ownership, PathError, Root, Stat};

/// A file that is written beside its final name and renamed over it by [`AtomicFile::commit`].
///
/// Dropped without commit it leaves nothing. The name of the temporary file starts with `.dhow-`, and it is locked while
/// this value lives: what a killed process left is removed by [`crate::sweep`]. The directory is opened once, so that a
/// file is never renamed into another directory that has taken its name meanwhile.
///
/// ```
/// use std::io::Write;
///
/// use dhow_fs::{AtomicFile, Root, TemporaryDirectory};
///
/// let directory = TemporaryDirectory::create_in(&std::env::temp_dir())?;
/// let path = directory.path().join("settings.json");
/// let file = AtomicFile::create(&path, 0o644)?;
/// file.file().write_all(b"{}").expect("the disk has room");
/// assert!(!Root::host()?.exists(&path), "nobody sees half a file");
/// file.commit()?;
/// assert_eq!(Root::host()?.read(&path, 1024)?, b"{}");
/// # Ok::<(), dhow_fs::PathError>(())
/// ```
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
        let destination = root.host_path(destination);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (temporary, file) = loop {
            let temporary = unique_name();
            let file = rustix::fs::openat(&directory, &temporary, flags, Mode::from_raw_mode(mode))
                .map_err(|source| PathError::new(Operation::Create, &destination, source))?;
            // A sweep may have taken it for a dead process's. Where files cannot be locked, nothing is swept.
            if lock_own(&file).unwrap_or(true) {
                break (temporary, file);
            }
        };
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

    /// Sets the time of modification back by more than a tick of the file clock, so that whatever modifies the file once it
    /// has its name gives it another one.
    pub fn set_back(&self) -> Result<(), PathError> {
        let fail = |source: Errno| PathError::new(Operation::SetTimes, &self.destination, source);
        let stat = rustix::fs::fstat(&self.file).map_err(fail)?;
        let then = Stat::of(&stat, &Ownership::Real).mtime_ns - SET_BACK_NS;
        let second = 1_000_000_000;
        let last_modification = Timespec {
            tv_sec: i64::try_from(then.div_euclid(second)).unwrap_or(0),
            tv_nsec: i64::try_from(then.rem_euclid(second)).unwrap_or(0),
        };
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        rustix::fs::futimens(&self.file, &Timestamps { last_access, last_modification }).map_err(fail)
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
    ///
    /// With [`Operation::SyncName`] the new file is at the destination, and only its durability is in doubt; with any other
    /// error what was there is there.
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
        sync_entry(&self.directory, OsStr::new("."))
            .map_err(|source| PathError::new(Operation::SyncName, &self.destination, source))
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

/// Two ticks of the slowest kernel clock (100 Hz).
const SET_BACK_NS: i128 = 20_000_000;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::sweep;

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_what_it_was_until_the_new_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "before").unwrap();
        let mut file = AtomicFile::create(&path, 0o640).unwrap();
        file.write_all(b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(sweep(directory.path()), 0, "a live one is spared");
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&directory.path().join("file"), 0o644).unwrap();
        assert!(names(directory.path())[0].starts_with(".dhow-"));
        drop(file);
        assert_eq!(names(directory.path()), Vec::<String>::new());
    }

    #[test]
    fn a_mode_is_set_whatever_the_umask_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        AtomicFile::replace(&path, b"x", 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o666);
        AtomicFile::replace_unsynced(&path, b"y", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().mode() & 0o7777), (b"y".to_vec(), 0o600));
    }

    #[test]
    fn a_commit_that_replaces_says_whether_it_synced() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for expected in [false, true] {
            let file = AtomicFile::create_at(&root, Path::new("/unfinished"), 0o644).unwrap();
            assert_eq!(file.commit_replacing(&root, Path::new("/file")).unwrap(), expected);
        }
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_commit_that_fails_leaves_what_was_there_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir_all(path.join("full")).unwrap();
        let file = AtomicFile::create(&path, 0o644).unwrap();
        let error = file.commit().unwrap_err();
        assert_eq!((error.operation, &error.path), (Operation::Rename, &path));
        assert_eq!(names(directory.path()), ["taken"]);
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        AtomicFile::create(&path, 0o644).unwrap().commit_new().unwrap();
        let error = AtomicFile::create(&path, 0o644).unwrap().commit_new().unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_file_goes_to_the_directory_that_was_opened() {
        let parent = tempfile::tempdir().unwrap();
        let (directory, moved) = (parent.path().join("directory"), parent.path().join("moved"));
        fs::create_dir(&directory).unwrap();
        let file = AtomicFile::create(&directory.join("file"), 0o644).unwrap();
        fs::rename(&directory, &moved).unwrap();
        fs::create_dir(&directory).unwrap();
        file.commit().unwrap();
        assert_eq!((names(&moved), names(&directory)), (vec!["file".to_owned()], Vec::new()));
    }
}
