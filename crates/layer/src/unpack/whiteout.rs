//! Whiteouts: names that start with `.wh.` (image-spec `layer.md`).
//!
//! They say that something of an older layer is gone. What an older layer left in the tree that is being made is removed,
//! and what a layer below has is marked as gone, as overlayfs has it. Nothing is made where there is nothing to hide:
//! neither a mark, which would show itself as a file, nor a directory to hold it. (containerd and docker make the
//! directory, umoci does not.)

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Whiteouts;
use super::known::{Mark, NameId, Purpose};
use super::place::Unpacker;
use crate::stack::{Child, is_whiteout, make_opaque, make_whiteout, open_directory, within};
use crate::whiteout_name::Whiteout;

/// What there is of a name in the tree that is being made, after a whiteout of it.
enum Left {
    /// Nothing.
    Nothing,
    /// Something that covers what a layer below may have, or a mark that it is gone.
    Covers,
    /// A directory, which would be merged with what a layer below has.
    Directory,
}

impl Unpacker<'_> {
    /// Carries out a whiteout that lies in the directory at `parent`.
    pub(super) fn white_out(&mut self, parent: &[OsString], whiteout: &Whiteout) -> Result<(), Errno> {
        if matches!(self.options.whiteouts, Whiteouts::Ignore) || *whiteout == Whiteout::Reserved {
            return Ok(());
        }
        self.tree.enter(parent)?;
        if self.tree.is_absent() {
            return Ok(());
        }
        match whiteout {
            Whiteout::Of(name) => self.white_out_name(name),
            Whiteout::Opaque => self.white_out_all(),
            Whiteout::Reserved => Ok(()),
        }
    }

    fn white_out_name(&mut self, name: &OsStr) -> Result<(), Errno> {
        let left = self.remove_older_here(name)?;
        let directory_below = match self.tree.below(name)? {
            Child::Missing => return Ok(()),
            Child::Directory(_) => true,
            Child::Link(..) | Child::Other(_) => false,
        };
        match left {
            Left::Nothing => {
                self.make_current(Purpose::Mark)?;
                make_whiteout(self.here()?, name)?;
                self.known.mark(self.tree.names(), name, Mark::Whiteout);
            }
            Left::Directory if directory_below => make_opaque(open_directory(self.here()?, name)?.as_fd())?,
            Left::Directory | Left::Covers => {}
        }
        Ok(())
    }

    fn white_out_all(&mut self) -> Result<(), Errno> {
        if self.tree.here().is_some() {
            let id = self.known.at(self.tree.names());
            let here = duplicate(self.here()?)?;
            if self.has_older {
                self.make_current(Purpose::Mark)?;
                self.remove_older_children(here.as_fd(), id)?;
            } else {
                self.remove_marks(here.as_fd(), id)?;
            }
        }
        if !self.tree.directories_below()?.is_empty() {
            self.make_current(Purpose::Mark)?;
            make_opaque(self.here()?)?;
            self.tree.cover();
        }
        Ok(())
    }

    /// Removes what an older layer left of a name of the current directory, and what was made only for marks.
    fn remove_older_here(&mut self, name: &OsStr) -> Result<Left, Errno> {
        let Some(here) = self.tree.here() else { return Ok(Left::Nothing) };
        let stat = match within(here, || rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Err(Errno::NOENT) => return Ok(Left::Nothing),
            other => other?,
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let covers = if is_directory { Left::Directory } else { Left::Covers };
        if is_whiteout(&stat) || !self.has_older && !is_directory {
            return Ok(covers);
        }
        let parent = self.known.at(self.tree.names());
        let here = duplicate(here)?;
        let is_gone = if self.has_older {
            self.make_current(Purpose::Mark)?;
            self.remove_older(here.as_fd(), name, parent)?
        } else {
            self.remove_holder(here.as_fd(), name, parent)?
        };
        Ok(if is_gone { Left::Nothing } else { covers })
    }

    /// Removes the marks below a directory, since nothing of the layers below shows in it any more. There they would be seen
    /// as files.
    fn remove_marks(&mut self, directory: BorrowedFd<'_>, id: NameId) -> Result<(), Errno> {
        if !self.known.take_marks(id) {
            return Ok(());
        }
        let children: Vec<(OsString, NameId)> =
            self.known.children(id).map(|(name, child)| (name.to_owned(), child)).collect();
        for (name, child) in children {
            if self.known.get(child).mark == Some(Mark::Whiteout) {
                remove_whiteout(directory, &name)?;
            }
            self.remove_holder(directory, &name, id)?;
        }
        Ok(())
    }

    /// Removes the marks below a name and, if it is a directory that was made for them alone, the directory; tells whether
    /// nothing is left of it.
    fn remove_holder(&mut self, parent: BorrowedFd<'_>, name: &OsStr, parent_id: NameId) -> Result<bool, Errno> {
        let Some(id) = self.known.find(parent_id, name) else { return Ok(false) };
        let directory = match open_directory(parent, name) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            other => other?,
        };
        self.remove_marks(directory.as_fd(), id)?;
        if self.known.get(id).mark != Some(Mark::Holder) {
            return Ok(false);
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                self.known.forget(parent_id, name);
                Ok(true)
            }
            // This layer brought something in it.
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what this layer did not bring, and tells whether nothing is left of the name.
    fn remove_older(&mut self, parent: BorrowedFd<'_>, name: &OsStr, parent_id: NameId) -> Result<bool, Errno> {
        let known = self.known.find(parent_id, name);
        match known.filter(|id| self.known.get(*id).brought) {
            None => {
                dhow_fs::remove_at(parent, name)?;
                self.known.forget(parent_id, name);
                Ok(true)
            }
            Some(id) => {
                match within(parent, || open_directory(parent, name)) {
                    Ok(directory) => self.remove_older_children(directory.as_fd(), id)?,
                    Err(Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
                Ok(false)
            }
        }
    }

    fn remove_older_children(&mut self, directory: BorrowedFd<'_>, id: NameId) -> Result<(), Errno> {
        self.keep_facts_of(id, directory)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = Dir::new(rustix::fs::openat(directory, ".", flags, Mode::empty())?)?;
        let names: Result<Vec<OsString>, Errno> =
            listing.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())).collect();
        for name in names?.iter().filter(|name| *name != "." && *name != "..") {
            self.remove_older(directory, name, id)?;
        }
        Ok(())
    }
}

/// Removes the mark that a name is gone, unless an entry has taken its place.
fn remove_whiteout(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_whiteout(&stat) => rustix::fs::unlinkat(directory, name, AtFlags::empty()),
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn duplicate(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(directory, 0)
}
