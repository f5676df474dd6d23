//! Copies of whole files by the cheapest means that the file system offers.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::{AtomicFile, Operation, PathError};

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
    let fail = |cause: rustix::io::Errno| PathError::new(Operation::Copy, source, cause);
    let handle =
        rustix::fs::open(source, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()).map_err(fail)?;
    let stat = rustix::fs::fstat(&handle).map_err(fail)?;
    let linkable = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o7777 == 0o644;
    if linkable && rustix::fs::link(source, destination).is_ok() {
        return Ok(CopyMethod::HardLink);
    }
    let mut target = AtomicFile::create(destination, 0o644)?;
    let method = if rustix::fs::ioctl_ficlone(target.file(), &handle).is_ok() {
        CopyMethod::Reflink
    } else {
        CopyMethod::Bytes(copy_bytes(source, File::from(handle), destination, &mut target)?)
    };
    target.commit_unsynced(destination)?;
    Ok(method)
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
