//! What is mounted over a file or a directory so that nothing of it is seen.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::attach::{clone_device, clone_tree};
use crate::handles::{is_directory, open_device};
use crate::mount::Access;
use crate::sys;

/// Makes what covers need in the hidden tmpfs.
pub(crate) fn prepare(hidden: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::mkdirat(hidden, EMPTY_DIRECTORY, Mode::from_raw_mode(0o555))
}

/// Returns a read-only mount for `target`: an empty directory over a directory, the null device over a file.
pub(crate) fn cover(target: BorrowedFd<'_>, hidden: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    if is_directory(target)? { empty_directory(hidden) } else { null_device() }
}

fn empty_directory(hidden: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(hidden, EMPTY_DIRECTORY, flags, Mode::empty())?;
    clone_tree(directory.as_fd(), Access::ReadOnly, libc::MOUNT_ATTR_NOEXEC)
}

/// The device's number is checked, because the machine's `/dev` may be an image's too (CVE-2025-31133).
fn null_device() -> Result<OwnedFd, Errno> {
    let null = open_device(CWD, Path::new("/dev/null"), (1, 3))?;
    let cover = clone_device(null.as_fd())?;
    sys::mount_setattr(cover.as_fd(), libc::MOUNT_ATTR_RDONLY, false)?;
    Ok(cover)
}

const EMPTY_DIRECTORY: &str = "empty";
