//! What the caller may do with a path.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FsWord};

use crate::{Operation, PathError};

/// Tells whether what is written to an overlay can go to a directory at `path`: it must be on a disk of this machine.
///
/// The kernel refuses an overlay whose writes go to another overlay or to a network. `true` where it cannot be told.
#[must_use]
pub fn takes_overlay_writes(path: &Path) -> bool {
    rustix::fs::statfs(path).map_or(true, |found| !REFUSED_BY_OVERLAYS.contains(&found.f_type))
}

/// The numbers of overlayfs, NFS, FUSE, 9p, SMB and CIFS (statfs(2)).
const REFUSED_BY_OVERLAYS: [FsWord; 6] = [0x794c_7630, 0x6969, 0x6573_5546, 0x0102_1997, 0xfe53_4d42, 0xff53_4d42];

/// Fails unless entries can be made in the directory at `path`.
///
/// A look ahead for an early message: only the attempt itself tells for sure.
pub fn check_directory_writable(path: &Path) -> Result<(), PathError> {
    let fail = |source: rustix::io::Errno| PathError::new(Operation::Write, path, source);
    let stat = rustix::fs::stat(path).map_err(fail)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
        return Err(fail(rustix::io::Errno::NOTDIR));
    }
    rustix::fs::accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_can_be_made_in_a_directory_and_in_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        check_directory_writable(directory.path()).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = check_directory_writable(&file).unwrap_err();
        assert_eq!((error.operation, &error.path), (Operation::Write, &file));
        assert!(check_directory_writable(&directory.path().join("none")).unwrap_err().is_not_found());
    }
}
