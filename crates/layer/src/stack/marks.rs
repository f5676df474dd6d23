//! How a layer says to overlayfs that something of the layers below it is gone (mount option `userxattr`).
//!
//! A name is gone where a character device 0:0 has it. All that a directory would show of lower layers is gone where the
//! directory has the attribute `user.overlay.opaque`.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd};

use dhow_fs::chmod_handle;
use rustix::fs::{FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

const OPAQUE: &CStr = c"user.overlay.opaque";

/// Tells whether an entry is overlayfs's own sign that its name is gone.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == 0
}

/// Marks a name of a directory as gone; nothing may have the name.
pub(crate) fn make_whiteout(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::mknodat(directory, name, FileType::CharacterDevice, Mode::empty(), 0)
}

/// Marks a directory as one that shows nothing of the layers below.
pub(crate) fn make_opaque(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    rustix::fs::fsetxattr(&handle, OPAQUE, b"y", XattrFlags::empty())
}

/// Tells whether a directory shows nothing of the layers below.
pub(crate) fn is_opaque(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    // The handle may be a mere place, of which no attribute can be read; its file can.
    let file = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let mut value = [0; 8];
    match within(directory, || rustix::fs::getxattr(&file, OPAQUE, &mut value)) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks into a directory. If its mode keeps its owner out, the mode is widened for that moment.
///
/// To root, and to the kernel in a user namespace, such modes mean nothing; an owner without privileges has no other way.
pub(crate) fn within<T>(directory: BorrowedFd<'_>, mut look: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    match look() {
        Err(Errno::ACCESS) => {}
        other => return other,
    }
    let mode = rustix::fs::fstat(directory)?.st_mode & 0o7777;
    if mode & 0o700 == 0o700 || chmod_handle(directory, mode | 0o700).is_err() {
        return Err(Errno::ACCESS);
    }
    let outcome = look();
    chmod_handle(directory, mode)?;
    outcome
}
