//! What is on the disk when a call returns.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::{Operation, PathError, Root};

/// Writes everything of the file system that holds `path` to the disk (`syncfs(2)`).
///
/// One call before an index is renamed is cheaper than an fsync for each blob.
pub fn sync_filesystem(path: &Path) -> Result<(), PathError> {
    Root::open(path)?.sync_filesystem()
}

/// Writes one file or directory to the disk (`fsync(2)`); one that is there already costs next to nothing.
pub fn sync_path(path: &Path) -> Result<(), PathError> {
    Root::host()?.sync(path)
}

impl Root {
    /// Writes one file or directory to the disk (`fsync(2)`); one that is there already costs next to nothing.
    pub fn sync(&self, path: &Path) -> Result<(), PathError> {
        let file = self.resolve(path, SYNC_FLAGS, Mode::empty(), Operation::Sync)?;
        rustix::fs::fsync(file).map_err(|source| self.error(Operation::Sync, path, source))
    }

    /// Writes everything of the file system that holds this root to the disk (`syncfs(2)`).
    pub fn sync_filesystem(&self) -> Result<(), PathError> {
        let path = Path::new("/");
        let directory = self.resolve(path, SYNC_FLAGS | OFlags::DIRECTORY, Mode::empty(), Operation::Sync)?;
        rustix::fs::syncfs(directory).map_err(|source| self.error(Operation::Sync, path, source))
    }

    /// Renames a file, and syncs it first if it replaces another: whoever relied on that one finds a whole file under
    /// the name after a crash too. Tells whether it was synced.
    pub fn rename_replacing(&self, from: &Path, to: &Path) -> Result<bool, PathError> {
        let (from_directory, from_name) = self.parent(from, Operation::Rename)?;
        let (to_directory, to_name) = self.parent(to, Operation::Rename)?;
        rename_replacing((&from_directory, from_name), (&to_directory, to_name))
            .map_err(|source| self.error(Operation::Rename, to, source))
    }
}

/// As [`Root::rename_replacing`], from a name of one directory to a name of another.
pub(crate) fn rename_replacing(from: (&OwnedFd, &OsStr), to: (&OwnedFd, &OsStr)) -> Result<bool, Errno> {
    match rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(false),
        // Some file systems cannot tell.
        Err(Errno::EXIST | Errno::INVAL) => {
            sync_entry(from.0, from.1)?;
            rustix::fs::renameat(from.0, from.1, to.0, to.1)?;
            Ok(true)
        }
        Err(other) => Err(other),
    }
}

/// Writes an entry of a directory to the disk, or with `.` the directory itself.
pub(crate) fn sync_entry(directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::fsync(rustix::fs::openat(directory, name, SYNC_FLAGS, Mode::empty())?)
}

const SYNC_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_rename_is_synced_only_if_it_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["one", "two"] {
            fs::write(path(name), name).unwrap();
        }
        let root = Root::open(directory.path()).unwrap();
        assert!(!root.rename_replacing(Path::new("one"), Path::new("to")).unwrap());
        assert!(root.rename_replacing(Path::new("two"), Path::new("to")).unwrap());
        assert_eq!(fs::read(path("to")).unwrap(), b"two");
        let error = root.rename_replacing(Path::new("none"), Path::new("to")).unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(fs::read(path("to")).unwrap(), b"two");
    }

    #[test]
    fn what_is_synced_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        sync_path(directory.path()).unwrap();
        sync_filesystem(directory.path()).unwrap();
        let none = directory.path().join("none");
        for error in [sync_path(&none).unwrap_err(), sync_filesystem(&none).unwrap_err()] {
            assert!(error.is_not_found() && error.path == none);
        }
    }
}
