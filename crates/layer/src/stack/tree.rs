//! A walk through a tree: a directory that is being made, if there is one, on top of layers that are there.
//!
//! A link on the way is resolved here rather than by the kernel. Its target starts at the tree's root or goes on from where
//! the link is, and `..` goes back to where one came from, at most to the root. No path is ever given to the kernel as a
//! whole, so nothing leads out of the tree.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use dhow_fs::chmod_handle;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::Stack;
use super::below::{Below, Child, open_directory};
use super::marks::{is_opaque, is_whiteout, within};
use super::owner::noted_owner;
use crate::Owner;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// What a directory is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// The owner.
    pub(crate) owner: Owner,
    /// The time of the last change in seconds since 1970, if it is to be set.
    pub(crate) modified: Option<i64>,
}

/// Where a directory on the way is.
pub(crate) enum Presence {
    /// It is in the tree that is being made.
    Here(OwnedFd),
    /// Only layers below have it.
    Below(Facts),
    /// Nothing has it.
    Absent(Replaces),
}

/// What of the tree that is being made has the name of a directory that is absent, and has to go before it can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaces {
    /// Nothing has it.
    Nothing,
    /// The name is marked as gone.
    Whiteout,
    /// Something that is neither a directory nor a link.
    File,
}

/// A directory on the way.
pub(crate) struct Level {
    name: OsString,
    presence: Presence,
    /// Nothing of the layers below shows in it.
    covered: bool,
}

/// A tree, and the directory of it that was entered last.
pub(crate) struct Tree<'a> {
    /// The root of what is being made; without one, the tree is that of the layers below alone.
    root: Option<OwnedFd>,
    root_is_covered: bool,
    below: Below<'a>,
    /// From the root to the current directory, without links; kept, since the next entry is mostly near.
    levels: Vec<Level>,
    depth: usize,
}

impl<'a> Tree<'a> {
    /// Returns the tree of `root` on top of the layers in `stack`, at its root.
    pub(crate) fn new(root: Option<OwnedFd>, stack: &'a Stack, depth: usize) -> Result<Self, Errno> {
        let root_is_covered = match &root {
            _ if stack.is_empty() => true,
            Some(root) => is_opaque(root.as_fd())?,
            None => false,
        };
        Ok(Self { root, root_is_covered, below: Below::new(stack), levels: Vec::new(), depth })
    }

    /// Returns the handle of the current directory; none if it is not in the tree that is being made.
    pub(crate) fn here(&self) -> Option<BorrowedFd<'_>> {
        match self.levels.last() {
            None => self.root.as_ref().map(AsFd::as_fd),
            Some(Level { presence: Presence::Here(handle), .. }) => Some(handle.as_fd()),
            Some(_) => None,
        }
    }

    /// Returns the handle of the current directory, which must have been made.
    pub(crate) fn current(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.here().ok_or(Errno::NOENT)
    }

    /// Tells whether nothing has the current directory.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.levels.last(), Some(Level { presence: Presence::Absent(_), .. }))
    }

    /// Tells whether nothing of the layers below shows in the current directory.
    pub(crate) fn is_covered(&self) -> bool {
        self.levels.last().map_or(self.root_is_covered, |level| level.covered)
    }

    /// Notes that nothing of the layers below shows in the current directory any more.
    pub(crate) fn cover(&mut self) {
        match self.levels.last_mut() {
            Some(level) => level.covered = true,
            None => self.root_is_covered = true,
        }
    }

    /// Returns the names from the root to the current directory, without links.
    pub(crate) fn names(&self) -> impl Iterator<Item = &OsStr> + Clone {
        self.levels.iter().map(|level| level.name.as_os_str())
    }

    /// Returns where `name` of the current directory is in the tree, without links.
    pub(crate) fn path(&self, name: &OsStr) -> PathBuf {
        let mut path: PathBuf = self.names().collect();
        path.push(name);
        path
    }

    /// Forgets where it is, since a directory was removed that may be on the way.
    pub(crate) fn forget(&mut self) {
        self.levels.clear();
    }

    /// Makes the directory at `path` the current one, whether anything has it or not. A file in the way counts as
    /// nothing: whoever makes the directory replaces it.
    pub(crate) fn enter(&mut self, path: &[OsString]) -> Result<(), Errno> {
        let known = self.levels.iter().zip(path).take_while(|(level, part)| level.name == **part).count();
        self.levels.truncate(known);
        let mut ahead = path[known..].iter().cloned().collect();
        if let Some(name) = self.walk(&mut ahead)? {
            self.push_over_file(name);
        }
        Ok(())
    }

    /// Goes on from the current directory. If the way ends at something that is neither a directory nor a link, its name
    /// is returned, and the current directory is the one that holds it.
    pub(crate) fn walk(&mut self, ahead: &mut VecDeque<OsString>) -> Result<Option<OsString>, Errno> {
        let mut followed = 0;
        while let Some(name) = ahead.pop_front() {
            match name.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    self.levels.pop();
                    continue;
                }
                _ if self.levels.len() >= self.depth => return Err(Errno::NAMETOOLONG),
                _ => {}
            }
            match self.step(&name)? {
                Step::Directory { presence, covered } => self.levels.push(Level { name, presence, covered }),
                Step::Link(target) => {
                    followed += 1;
                    if followed > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    self.expand(&target, ahead);
                }
                Step::File if ahead.is_empty() => return Ok(Some(name)),
                Step::File => self.push_over_file(name),
            }
        }
        Ok(None)
    }

    fn push_over_file(&mut self, name: OsString) {
        let is_here = self
            .here()
            .is_some_and(|here| within(here, || rustix::fs::statat(here, &name, AtFlags::SYMLINK_NOFOLLOW)).is_ok());
        let replaces = if is_here { Replaces::File } else { Replaces::Nothing };
        self.levels.push(Level { name, presence: Presence::Absent(replaces), covered: true });
    }

    /// Puts what a link says before what is ahead.
    fn expand(&mut self, target: &[u8], ahead: &mut VecDeque<OsString>) {
        if target.first() == Some(&b'/') {
            self.levels.clear();
        }
        for part in target.split(|byte| *byte == b'/').rev().filter(|part| !part.is_empty()) {
            ahead.push_front(OsStr::from_bytes(part).to_owned());
        }
    }

    fn step(&mut self, name: &OsStr) -> Result<Step, Errno> {
        let covered = self.is_covered();
        let absent = |replaces, covered| Step::Directory { presence: Presence::Absent(replaces), covered };
        if let Some(here) = self.here() {
            match within(here, || open_directory(here, name)) {
                Ok(handle) => {
                    let covered = covered || is_opaque(handle.as_fd())?;
                    return Ok(Step::Directory { presence: Presence::Here(handle), covered });
                }
                Err(Errno::NOENT) => {}
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let stat = within(here, || rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW))?;
                    if FileType::from_raw_mode(stat.st_mode).is_symlink() {
                        let target = within(here, || rustix::fs::readlinkat(here, name, Vec::new()))?;
                        return Ok(Step::Link(target.into_bytes()));
                    }
                    let is_gone = is_whiteout(&stat);
                    return Ok(if is_gone { absent(Replaces::Whiteout, true) } else { Step::File });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match self.below(name)? {
            Child::Missing => absent(Replaces::Nothing, covered),
            Child::Directory(directories) => match directories.first() {
                Some(topmost) => Step::Directory { presence: Presence::Below(facts_of(topmost.as_fd())?), covered },
                None => absent(Replaces::Nothing, covered),
            },
            Child::Link(_, target) => Step::Link(target),
            Child::Other(_) => Step::File,
        })
    }

    /// Returns what `name` of the current directory is in the layers below, as far as they show in it.
    pub(crate) fn below(&mut self, name: &OsStr) -> Result<Child<'_>, Errno> {
        if self.is_covered() || self.is_absent() {
            return Ok(Child::Missing);
        }
        self.below.go(self.levels.iter().map(|level| level.name.as_os_str()))?;
        self.below.child(name)
    }

    /// Returns the directories of the layers below that show in the current directory, topmost first.
    pub(crate) fn directories_below(&mut self) -> Result<Vec<OwnedFd>, Errno> {
        if self.is_covered() || self.is_absent() {
            return Ok(Vec::new());
        }
        self.below.go(self.levels.iter().map(|level| level.name.as_os_str()))?;
        self.below.directories().iter().map(|directory| rustix::io::fcntl_dupfd_cloexec(directory, 0)).collect()
    }

    /// Returns how many directories are on the way to the current one, itself counted and the root not.
    pub(crate) fn levels(&self) -> usize {
        self.levels.len()
    }

    /// Returns where the directory at a level is; the outermost is level 0.
    pub(crate) fn presence(&self, level: usize) -> Option<&Presence> {
        self.levels.get(level).map(|level| &level.presence)
    }

    /// Returns the name of the directory at a level.
    pub(crate) fn name(&self, level: usize) -> &OsStr {
        self.levels.get(level).map_or(OsStr::new(""), |level| level.name.as_os_str())
    }

    /// Returns the handle of the directory that holds the one at a level.
    pub(crate) fn parent(&self, level: usize) -> Option<BorrowedFd<'_>> {
        match level.checked_sub(1) {
            None => self.root.as_ref().map(AsFd::as_fd),
            Some(above) => match &self.levels.get(above)?.presence {
                Presence::Here(handle) => Some(handle.as_fd()),
                Presence::Below(_) | Presence::Absent(_) => None,
            },
        }
    }

    /// Notes that the directory at a level was made.
    pub(crate) fn made(&mut self, level: usize, handle: OwnedFd) {
        if let Some(level) = self.levels.get_mut(level) {
            level.presence = Presence::Here(handle);
        }
    }

    /// Returns the root of what is being made.
    pub(crate) fn root(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd)
    }
}

/// What a name is on the way.
enum Step {
    Directory {
        presence: Presence,
        covered: bool,
    },
    Link(Vec<u8>),
    /// Neither a directory nor a link.
    File,
}

/// Returns what an open directory is like. Its owner is the one that is noted, else the one on the disk.
pub(crate) fn facts_of(directory: BorrowedFd<'_>) -> Result<Facts, Errno> {
    let stat = rustix::fs::fstat(directory)?;
    let on_disk = Owner { uid: stat.st_uid.into(), gid: stat.st_gid.into() };
    let owner = noted_owner(directory)?.unwrap_or(on_disk);
    Ok(Facts { mode: stat.st_mode & 0o7777, owner, modified: Some(stat.st_mtime) })
}

/// Lets the owner of a directory do everything in it, and returns what it was like.
pub(crate) fn opened_up(directory: BorrowedFd<'_>) -> Result<Facts, Errno> {
    let facts = facts_of(directory)?;
    if facts.mode & 0o700 != 0o700 {
        chmod_handle(directory, facts.mode | 0o700)?;
    }
    Ok(facts)
}
