//! Making the directories on the way to an entry.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::known::{Mark, NameId, Purpose};
use super::place::Unpacker;
use crate::Owner;
use crate::stack::{Facts, Presence, Replaces, make_opaque, open_directory, opened_up};

/// What a directory gets that no entry describes and no layer below has.
const IMPLIED: Facts = Facts { mode: 0o755, owner: Owner::ROOT, modified: None };

impl Unpacker<'_> {
    /// Makes the current directory and those on the way to it, as far as they are missing. What a layer below has is
    /// made with the mode, the owner and the time that it has there.
    pub(super) fn make_current(&mut self, purpose: Purpose) -> Result<(), Errno> {
        for level in 0..self.tree.levels() {
            let (facts, replaces) = match self.tree.presence(level) {
                Some(Presence::Below(facts)) => (*facts, Replaces::Nothing),
                Some(Presence::Absent(replaces)) => (IMPLIED, *replaces),
                Some(Presence::Here(_)) | None => continue,
            };
            self.make_level(level, facts, replaces, purpose)?;
        }
        self.keep_facts(self.tree.levels())
    }

    fn make_level(&mut self, level: usize, facts: Facts, replaces: Replaces, purpose: Purpose) -> Result<(), Errno> {
        self.keep_facts(level)?;
        let id = self.known.at(self.tree.names().take(level + 1));
        let name = self.tree.name(level);
        let parent = self.tree.parent(level).ok_or(Errno::NOENT)?;
        match replaces {
            Replaces::Nothing => {}
            // An entry of the same layer is no directory.
            Replaces::File if !self.has_older || self.known.get(id).brought => return Err(Errno::NOTDIR),
            Replaces::File | Replaces::Whiteout => rustix::fs::unlinkat(parent, name, AtFlags::empty())?,
        }
        rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
        let handle = open_directory(parent, name)?;
        if replaces != Replaces::Nothing && self.has_layers_below() {
            make_opaque(handle.as_fd())?;
        }
        let known = self.known.change(id);
        known.facts = Some(facts);
        known.mark = None;
        match purpose {
            Purpose::Entry => known.brought = true,
            Purpose::Mark => self.known.mark(self.tree.names().take(level), self.tree.name(level), Mark::Holder),
        }
        self.tree.made(level, handle);
        Ok(())
    }

    /// Something is going to change in the directory that holds the one at `level`. If an older layer made it, its mode
    /// and time are set again in the end, and until then its owner may do everything in it.
    fn keep_facts(&mut self, level: usize) -> Result<(), Errno> {
        if !self.has_older {
            return Ok(());
        }
        let id = self.known.at(self.tree.names().take(level));
        if self.known.get(id).facts.is_some() {
            return Ok(());
        }
        let handle = self.tree.parent(level).ok_or(Errno::NOENT)?;
        let facts = opened_up(handle)?;
        self.known.change(id).facts = Some(facts);
        Ok(())
    }

    /// As [`Self::keep_facts`], of a directory that an older layer may have made and that is open.
    pub(super) fn keep_facts_of(&mut self, id: NameId, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        if self.known.get(id).facts.is_none() {
            let facts = opened_up(directory)?;
            self.known.change(id).facts = Some(facts);
        }
        Ok(())
    }

    /// Returns what is known of a name of the current directory.
    pub(super) fn known_here(&mut self, name: &OsStr) -> NameId {
        let parent = self.known.at(self.tree.names());
        self.known.child(parent, name)
    }

    /// Forgets a name of the current directory and all that is below it, since it is gone.
    pub(super) fn forget_here(&mut self, name: &OsStr) {
        let parent = self.known.at(self.tree.names());
        self.known.forget(parent, name);
    }

    /// Returns the handle of the current directory, which must have been made.
    pub(super) fn here(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.tree.current()
    }
}
