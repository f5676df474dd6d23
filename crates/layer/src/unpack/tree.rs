//! Handles of directories, reached from the root of the tree one component at a time.
//!
//! A link on the way is resolved here rather than by the kernel: its target starts at the tree's
//! root or goes on from where the link is, and `..` goes back to the handle that was come from, at
//! most to the root. No path is ever given to the kernel as a whole.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// What is done where a directory on the way is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Fail,
}

/// What is done with links on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Refuse,
}

/// A tree, and the directory of it that was entered last.
pub(super) struct Tree {
    root: OwnedFd,
    /// From the root to the current directory, without links; kept open since the next entry is mostly near.
    open: Vec<(OsString, OwnedFd)>,
    depth: usize,
}

impl Tree {
    pub(super) fn new(root: OwnedFd, depth: usize) -> Self {
        Self { root, open: Vec::new(), depth }
    }

    /// Returns the handle of the current directory.
    pub(super) fn current(&self) -> BorrowedFd<'_> {
        self.open.last().map_or(self.root.as_fd(), |(_, handle)| handle.as_fd())
    }

    /// Returns where `name` of the current directory is in the tree, without links.
    pub(super) fn path(&self, name: &OsStr) -> PathBuf {
        let mut path: PathBuf = self.open.iter().map(|(part, _)| part).collect();
        path.push(name);
        path
    }

    /// Returns where the current directory is in the tree.
    pub(super) fn current_path(&self) -> PathBuf {
        self.open.iter().map(|(part, _)| part).collect()
    }

    /// Forgets the handles, since a directory was removed that may be among them.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// Makes the directory at `path` the current one and returns the directories that were created on the way.
    pub(super) fn enter(&mut self, path: &[OsString], missing: Missing, links: Links) -> Result<Vec<PathBuf>, Errno> {
        let known = self.open.iter().zip(path).take_while(|((open, _), part)| open == *part).count();
        self.open.truncate(known);
        let mut ahead: VecDeque<OsString> = path[known..].iter().cloned().collect();
        let mut followed = 0;
        let mut created = Vec::new();
        while let Some(name) = ahead.pop_front() {
            match name.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    self.open.pop();
                    continue;
                }
                _ if self.open.len() >= self.depth => return Err(Errno::NAMETOOLONG),
                _ => {}
            }
            match open_directory(self.current(), &name) {
                Ok(handle) => self.open.push((name, handle)),
                Err(Errno::NOENT) if missing == Missing::Create => {
                    match rustix::fs::mkdirat(self.current(), &name, Mode::RWXU) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                    let handle = open_directory(self.current(), &name)?;
                    self.open.push((name, handle));
                    created.push(self.current_path());
                }
                Err(Errno::NOTDIR | Errno::LOOP) if links == Links::Follow => {
                    followed += 1;
                    if followed > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    self.expand(&name, &mut ahead)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(created)
    }

    /// Puts what the link `name` says before what is ahead.
    fn expand(&mut self, name: &OsStr, ahead: &mut VecDeque<OsString>) -> Result<(), Errno> {
        let target = match rustix::fs::readlinkat(self.current(), name, Vec::new()) {
            // Not a link either: something that is no directory is in the way.
            Err(Errno::INVAL) => return Err(Errno::NOTDIR),
            other => other?.into_bytes(),
        };
        if target.first() == Some(&b'/') {
            self.open.clear();
        }
        for part in target.split(|byte| *byte == b'/').rev() {
            ahead.push_front(OsStr::from_bytes(part).to_owned());
        }
        Ok(())
    }
}

/// Opens a directory as a place, which needs no right to read it. A link is refused.
pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}
