//! What is done when all entries are made.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use dhow_fs::chmod_handle;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::known::{Known, NameId};
use super::place::{Unpacker, ids, times};
use super::{Owners, Rules, UnpackError};
use crate::stack::{Facts, note_owner, open_directory, within};

impl Unpacker<'_> {
    /// Sets modes, owners and times of directories.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        self.tree.forget();
        let known = std::mem::replace(&mut self.known, Known::new());
        let outcome = match self.tree.root() {
            Some(root) => self.finish_below(&known, Known::ROOT, root, &mut Vec::new()),
            None => Err((Vec::new(), Errno::NOENT)),
        };
        outcome.map_err(|(path, source)| UnpackError::Place {
            path: path.iter().collect::<PathBuf>(),
            source: source.into(),
        })
    }

    /// Finishes what is known below a directory, and the directory last: its mode may keep its owner out.
    fn finish_below(
        &self,
        known: &Known,
        id: NameId,
        directory: BorrowedFd<'_>,
        path: &mut Vec<OsString>,
    ) -> Result<(), (Vec<OsString>, Errno)> {
        for (child_name, child) in known.children(id) {
            path.push(child_name.to_owned());
            if known.get(child).facts.is_some() || known.children(child).next().is_some() {
                let handle = self.open_to_finish(directory, child_name);
                let handle = handle.map_err(|source| (path.clone(), source))?;
                self.finish_below(known, child, handle.as_fd(), path)?;
            }
            path.pop();
        }
        match known.get(id).facts {
            Some(facts) => self.finish_directory(directory, facts).map_err(|source| (path.clone(), source)),
            None => Ok(()),
        }
    }

    /// Opens a directory in one that is not finished. What is on the way to it lets its owner in, unless an older layer made
    /// it.
    fn open_to_finish(&self, directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
        if self.has_older {
            return within(directory, || open_directory(directory, name));
        }
        open_directory(directory, name)
    }

    fn finish_directory(&self, directory: BorrowedFd<'_>, facts: Facts) -> Result<(), Errno> {
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(facts.owner)?;
            rustix::fs::chownat(directory, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        }
        if self.options.owners == Owners::Note {
            note_owner(directory, facts.owner)?;
        }
        let mode = Mode::from_raw_mode(facts.mode);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let times = facts.modified.filter(|_| self.options.rules == Rules::Image).map(times);
        match rustix::fs::openat(directory, ".", flags, Mode::empty()) {
            Ok(handle) => {
                rustix::fs::fchmod(&handle, mode)?;
                times.map_or(Ok(()), |times| rustix::fs::futimens(&handle, &times))
            }
            // One that its owner may not read was there before; its place can still be used.
            Err(Errno::ACCESS) => {
                chmod_handle(directory, facts.mode)?;
                times.map_or(Ok(()), |times| rustix::fs::utimensat(directory, "", &times, AtFlags::EMPTY_PATH))
            }
            Err(error) => Err(error),
        }
    }
}
