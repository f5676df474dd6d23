//! What the caller may do with a path.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};

use crate::{Operation, PathError};

/// Fails unless entries can be made in the directory at `path`.
///
/// A look ahead for an early message: only the attempt itself tells for sure.
pub fn is_writable(path: &Path) -> Result<(), PathError> {
    let fail = |source: rustix::io::Errno| PathError::new(Operation::Write, path, source);
    let stat = rustix::fs::stat(path).map_err(fail)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
        return Err(fail(rustix::io::Errno::NOTDIR));
    }
    rustix::fs::accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(fail)
}
