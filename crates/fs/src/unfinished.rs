//! Names of what is being made, and the removal of what killed processes left.
//!
//! Each unfinished file and directory is locked (flock) by its maker until it is finished or removed. The kernel frees
//! the lock of a process that was killed: by that a sweep knows what it may remove.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::lock::try_flock;
use crate::remove::remove_at;
use crate::{FileKind, LockMode};

/// How the names of unfinished files and directories begin.
const PREFIX: &str = ".dhow-";

/// Tells whether a name is one of a [`crate::AtomicFile`] or a [`crate::TemporaryDirectory`] that is not finished.
#[must_use]
pub fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Removes the files and directories in `directory` whose makers were killed, and returns how many.
///
/// What a living process is making stays, and so does what cannot be removed. In a directory of the user only names
/// count that dhow gives: the prefix, a process id, and hexadecimal digits.
pub fn sweep(directory: &Path) -> usize {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(parent) = rustix::fs::openat(CWD, directory, flags, Mode::empty()) else { return 0 };
    let Ok(entries) = rustix::fs::Dir::read_from(&parent) else { return 0 };
    let is_left = |entry: &rustix::fs::DirEntry| {
        let kind = FileKind::of(entry.file_type());
        is_given(entry.file_name().to_bytes()) && matches!(kind, FileKind::File | FileKind::Directory)
    };
    let mut removed = 0;
    for entry in entries.filter_map(Result::ok).filter(is_left) {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        // The lock is held until it is gone, so that its maker, if it lives after all, makes itself another.
        let Ok(Some(_free)) = lock_free(&parent, name) else { continue };
        removed += usize::from(remove_at(std::os::fd::AsFd::as_fd(&parent), name).is_ok());
    }
    removed
}

/// Locks a file or directory that was just made. Returns `false` if a sweep took it for a dead process's.
pub(crate) fn lock_own(made: &OwnedFd) -> Result<bool, Errno> {
    Ok(try_flock(made, LockMode::Exclusive)? && rustix::fs::fstat(made)?.st_nlink > 0)
}

/// Returns a name that no other living process of this machine gives.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{PREFIX}{}-{clock:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Tells whether a name is of the form that [`unique_name`] gives.
fn is_given(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX.as_bytes()) else { return false };
    let process = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_of_clock = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte) || *byte == b'-';
    process > 0 && rest.get(process) == Some(&b'-') && rest[process..].iter().all(is_of_clock)
}

/// Locks what has the name; `None` if somebody holds it.
fn lock_free(parent: &OwnedFd, name: &OsStr) -> Result<Option<OwnedFd>, Errno> {
    // Without NONBLOCK a fifo put in its place would block the open for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(try_flock(&file, LockMode::Exclusive)?.then_some(file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_sweep_removes_what_dead_processes_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path(".dhow-1-dead-0/closed/below")).unwrap();
        fs::set_permissions(path(".dhow-1-dead-0/closed"), fs::Permissions::from_mode(0o0)).unwrap();
        fs::write(path(".dhow-1-dead-1"), "").unwrap();
        fs::write(path(".dhow-2-beef-0"), "").unwrap();
        let live = fs::File::open(path(".dhow-2-beef-0")).unwrap().into();
        assert!(lock_own(&live).unwrap());
        symlink("kept", path(".dhow-3-dead-0")).unwrap();
        let users = [".dhow-file", ".dhow-1", ".dhow--dead", ".dhow-1-mine", "kept"];
        for name in users {
            fs::write(path(name), "").unwrap();
        }
        assert_eq!(sweep(directory.path()), 2);
        assert_eq!(sweep(directory.path()), 0);
        for name in users.iter().chain(&[".dhow-2-beef-0", ".dhow-3-dead-0"]) {
            assert!(path(name).symlink_metadata().is_ok(), "{name}");
        }
        assert!(!path(".dhow-1-dead-0").exists() && !path(".dhow-1-dead-1").exists());
        drop(live);
        assert_eq!(sweep(directory.path()), 1);
    }

    #[test]
    fn names_are_unique_and_known_again() {
        let (one, other) = (unique_name(), unique_name());
        assert_ne!(one, other);
        assert!(is_given(one.as_bytes()) && is_unfinished(OsStr::new(&other)));
        assert!(!is_unfinished(OsStr::new("dhow-1-dead-0")));
    }

    #[test]
    fn there_is_nothing_to_sweep_where_nothing_is() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(sweep(&directory.path().join("none")), 0);
    }

    #[test]
    fn what_was_swept_before_its_maker_locked_it_is_told_to_its_maker() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let made: OwnedFd = fs::File::open(&path).unwrap().into();
        fs::remove_file(&path).unwrap();
        assert!(!lock_own(&made).unwrap());
    }
}
