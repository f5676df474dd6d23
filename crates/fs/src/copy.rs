//! Copies of whole files by the cheapest means that the file system offers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::{AtomicFile, Operation, PathError, Root};

const BLOCK: usize = 1024 * 1024;

/// By which means a file was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyMethod {
    /// A second name of the same inode.
    HardLink,
    /// A copy that shares its blocks until one side is written.
    Reflink,
    /// The bytes were read and written.
    Bytes(u64),
}

/// Makes `destination` hold what `source` holds, with mode 0644; replaces what is there.
///
/// A hard link is made only of a regular file that the caller owns, of mode 0644: its content then
/// cannot be changed by someone else through the other name. Not synced.
pub fn copy_file(source: &Path, destination: &Path) -> Result<CopyMethod, PathError> {
    if let Some(method) = share_file(source, &Root::host()?, destination)? {
        return Ok(method);
    }
    let handle = open_source(source)?;
    let mut target = AtomicFile::create(destination, 0o644)?;
    let bytes = copy_bytes(source, File::from(handle), destination, &mut target)?;
    target.commit_unsynced()?;
    Ok(CopyMethod::Bytes(bytes))
}

/// As [`copy_file`], to a destination below `root`, but only if no byte has to be copied: by hard link, else by reflink,
/// else `None` and nothing is changed. A reflink is synced if it replaces what is there, as by
/// [`Root::rename_replacing`].
pub fn share_file(source: &Path, root: &Root, destination: &Path) -> Result<Option<CopyMethod>, PathError> {
    let handle = open_source(source)?;
    let stat = rustix::fs::fstat(&handle).map_err(|cause| PathError::new(Operation::Copy, source, cause))?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o7777 == 0o644;
    let (directory, name) = root.parent(destination, Operation::Copy)?;
    if is_file && is_own && rustix::fs::linkat(CWD, source, &directory, name, AtFlags::empty()).is_ok() {
        return Ok(Some(CopyMethod::HardLink));
    }
    let target = AtomicFile::create_at(root, destination, 0o644)?;
    if rustix::fs::ioctl_ficlone(target.file(), &handle).is_err() {
        return Ok(None);
    }
    target.set_back()?;
    target.commit_replacing(root, destination)?;
    Ok(Some(CopyMethod::Reflink))
}

impl Root {
    /// Sets the access time of `path` itself to now. That moves its ctime too, and leaves its mtime.
    pub fn touch(&self, path: &Path) -> Result<(), PathError> {
        let (directory, name) = self.parent(path, Operation::SetTimes)?;
        let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps { last_access: at(UTIME_NOW), last_modification: at(UTIME_OMIT) };
        rustix::fs::utimensat(&directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| self.error(Operation::SetTimes, path, source))
    }

    /// Sets the access time and the modification time of `path` itself to whole seconds since 1970. That moves its ctime.
    pub fn set_time(&self, path: &Path, seconds: i64) -> Result<(), PathError> {
        let (directory, name) = self.parent(path, Operation::SetTimes)?;
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(&directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| self.error(Operation::SetTimes, path, source))
    }
}

/// Without NONBLOCK a fifo put in the source's place would block the open for ever.
fn open_source(source: &Path) -> Result<OwnedFd, PathError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    rustix::fs::open(source, flags, Mode::empty()).map_err(|cause| PathError::new(Operation::Copy, source, cause))
}

fn copy_bytes(source: &Path, mut from: File, destination: &Path, to: &mut AtomicFile) -> Result<u64, PathError> {
    let mut buffer = vec![0; BLOCK];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer).map_err(|cause| PathError::new(Operation::Read, source, cause))?;
        if count == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..count]).map_err(|cause| PathError::new(Operation::Write, destination, cause))?;
        total += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn file(directory: &tempfile::TempDir, name: &str, mode: u32) -> std::path::PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_plain_file_of_the_caller_is_linked() {
        let directory = tempfile::tempdir().unwrap();
        let source = file(&directory, "source", 0o644);
        let copy = directory.path().join("copy");
        assert_eq!(copy_file(&source, &copy).unwrap(), CopyMethod::HardLink);
        assert_eq!(fs::metadata(&copy).unwrap().ino(), fs::metadata(&source).unwrap().ino());
    }

    #[test]
    fn a_file_that_others_may_write_is_never_linked_and_its_copy_is_of_mode_0644() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o666, 0o755] {
            let source = file(&directory, "source", mode);
            let copy = file(&directory, "copy", 0o600);
            let method = copy_file(&source, &copy).unwrap();
            assert!(matches!(method, CopyMethod::Bytes(6) | CopyMethod::Reflink), "{method:?}");
            assert_eq!(fs::read(&copy).unwrap(), b"source");
            assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o644);
        }
    }

    #[test]
    fn what_exists_is_replaced_though_it_cannot_be_linked_over() {
        let directory = tempfile::tempdir().unwrap();
        let (source, copy) = (file(&directory, "source", 0o644), file(&directory, "copy", 0o644));
        copy_file(&source, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"source");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn links_are_not_followed_and_pipes_are_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        file(&directory, "source", 0o644);
        let (link, pipe) = (directory.path().join("link"), directory.path().join("pipe"));
        symlink("source", &link).unwrap();
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
        let copy = directory.path().join("copy");
        assert!(copy_file(&link, &copy).is_err());
        let _whatever = copy_file(&pipe, &copy);
        assert!(copy_file(&directory.path().join("none"), &copy).unwrap_err().is_not_found());
    }

    #[test]
    fn a_touch_moves_the_ctime_of_a_link_itself_and_no_mtime() {
        let directory = tempfile::tempdir().unwrap();
        let (source, link) = (file(&directory, "source", 0o644), directory.path().join("link"));
        symlink("source", &link).unwrap();
        let root = Root::open(directory.path()).unwrap();
        let facts = || ["/source", "/link"].map(|path| root.symlink_metadata(Path::new(path)).unwrap());
        let moved = |before: [crate::Stat; 2]| {
            let after = facts();
            assert_eq!(before.map(|stat| stat.mtime_ns), after.map(|stat| stat.mtime_ns));
            [0, 1].map(|which| after[which].ctime_ns > before[which].ctime_ns)
        };
        for (path, expected) in [("/link", [false, true]), ("/source", [true, false])] {
            let before = facts();
            while moved(before) == [false, false] {
                root.touch(Path::new(path)).unwrap();
            }
            assert_eq!(moved(before), expected);
        }
        assert!(source.exists() && link.exists());
    }
}
