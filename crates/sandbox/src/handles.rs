//! Files as handles: opened without reading them, so that they can be mounted or be mounted on.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Opens what is at a path of the machine; links are followed.
pub(crate) fn open_path(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Opens what is at `name` in a directory. Links, other mounts, and ways out of the directory are refused.
pub(crate) fn open_below(directory: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(directory, name, flags | OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens a character device, and fails unless it is the one with this number.
pub(crate) fn open_device(directory: impl AsFd, path: &Path, number: (u32, u32)) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let device = rustix::fs::openat(directory, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&device)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    let found = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if is_device && found == number { Ok(device) } else { Err(Errno::NODEV) }
}

/// Tells whether a handle is that of a directory.
pub(crate) fn is_directory(handle: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(handle)?.st_mode) == FileType::Directory)
}
