//! Making one entry after the other.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use dhow_fs::remove_at;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::known::{Known, Purpose};
use super::{Member, MemberKind, Owners, Rules, UnpackError, UnpackOptions, Whiteouts};
use crate::entry_check::{check, check_owner, components};
use crate::stack::{Facts, Stack, Tree, facts_of, make_opaque, open_directory, opened_up};
use crate::{EntryFault, Owner, ReadError};

pub(super) struct Unpacker<'a> {
    pub(super) options: &'a UnpackOptions<'a>,
    pub(super) tree: Tree<'a>,
    /// Whether older layers left something in the tree that is being made. Otherwise all that is in it is this layer's, and
    /// need not be remembered as such.
    pub(super) has_older: bool,
    pub(super) known: Known,
    pub(super) entries: u64,
    pub(super) attributes: u64,
    pub(super) skipped: Vec<PathBuf>,
    pub(super) without_capabilities: Vec<PathBuf>,
    pub(super) owners: Vec<(PathBuf, Owner)>,
}

/// A stack of no layers.
static NONE_BELOW: Stack = Stack::none();

impl<'a> Unpacker<'a> {
    pub(super) fn new(root: OwnedFd, options: &'a UnpackOptions<'a>) -> Result<Self, Errno> {
        let below = match options.whiteouts {
            Whiteouts::Overlay(below) => below,
            Whiteouts::Apply | Whiteouts::Ignore => &NONE_BELOW,
        };
        let has_older = !matches!(options.whiteouts, Whiteouts::Ignore) && !is_empty(&root)?;
        let mut known = Known::new();
        if let Some(lowest) = below.topmost().filter(|_| !has_older) {
            known.change(Known::ROOT).facts = Some(facts_of(lowest)?);
        }
        Ok(Self {
            options,
            tree: Tree::new(Some(root), below, options.limits.depth)?,
            has_older,
            known,
            entries: 0,
            attributes: 0,
            skipped: Vec::new(),
            without_capabilities: Vec::new(),
            owners: Vec::new(),
        })
    }

    /// Tells whether there are layers below the tree that is being made.
    pub(super) fn has_layers_below(&self) -> bool {
        matches!(self.options.whiteouts, Whiteouts::Overlay(below) if !below.is_empty())
    }

    /// Makes an entry, whose data is read from `data`.
    pub(super) fn place(&mut self, member: &Member, data: &mut dyn BufRead) -> Result<(), UnpackError> {
        if self.known.memory() > self.options.limits.names {
            let limit = self.options.limits.names as u64;
            return Err(ReadError::Limit { what: "bytes of names", limit }.into());
        }
        self.entries += 1;
        self.attributes += member.attributes as u64;
        let failed = |source: io::Error| UnpackError::Place { path: member.path.clone(), source };
        let unfit = |fault| UnpackError::Unfit { path: member.path.clone(), fault };
        let has_whiteouts = !matches!(self.options.whiteouts, Whiteouts::Ignore);
        let (path, whiteout) = check(member, &self.options.limits, has_whiteouts).map_err(unfit)?;
        let Some((name, parent)) = path.split_last() else {
            return self.place_root(member).map_err(|error| failed(error.into()));
        };
        if let Some(whiteout) = whiteout {
            return self.white_out(parent, &whiteout).map_err(|error| failed(error.into()));
        }
        if self.options.owners == Owners::Set {
            check_owner(member.owner).map_err(unfit)?;
        }
        match (&member.kind, self.options.rules) {
            (MemberKind::HardLink(target), Rules::Image) => {
                let target = components(target).map_err(unfit)?;
                self.place_hard_link(parent, name, &target).map_err(|error| failed(error.into()))
            }
            (MemberKind::Directory, Rules::Lifecycle) => {
                self.restore_directory(&path, member).map_err(|error| failed(error.into()))
            }
            (MemberKind::File | MemberKind::Symlink(_), _) | (_, Rules::Image) => {
                self.enter(parent).map_err(|error| failed(error.into()))?;
                self.place_name(name, member, data).map_err(failed)
            }
            (_, Rules::Lifecycle) => Err(UnpackError::UnknownType(member.path.clone())),
        }
    }

    /// An entry for the root itself may say what the directory is like, and nothing else.
    fn place_root(&mut self, member: &Member) -> Result<(), Errno> {
        if self.options.rules == Rules::Image {
            if let Some(root) = self.tree.root().filter(|_| self.has_older) {
                opened_up(root)?;
            }
            self.known.change(Known::ROOT).facts = Some(facts_in(member));
        }
        if self.options.owners == Owners::Record {
            self.record_owner(PathBuf::new(), member.owner);
        }
        Ok(())
    }

    /// Goes into a directory and makes what is missing on the way.
    pub(super) fn enter(&mut self, path: &[OsString]) -> Result<(), Errno> {
        self.tree.enter(path)?;
        self.make_current(Purpose::Entry)
    }

    /// Makes `name` of the current directory.
    fn place_name(&mut self, name: &OsStr, member: &Member, data: &mut dyn BufRead) -> io::Result<()> {
        match &member.kind {
            MemberKind::Directory => self.place_directory(name, member)?,
            MemberKind::File => self.place_file(name, member, data)?,
            MemberKind::Symlink(target) => {
                self.place_symlink(name, target)?;
                self.finish_name(name, member)?;
            }
            MemberKind::Fifo => self.place_node(name, member, FileType::Fifo, 0)?,
            MemberKind::CharDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(name, member, FileType::CharacterDevice, device)?;
            }
            MemberKind::BlockDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(name, member, FileType::BlockDevice, device)?;
            }
            // Two places, made by place_hard_link.
            MemberKind::HardLink(_) => return Err(Errno::INVAL.into()),
        }
        self.bring(name);
        if member.capabilities {
            let path = self.counted_path(name);
            self.without_capabilities.push(path);
        }
        if self.options.owners == Owners::Record {
            self.record_owner(self.tree.path(name), member.owner);
        }
        Ok(())
    }

    fn place_directory(&mut self, name: &OsStr, member: &Member) -> Result<(), Errno> {
        let here = self.here()?;
        let mut replaces = false;
        if let Err(error) = rustix::fs::mkdirat(here, name, Mode::RWXU) {
            if error != Errno::EXIST {
                return Err(error);
            }
            let stat = rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !FileType::from_raw_mode(stat.st_mode).is_dir() {
                rustix::fs::unlinkat(here, name, AtFlags::empty())?;
                rustix::fs::mkdirat(here, name, Mode::RWXU)?;
                replaces = true;
            }
        }
        let handle = open_directory(here, name)?;
        // What it replaces hid what a layer below has of that name, and it shall not come back.
        if replaces && self.has_layers_below() {
            make_opaque(handle.as_fd())?;
        }
        if self.has_older {
            opened_up(handle.as_fd())?;
        }
        let id = self.known_here(name);
        let known = self.known.change(id);
        known.facts = Some(facts_in(member));
        known.mark = None;
        Ok(())
    }

    /// Makes a directory that is not there, and leaves one that is as it is.
    fn restore_directory(&mut self, path: &[OsString], member: &Member) -> Result<(), Errno> {
        self.tree.enter(path)?;
        if !self.tree.is_absent() {
            return Ok(());
        }
        self.make_current(Purpose::Entry)?;
        let id = self.known.at(self.tree.names());
        self.known.change(id).facts = Some(facts_in(member));
        Ok(())
    }

    /// Tries `make`; where something has the name already, removes that and tries again.
    pub(super) fn instead<T>(
        &mut self,
        name: &OsStr,
        mut make: impl FnMut(&Tree<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match make(&self.tree) {
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => {}
            other => return other,
        }
        let here = self.here()?;
        match rustix::fs::unlinkat(here, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) if self.options.rules == Rules::Image => {
                remove_at(here, name)?;
                self.forget_here(name);
            }
            Err(error) => return Err(error),
        }
        make(&self.tree)
    }

    /// Notes that this layer brought a name of the current directory, where that matters.
    pub(super) fn bring(&mut self, name: &OsStr) {
        if self.has_older {
            self.known.bring(self.tree.names(), name);
        }
    }

    fn record_owner(&mut self, path: PathBuf, owner: Owner) {
        self.known.count(path.as_os_str());
        self.owners.push((path, owner));
    }

    pub(super) fn skip(&mut self, name: &OsStr) {
        let path = self.counted_path(name);
        self.skipped.push(path);
    }

    /// Returns where a name of the current directory is, whose memory counts from now on.
    fn counted_path(&mut self, name: &OsStr) -> PathBuf {
        let path = self.tree.path(name);
        self.known.count(path.as_os_str());
        path
    }
}

fn is_empty(directory: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn facts_in(member: &Member) -> Facts {
    Facts { mode: member.mode, owner: member.owner, modified: Some(member.modified) }
}

pub(super) fn ids(owner: Owner) -> Result<(Uid, Gid), Errno> {
    check_owner(owner).map_err(|_fault: EntryFault| Errno::OVERFLOW)?;
    let id = |id: u64| u32::try_from(id).map_err(|_| Errno::OVERFLOW);
    Ok((Uid::from_raw(id(owner.uid)?), Gid::from_raw(id(owner.gid)?)))
}

pub(super) fn times(modified: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified, tv_nsec: 0 },
    }
}
