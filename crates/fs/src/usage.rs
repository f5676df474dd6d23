//! How much of a disk is in use.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

use crate::walk::open_below;
use crate::{Operation, PathError};

/// What a block of `stat` is, in bytes, whatever the file system's own blocks are.
const BLOCK: u64 = 512;

/// Returns how many bytes the caller can still write to the disk that holds `path`.
pub fn free_space(path: &Path) -> Result<u64, PathError> {
    let found = rustix::fs::statvfs(path).map_err(|source| PathError::new(Operation::Inspect, path, source))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Returns how many bytes of its disk a directory takes, with all that is below it.
///
/// Links and mounts are not followed, holes take nothing. What vanishes meanwhile or cannot be looked at is left out, so the
/// answer is an estimate. Ends early, with what it has counted, once `goes_on` says no.
pub fn disk_usage(directory: &Path, goes_on: &dyn Fn() -> bool) -> u64 {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(top) = rustix::fs::openat(CWD, directory, flags, Mode::empty()) else { return 0 };
    let mut pending = vec![PathBuf::new()];
    let mut total: u64 = 0;
    while let Some(path) = pending.pop().filter(|_| goes_on()) {
        let Ok(entries) = open_below(&top, &path, OFlags::RDONLY).and_then(Dir::new) else { continue };
        for entry in entries.flatten() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let path = path.join(name);
            let Ok(stat) = rustix::fs::statat(&top, &path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            total = total.saturating_add(taken(&stat));
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                pending.push(path);
            }
        }
    }
    total
}

/// Returns the bytes that an inode takes; each name of a file with several counts for its part.
fn taken(stat: &Stat) -> u64 {
    let bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => bytes,
        _ => bytes / stat.st_nlink.max(1),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Root;

    #[test]
    fn usage_counts_blocks_and_neither_holes_nor_what_links_lead_to() {
        let directory = tempfile::tempdir().unwrap();
        let (counted, elsewhere) = (directory.path().join("counted"), directory.path().join("elsewhere"));
        let host = Root::host().unwrap();
        host.create_directories(&counted.join("deep/er"), 0o755).unwrap();
        let usage = || disk_usage(&counted, &|| true);
        let empty = usage();
        host.write(&elsewhere, &[1; 1 << 20], 0o644).unwrap();
        host.symlink(&elsewhere, &counted.join("link")).unwrap();
        host.create_file(&counted.join("hole"), 0o644).unwrap().set_len(1 << 40).unwrap();
        assert!(usage() < empty + (1 << 16), "{} {empty}", usage());
        host.write(&counted.join("deep/er/file"), &[1; 1 << 20], 0o644).unwrap();
        host.hard_link(&counted.join("deep/er/file"), &counted.join("again")).unwrap();
        let full = usage();
        assert!(full >= empty + (1 << 20) && full < empty + (1 << 20) + (1 << 16), "{full} {empty}");
        assert_eq!(disk_usage(&directory.path().join("absent"), &|| true), 0);
    }

    #[test]
    fn counting_ends_when_nobody_wants_to_know() {
        let directory = tempfile::tempdir().unwrap();
        for name in 0..10 {
            Root::host().unwrap().create_directories(&directory.path().join(name.to_string()), 0o755).unwrap();
        }
        let asked = Cell::new(0);
        disk_usage(directory.path(), &|| asked.replace(asked.get() + 1) < 3);
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn free_space_is_that_of_the_disk() {
        assert!(free_space(Path::new("/")).unwrap() > 0);
        assert!(free_space(Path::new("/no/such/place")).is_err());
    }
}
