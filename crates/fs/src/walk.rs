//! Walks of whole trees.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::{FileKind, Operation, PathError, Root, Stat};

/// Something that a walk came across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkEntry {
    /// Its path below the directory that is walked; empty for that directory itself.
    pub path: PathBuf,
    /// Its facts, a link's own for a link.
    pub stat: Stat,
    /// What it says, if it is a symbolic link.
    pub target: Option<PathBuf>,
}

/// How a walk goes on after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the directory, if it is one, and on.
    Enter,
    /// Past everything below it.
    Skip,
    /// To the end.
    Stop,
}

impl Root {
    /// Visits `directory` and all that is below it: parents first, names sorted by their bytes.
    ///
    /// Links are not followed, mounts are. What vanishes during the walk is left out. Only one
    /// directory is open at a time, so depth costs memory and no file descriptors.
    pub fn walk<E: From<PathError>>(
        &self,
        directory: &Path,
        mut visit: impl FnMut(&WalkEntry) -> Result<Step, E>,
    ) -> Result<(), E> {
        let top = self.open_directory(directory)?;
        let fail = |operation, path: &Path, source| {
            E::from(PathError::new(operation, self.host_path(&directory.join(path)), source))
        };
        let stat = rustix::fs::fstat(&top).map_err(|source| fail(Operation::Inspect, Path::new(""), source))?;
        let mut pending =
            vec![WalkEntry { path: PathBuf::new(), stat: Stat::of(&stat, self.ownership()), target: None }];
        while let Some(entry) = pending.pop() {
            match visit(&entry)? {
                Step::Stop => return Ok(()),
                Step::Skip => continue,
                Step::Enter if entry.stat.kind != FileKind::Directory => continue,
                Step::Enter => {}
            }
            let handle = match open_below(&top, &entry.path, OFlags::RDONLY) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !entry.path.as_os_str().is_empty() => continue,
                other => other.map_err(|source| fail(Operation::ReadDirectory, &entry.path, source))?,
            };
            let children = self
                .children(&handle, &entry.path)
                .map_err(|(operation, path, source)| fail(operation, &path, source))?;
            pending.extend(children.into_iter().rev());
        }
        Ok(())
    }

    fn children(&self, handle: &OwnedFd, path: &Path) -> Result<Vec<WalkEntry>, (Operation, PathBuf, Errno)> {
        let names = sorted_names(handle).map_err(|source| (Operation::ReadDirectory, path.to_owned(), source))?;
        let mut children = Vec::with_capacity(names.len());
        for name in names {
            let stat = match rustix::fs::statat(handle, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other.map_err(|source| (Operation::Inspect, path.join(&name), source))?,
            };
            let stat = Stat::of(&stat, self.ownership());
            let target = match stat.kind {
                FileKind::Symlink => match rustix::fs::readlinkat(handle, &name, Vec::new()) {
                    Ok(target) => Some(PathBuf::from(OsString::from_vec(target.into_bytes()))),
                    Err(Errno::NOENT | Errno::INVAL) => continue,
                    Err(source) => return Err((Operation::ReadLink, path.join(&name), source)),
                },
                _ => None,
            };
            children.push(WalkEntry { path: path.join(&name), stat, target });
        }
        Ok(children)
    }
}

/// Opens a directory below another, as `access` says. No link on the way is followed.
pub(crate) fn open_below(top: &OwnedFd, path: &Path, access: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    crate::root::retry_races(|| rustix::fs::openat2(top, path, flags, Mode::empty(), resolve))
}

fn sorted_names(handle: impl AsFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(handle)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Root, directory: &str, step: impl Fn(&WalkEntry) -> Step) -> Vec<String> {
        let mut found = Vec::new();
        root.walk(Path::new(directory), |entry| {
            found.push(entry.path.display().to_string());
            Ok::<_, PathError>(step(entry))
        })
        .unwrap();
        found
    }

    #[test]
    fn a_walk_is_sorted_parents_first_and_follows_no_links() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directories(Path::new("/top/b/c"), 0o755).unwrap();
        root.write(Path::new("/top/b.txt"), b"", 0o644).unwrap();
        root.write(Path::new("/top/b/c/file"), b"", 0o644).unwrap();
        root.symlink(Path::new("b"), Path::new("/top/a")).unwrap();
        assert_eq!(paths(&root, "/top", |_| Step::Enter), ["", "a", "b", "b/c", "b/c/file", "b.txt"]);
        let skip = |entry: &WalkEntry| if entry.path == Path::new("b") { Step::Skip } else { Step::Enter };
        assert_eq!(paths(&root, "/top", skip), ["", "a", "b", "b.txt"]);
        let stop = |entry: &WalkEntry| if entry.path == Path::new("b") { Step::Stop } else { Step::Enter };
        assert_eq!(paths(&root, "/top", stop), ["", "a", "b"]);
    }

    #[test]
    fn a_walk_of_nothing_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let error = root.walk(Path::new("/none"), |_| Ok::<_, PathError>(Step::Enter)).unwrap_err();
        assert!(error.is_not_found());
    }
}
