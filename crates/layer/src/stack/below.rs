//! Which directories of which layers show together at a path.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Stack;
use super::marks::{is_opaque, is_whiteout, within};

/// What a name is in a stack of layers.
pub(crate) enum Child<'a> {
    /// No layer has it, or the topmost that has it says that it is gone.
    Missing,
    /// A directory: those of all layers that show together, topmost first.
    Directory(Vec<OwnedFd>),
    /// A symbolic link, and what it says.
    Link(Leaf<'a>, Vec<u8>),
    /// Anything else.
    Other(Leaf<'a>),
}

/// What is no directory.
pub(crate) struct Leaf<'a> {
    /// The directory of the layer that has it.
    pub(crate) directory: BorrowedFd<'a>,
    /// Its facts.
    pub(crate) stat: Stat,
}

/// A place in a stack of layers: a path without links, and the directories that show there together.
///
/// Only the directories of the one place are kept open, so that many layers of deep trees need few handles.
pub(crate) struct Below<'a> {
    stack: &'a Stack,
    path: Vec<OsString>,
    /// Topmost first; not used at the root, where the stack's own are.
    directories: Vec<OwnedFd>,
}

impl<'a> Below<'a> {
    /// Returns the root of a stack.
    pub(crate) fn new(stack: &'a Stack) -> Self {
        Self { stack, path: Vec::new(), directories: Vec::new() }
    }

    /// Goes to a path, whose components are directories and no links; where none is, no layer shows anything.
    pub(crate) fn go<'p>(&mut self, path: impl Iterator<Item = &'p OsStr> + Clone) -> Result<(), Errno> {
        let known = self.path.iter().zip(path.clone()).take_while(|(known, part)| known == part).count();
        if known < self.path.len() {
            self.path.clear();
            self.directories.clear();
            return self.descend(path);
        }
        self.descend(path.skip(known))
    }

    fn descend<'p>(&mut self, path: impl Iterator<Item = &'p OsStr>) -> Result<(), Errno> {
        for name in path {
            let next = match self.child(name)? {
                Child::Directory(directories) => directories,
                Child::Missing | Child::Link(..) | Child::Other(_) => Vec::new(),
            };
            self.path.push(name.to_owned());
            self.directories = next;
        }
        Ok(())
    }

    /// Returns the directories that show here together, topmost first.
    pub(crate) fn directories(&self) -> &[OwnedFd] {
        if self.path.is_empty() { &self.stack.roots } else { &self.directories }
    }

    /// Returns what a name is here.
    pub(crate) fn child(&self, name: &OsStr) -> Result<Child<'_>, Errno> {
        let mut merged = Vec::new();
        for directory in self.directories() {
            let directory = directory.as_fd();
            let stat = match within(directory, || rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                let child = within(directory, || open_directory(directory, name))?;
                let hides_the_rest = is_opaque(child.as_fd())?;
                merged.push(child);
                if hides_the_rest {
                    break;
                }
                continue;
            }
            // Whatever is no directory ends what is merged, and shows itself where nothing lies above it.
            if merged.is_empty() {
                return leaf(directory, name, stat);
            }
            break;
        }
        Ok(if merged.is_empty() { Child::Missing } else { Child::Directory(merged) })
    }
}

fn leaf<'a>(directory: BorrowedFd<'a>, name: &OsStr, stat: Stat) -> Result<Child<'a>, Errno> {
    if is_whiteout(&stat) {
        return Ok(Child::Missing);
    }
    if FileType::from_raw_mode(stat.st_mode).is_symlink() {
        let target = within(directory, || rustix::fs::readlinkat(directory, name, Vec::new()))?;
        return Ok(Child::Link(Leaf { directory, stat }, target.into_bytes()));
    }
    Ok(Child::Other(Leaf { directory, stat }))
}

/// Opens a directory as a place, which needs no right to read it. A link is refused.
pub(crate) fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}
