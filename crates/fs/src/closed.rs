//! Directories that deny their owner what it takes to remove them.
//!
//! A tree with such directories cannot be removed by `rm -rf`. So a tree that is kept for its content is opened up while
//! nobody uses it, and gets its modes back before somebody does.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::mode::chmod_handle;
use crate::walk::open_below;
use crate::{FileKind, Operation, PathError, Root};

/// What an owner needs to remove what is in a directory.
const OPEN: u32 = 0o700;

/// A directory that was opened up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedDirectory {
    /// Where it is, below the directory that was looked through; empty for that one itself.
    pub path: PathBuf,
    /// The mode that it had.
    pub mode: u32,
}

impl ClosedDirectory {
    /// Tells whether a directory of this mode is closed to its owner.
    #[must_use]
    pub fn is_mode_of_one(mode: u32) -> bool {
        mode & OPEN != OPEN
    }
}

impl Root {
    /// Lets the owner into every directory below `directory`, and returns those that were closed, parents first.
    ///
    /// Directories that `is_known` accepts, by their paths below `directory`, are neither opened up nor entered: the caller
    /// knows which of them are closed, see [`Root::open_known`].
    ///
    /// Links are not followed. What vanishes or cannot be changed is left out. Files are not looked at, only named, so this
    /// costs much less than a walk.
    pub fn open_up(
        &self,
        directory: &Path,
        is_known: impl Fn(&Path) -> bool,
    ) -> Result<Vec<ClosedDirectory>, PathError> {
        let top = self.open_directory_handle(directory)?;
        let mut closed = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            if is_known(&path) {
                continue;
            }
            let Ok((handle, mode)) = enter(&top, &path) else { continue };
            if ClosedDirectory::is_mode_of_one(mode) {
                closed.push(ClosedDirectory { path: path.clone(), mode });
            }
            let Ok(entries) = Dir::read_from(&handle) else { continue };
            for entry in entries.flatten() {
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name != "." && name != ".." && is_directory(&handle, &entry, name) {
                    pending.push(path.join(name));
                }
            }
        }
        Ok(closed)
    }

    /// Lets the owner into directories below `directory` of which it is known that they are closed, parents first.
    ///
    /// One that is gone, or has another mode meanwhile, stays as it is.
    pub fn open_known(&self, directory: &Path, closed: &[ClosedDirectory]) {
        for ClosedDirectory { path, mode } in closed {
            self.change_mode(&directory.join(path), *mode, mode | OPEN);
        }
    }

    /// Gives directories below `directory` the modes back that they had before [`Root::open_up`].
    ///
    /// One that is gone, or is not as it was left then, stays as it is.
    pub fn close_again(&self, directory: &Path, closed: &[ClosedDirectory]) {
        // The inner ones first: one that is closed lets nobody through.
        for ClosedDirectory { path, mode } in closed.iter().rev() {
            self.change_mode(&directory.join(path), mode | OPEN, *mode);
        }
    }

    fn change_mode(&self, path: &Path, from: u32, to: u32) {
        let found = self.symlink_metadata(path);
        if found.is_ok_and(|stat| stat.kind == FileKind::Directory && stat.mode == from) {
            let _whatever_came_between = self.set_mode(path, to);
        }
    }

    fn open_directory_handle(&self, directory: &Path) -> Result<OwnedFd, PathError> {
        self.resolve(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), Operation::ReadDirectory)
    }
}

/// Opens a directory, after it was opened up if need be, and returns it with the mode that it had.
fn enter(top: &OwnedFd, path: &Path) -> Result<(OwnedFd, u32), Errno> {
    let opened = open_below(top, path, OFlags::RDONLY);
    let handle = match &opened {
        Ok(handle) => handle,
        Err(Errno::ACCESS) => &open_below(top, path, OFlags::PATH)?,
        Err(other) => return Err(*other),
    };
    let mode = rustix::fs::fstat(handle)?.st_mode & 0o7777;
    if ClosedDirectory::is_mode_of_one(mode) {
        chmod_handle(handle.as_fd(), mode | OPEN)?;
    }
    Ok((opened.or_else(|_| open_below(top, path, OFlags::RDONLY))?, mode))
}

/// Not every file system tells the kind of an entry with its name.
fn is_directory(parent: &impl AsFd, entry: &rustix::fs::DirEntry, name: &OsStr) -> bool {
    match entry.file_type() {
        FileType::Directory => true,
        FileType::Unknown => rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Step;

    fn modes(root: &Root) -> Vec<(PathBuf, u32)> {
        let mut modes = Vec::new();
        root.walk(Path::new("/"), |entry| {
            modes.push((entry.path.clone(), entry.stat.mode));
            Ok::<_, PathError>(Step::Enter)
        })
        .unwrap();
        modes
    }

    fn nothing(_path: &Path) -> bool {
        false
    }

    fn closed(path: &str, mode: u32) -> ClosedDirectory {
        ClosedDirectory { path: path.into(), mode }
    }

    /// A tree with directories of these modes, which are closed from the inner ones on.
    fn tree(directories: &[(&str, u32)]) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for (path, _) in directories {
            root.create_directories(Path::new(path), 0o755).unwrap();
            root.write(&Path::new(path).join("file"), b"", 0o400).unwrap();
        }
        for (path, mode) in directories.iter().rev() {
            root.set_mode(Path::new(path), *mode).unwrap();
        }
        (directory, root)
    }

    #[test]
    fn closed_directories_are_opened_for_their_owner_and_closed_again_as_they_were() {
        let (directory, root) = tree(&[("a", 0o000), ("a/b", 0o555), ("a/b/c", 0o1700), ("d", 0o2570)]);
        let found = root.open_up(Path::new("/"), nothing).unwrap();
        let mut sorted = found.clone();
        sorted.sort_by(|one, other| one.path.cmp(&other.path));
        assert_eq!(sorted, [closed("a", 0o000), closed("a/b", 0o555), closed("d", 0o2570)]);
        let mode = |path: &str| root.symlink_metadata(Path::new(path)).unwrap().mode;
        assert_eq!(["a", "a/b", "a/b/c", "d"].map(mode), [0o700, 0o755, 0o1700, 0o2770]);
        assert_eq!(mode("a/file"), 0o400, "a file needs no mode to be removed");
        assert_eq!(root.open_up(Path::new("/"), nothing).unwrap(), []);
        root.close_again(Path::new("/"), &found);
        assert_eq!([mode("a"), mode("d")], [0o000, 0o2570]);
        root.set_mode(Path::new("a"), 0o700).unwrap();
        assert_eq!([mode("a/b"), mode("a/b/c")], [0o555, 0o1700]);
        root.remove_all(Path::new("/a")).unwrap();
        drop(directory);
    }

    #[test]
    fn directories_that_are_known_are_not_looked_through() {
        let (_directory, root) = tree(&[("a", 0o755), ("a/b", 0o500), ("a/b/c", 0o500), ("d", 0o500)]);
        let found = root.open_up(Path::new("/"), |path| path == Path::new("a/b")).unwrap();
        assert_eq!(found, [closed("d", 0o500)]);
        let mode = |path: &str| root.symlink_metadata(Path::new(path)).unwrap().mode;
        assert_eq!([mode("a/b"), mode("a/b/c"), mode("d")], [0o500, 0o500, 0o700]);
        root.open_known(Path::new("/a"), &[closed("b", 0o500), closed("b/c", 0o555), closed("gone", 0o500)]);
        assert_eq!([mode("a/b"), mode("a/b/c")], [0o700, 0o500], "one has another mode than is known");
    }

    #[test]
    fn what_changed_meanwhile_stays_as_it_is() {
        let (_directory, root) = tree(&[("a", 0o555), ("b", 0o555), ("c", 0o555)]);
        let found = root.open_up(Path::new("/"), nothing).unwrap();
        root.set_mode(Path::new("a"), 0o777).unwrap();
        root.remove_all(Path::new("b")).unwrap();
        root.remove_all(Path::new("c")).unwrap();
        root.symlink(Path::new("a"), Path::new("c")).unwrap();
        let before = modes(&root);
        root.close_again(Path::new("/"), &found);
        assert_eq!(modes(&root), before);
    }

    #[test]
    fn links_are_not_followed() {
        let (_directory, root) = tree(&[("outside", 0o555)]);
        root.create_directory(Path::new("/tree"), 0o755).unwrap();
        root.symlink(Path::new("../outside"), Path::new("/tree/link")).unwrap();
        assert_eq!(root.open_up(Path::new("/tree"), nothing).unwrap(), []);
        assert!(root.open_up(Path::new("/none"), nothing).unwrap_err().is_not_found());
    }
}
