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
