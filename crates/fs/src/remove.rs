//! Removal of whole trees, of any depth and whatever their modes are.
//!
//! A tree may be deeper than there are file descriptors, or than a stack of calls bears, since a program that is not
//! trusted can make one. So descent ends some levels down: a directory there is moved to the top of what is removed, and
//! has its turn when the rest is gone.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::mode::chmod_handle;

/// How many directories below the top are open at once.
const LEVELS: usize = 64;

/// How often a directory is emptied into which others put something meanwhile.
const ATTEMPTS: usize = 10;

/// Removes `name` of an open directory, a directory with all that is in it. Links are not followed;
/// nothing there is success, also if others remove it at the same time. Directories that deny access are made
/// accessible first.
pub fn remove_at(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let mut attempts = 1..ATTEMPTS;
    loop {
        match remove_once(parent, name) {
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY) if attempts.next().is_some() => {}
            other => return other,
        }
    }
}

fn remove_once(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    if unlink(parent, name)? == Unlinked::Gone {
        return Ok(());
    }
    let top = open_accessible(parent, name)?;
    let mut hoist = Hoist { top: &top, count: 0 };
    loop {
        let before = hoist.count;
        empty(&top, LEVELS, &mut hoist)?;
        if hoist.count == before {
            break;
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// What came of the removal of a name.
#[derive(PartialEq, Eq)]
enum Unlinked {
    /// Nothing is there any more.
    Gone,
    /// It is a directory.
    IsDirectory,
}

fn unlink(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Unlinked, Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Unlinked::Gone),
        Err(Errno::ISDIR | Errno::PERM) => Ok(Unlinked::IsDirectory),
        Err(other) => Err(other),
    }
}

/// Opens a directory in which its owner may do everything from then on.
fn open_accessible(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(directory) => {
            // One that may be read, but not entered or written, does not even let its names be read by this handle.
            if rustix::fs::fstat(&directory)?.st_mode & 0o700 != 0o700 {
                // Somebody else's cannot be changed. What can be removed of it shows when that is tried.
                let _changed = rustix::fs::fchmod(&directory, Mode::RWXU);
            }
            Ok(directory)
        }
        Err(Errno::ACCESS) => {
            // By handle, since a link may take the name between two calls.
            let handle = rustix::fs::openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
            chmod_handle(handle.as_fd(), 0o700)?;
            rustix::fs::openat(parent, name, flags, Mode::empty())
        }
        Err(other) => Err(other),
    }
}

/// Removes what is in `directory`; what is more than `levels` below it is moved to the top instead.
fn empty(directory: &OwnedFd, levels: usize, hoist: &mut Hoist<'_>) -> Result<(), Errno> {
    let names: Vec<OsString> = Dir::read_from(directory)?
        .filter_map(Result::ok)
        .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        .filter(|name| name != "." && name != "..")
        .collect();
    for name in &names {
        match remove_child(directory, name, levels, hoist) {
            Err(Errno::NOENT) => {}
            other => other?,
        }
    }
    Ok(())
}

fn remove_child(directory: &OwnedFd, name: &OsStr, levels: usize, hoist: &mut Hoist<'_>) -> Result<(), Errno> {
    if unlink(directory.as_fd(), name)? == Unlinked::Gone {
        return Ok(());
    }
    let child = open_accessible(directory.as_fd(), name)?;
    let Some(levels) = levels.checked_sub(1) else { return hoist.take(directory, name, &child) };
    empty(&child, levels, hoist)?;
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

/// The top of what is removed, where directories from too far down go.
struct Hoist<'a> {
    top: &'a OwnedFd,
    count: u64,
}

impl Hoist<'_> {
    fn take(&mut self, from: &OwnedFd, name: &OsStr, directory: &OwnedFd) -> Result<(), Errno> {
        // Its `..` is going to be another one, for which it must be writable.
        rustix::fs::fchmod(directory, Mode::RWXU)?;
        loop {
            self.count += 1;
            let new = format!("hoisted-{}", self.count);
            match rustix::fs::renameat_with(from, name, self.top, new, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use rustix::fs::CWD;

    use super::*;

    fn open(path: &Path) -> OwnedFd {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).unwrap()
    }

    fn remove(directory: &tempfile::TempDir) -> Result<(), Errno> {
        remove_at(open(directory.path()).as_fd(), OsStr::new("top"))
    }

    #[test]
    fn nothing_there_is_success_and_a_link_goes_alone() {
        let directory = tempfile::tempdir().unwrap();
        remove(&directory).unwrap();
        fs::create_dir(directory.path().join("other")).unwrap();
        fs::write(directory.path().join("other/file"), "").unwrap();
        symlink("other", directory.path().join("top")).unwrap();
        remove(&directory).unwrap();
        assert!(directory.path().join("top").symlink_metadata().is_err());
        assert!(directory.path().join("other/file").exists());
    }

    #[test]
    fn directories_that_deny_access_are_removed_with_what_is_in_them() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o000, 0o400, 0o500, 0o555, 0o300] {
            let closed = directory.path().join("top/closed");
            fs::create_dir_all(closed.join("below")).unwrap();
            fs::write(closed.join("file"), "").unwrap();
            fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
            remove(&directory).unwrap();
            assert!(!directory.path().join("top").exists(), "{mode:o}");
        }
    }

    #[test]
    fn a_tree_that_several_remove_at_once_is_gone_for_all_of_them() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..200 {
            fs::create_dir_all(directory.path().join(format!("top/{number}/a/b/c"))).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| remove(&directory).unwrap());
            }
        });
        assert!(!directory.path().join("top").exists());
    }

    #[test]
    fn a_tree_deeper_than_files_can_be_opened_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("top")).unwrap();
        fs::write(directory.path().join("top/hoisted-1"), "in the way").unwrap();
        let mut current = open(&directory.path().join("top"));
        for level in 0..5000 {
            rustix::fs::mkdirat(&current, "d", Mode::RWXU).unwrap();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let below = rustix::fs::openat(&current, "d", flags, Mode::empty()).unwrap();
            let file = rustix::fs::openat(&below, "f", OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR);
            drop(file.unwrap());
            if level % 7 == 0 {
                rustix::fs::fchmod(&below, Mode::RUSR | Mode::WUSR | Mode::XUSR).unwrap();
            }
            current = below;
        }
        drop(current);
        remove(&directory).unwrap();
        assert!(!directory.path().join("top").exists());
    }
}
