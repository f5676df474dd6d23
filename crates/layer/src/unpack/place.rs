//! Making one entry after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use dhow_fs::{chmod_handle, remove_at};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::tree::{Links, Missing, Tree, open_directory};
use super::whiteout::{Whiteout, make_opaque};
use super::{Member, MemberKind, Owners, Rules, UnpackError, UnpackOptions, Whiteouts, components, content};
use crate::{Owner, ReadError};

pub(super) struct Unpacker<'a> {
    pub(super) options: &'a UnpackOptions<'a>,
    pub(super) tree: Tree,
    /// What this layer brought so far; its whiteouts do not concern it.
    pub(super) brought: BTreeSet<PathBuf>,
    /// What directories get in the end.
    pub(super) directories: BTreeMap<PathBuf, DirectoryFacts>,
    pub(super) entries: u64,
    pub(super) attributes: u64,
    pub(super) skipped: Vec<PathBuf>,
    pub(super) owners: Vec<(PathBuf, Owner)>,
    /// The memory that the names above take, roughly.
    pub(super) names: usize,
}

#[derive(Clone, Copy)]
pub(super) struct DirectoryFacts {
    pub(super) mode: u32,
    pub(super) owner: Owner,
    pub(super) modified: Option<i64>,
}

/// What a directory gets that no entry describes.
const IMPLIED: DirectoryFacts = DirectoryFacts { mode: 0o755, owner: Owner::ROOT, modified: None };

impl<'a> Unpacker<'a> {
    pub(super) fn new(root: OwnedFd, options: &'a UnpackOptions<'a>) -> Self {
        Self {
            options,
            tree: Tree::new(root, options.limits.depth),
            brought: BTreeSet::new(),
            directories: BTreeMap::new(),
            entries: 0,
            attributes: 0,
            skipped: Vec::new(),
            owners: Vec::new(),
            names: 0,
        }
    }

    /// Makes an entry, whose data is read from `data`.
    pub(super) fn place(&mut self, member: &Member, data: &mut dyn BufRead) -> Result<(), UnpackError> {
        if self.names > self.options.limits.names {
            let limit = self.options.limits.names as u64;
            return Err(ReadError::Limit { what: "bytes of names", limit }.into());
        }
        self.entries += 1;
        self.attributes += member.attributes as u64;
        let failed = |source: io::Error| UnpackError::Place { path: member.path.clone(), source };
        let unsafe_name = |reason| UnpackError::Unsafe { path: member.path.clone(), reason };
        let path = components(&member.path)?;
        let Some((name, parent)) = path.split_last() else {
            return self.place_root(member);
        };
        if self.options.rules == Rules::Lifecycle {
            return match &member.kind {
                MemberKind::Directory => self.restore_directory(&path, member).map_err(|error| failed(error.into())),
                MemberKind::File | MemberKind::Symlink(_) => {
                    self.enter(parent).map_err(|error| failed(error.into()))?;
                    self.place_name(name, member, data).map_err(failed)
                }
                _ => Err(UnpackError::UnknownType(member.path.clone())),
            };
        }
        if self.options.whiteouts != Whiteouts::Ignore
            && let Some(whiteout) = Whiteout::parse(name).map_err(unsafe_name)?
        {
            self.enter(parent).map_err(|error| failed(error.into()))?;
            return self.white_out(&whiteout).map_err(|error| failed(error.into()));
        }
        if let MemberKind::HardLink(target) = &member.kind {
            let target = components(target)?;
            return self.place_hard_link(parent, name, &target).map_err(|error| failed(error.into()));
        }
        self.enter(parent).map_err(|error| failed(error.into()))?;
        self.place_name(name, member, data).map_err(failed)
    }

    /// Sets modes, owners and times of directories, the inner ones first.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        for (path, facts) in std::mem::take(&mut self.directories).into_iter().rev() {
            let failed = |source: Errno| UnpackError::Place { path: path.clone(), source: source.into() };
            let parts: Vec<OsString> = path.iter().map(OsStr::to_owned).collect();
            self.tree.enter(&parts, Missing::Fail, Links::Refuse).map_err(failed)?;
            self.finish_directory(facts).map_err(failed)?;
        }
        Ok(())
    }

    fn finish_directory(&self, facts: DirectoryFacts) -> Result<(), Errno> {
        let directory = self.tree.current();
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(facts.owner)?;
            rustix::fs::chownat(directory, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
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

    /// An entry for the root itself may say what the directory is like, and nothing else.
    fn place_root(&mut self, member: &Member) -> Result<(), UnpackError> {
        if member.kind != MemberKind::Directory {
            return Err(UnpackError::Unsafe { path: member.path.clone(), reason: "which would replace the root" });
        }
        if self.options.rules == Rules::Image {
            self.describe(PathBuf::new(), member);
        }
        if self.options.owners == Owners::Record {
            self.record_owner(PathBuf::new(), member.owner);
        }
        Ok(())
    }

    /// Goes into a directory and makes what is missing on the way.
    fn enter(&mut self, path: &[OsString]) -> Result<(), Errno> {
        for created in self.tree.enter(path, Missing::Create, Links::Follow)? {
            self.bring(&created);
            self.insert_facts(created, IMPLIED);
        }
        Ok(())
    }

    /// Makes `name` of the current directory.
    fn place_name(&mut self, name: &OsStr, member: &Member, data: &mut dyn BufRead) -> io::Result<()> {
        let path = self.tree.path(name);
        match &member.kind {
            MemberKind::Directory => self.place_directory(name, &path, member)?,
            MemberKind::File => self.place_file(name, &path, member, data)?,
            MemberKind::Symlink(target) => {
                self.place_symlink(name, &path, target)?;
                self.finish_name(name, member)?;
            }
            MemberKind::Fifo => self.place_node(name, &path, member, FileType::Fifo, 0)?,
            MemberKind::CharDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(name, &path, member, FileType::CharacterDevice, device)?;
            }
            MemberKind::BlockDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(name, &path, member, FileType::BlockDevice, device)?;
            }
            // Two places, made by place_hard_link.
            MemberKind::HardLink(_) => return Err(Errno::INVAL.into()),
        }
        self.bring(&path);
        if self.options.owners == Owners::Record {
            self.record_owner(path, member.owner);
        }
        Ok(())
    }

    fn place_directory(&mut self, name: &OsStr, path: &Path, member: &Member) -> Result<(), Errno> {
        let mut hides = false;
        if let Err(Errno::EXIST) = rustix::fs::mkdirat(self.tree.current(), name, Mode::RWXU) {
            let stat = rustix::fs::statat(self.tree.current(), name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !FileType::from_raw_mode(stat.st_mode).is_dir() {
                // Where this layer said that what is below is gone, the new directory shall not show it again.
                hides = FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == 0;
                rustix::fs::unlinkat(self.tree.current(), name, AtFlags::empty())?;
                rustix::fs::mkdirat(self.tree.current(), name, Mode::RWXU)?;
            }
        }
        let handle = open_directory(self.tree.current(), name)?;
        if let Whiteouts::OverlayXattr { userxattr } = self.options.whiteouts
            && hides
        {
            make_opaque(handle.as_fd(), userxattr)?;
        }
        self.describe(path.to_owned(), member);
        Ok(())
    }

    /// Makes a directory that is not there, and leaves one that is as it is.
    fn restore_directory(&mut self, path: &[OsString], member: &Member) -> Result<(), Errno> {
        match self.tree.enter(path, Missing::Fail, Links::Follow) {
            Err(Errno::NOENT) => {}
            other => return other.map(drop),
        }
        self.enter(path)?;
        self.describe(self.tree.current_path(), member);
        Ok(())
    }

    fn place_file(&mut self, name: &OsStr, path: &Path, member: &Member, data: &mut dyn BufRead) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let handle = self
            .instead(name, path, |tree| rustix::fs::openat(tree.current(), name, flags, private))
            .map_err(io::Error::from)?;
        let mut file = File::from(handle);
        content::write(&mut file, member, data)?;
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(member.owner)?;
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        // After the owner, since a change of it takes setuid away.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(member.mode))?;
        if self.options.rules == Rules::Image {
            rustix::fs::futimens(&file, &times(member.modified))?;
        }
        Ok(())
    }

    fn place_symlink(&mut self, name: &OsStr, path: &Path, target: &Path) -> Result<(), Errno> {
        match rustix::fs::symlinkat(target, self.tree.current(), name) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
        // Through a second name, so that whoever looks sees the old one or the new one.
        let temporary = temporary_name();
        rustix::fs::symlinkat(target, self.tree.current(), &temporary)?;
        let renamed =
            self.instead(name, path, |tree| rustix::fs::renameat(tree.current(), &temporary, tree.current(), name));
        if renamed.is_err() {
            let _unlinked = rustix::fs::unlinkat(self.tree.current(), &temporary, AtFlags::empty());
        }
        renamed
    }

    fn place_hard_link(&mut self, parent: &[OsString], name: &OsStr, target: &[OsString]) -> Result<(), Errno> {
        let (target_name, target_parent) = target.split_last().ok_or(Errno::PERM)?;
        self.tree.enter(target_parent, Missing::Fail, Links::Follow)?;
        let from = rustix::fs::openat(
            self.tree.current(),
            ".",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let existing = rustix::fs::statat(&from, target_name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.enter(parent)?;
        let path = self.tree.path(name);
        let there = rustix::fs::statat(self.tree.current(), name, AtFlags::SYMLINK_NOFOLLOW);
        if !there.is_ok_and(|there| (there.st_dev, there.st_ino) == (existing.st_dev, existing.st_ino)) {
            self.instead(name, &path, |tree| {
                rustix::fs::linkat(&from, target_name, tree.current(), name, AtFlags::empty())
            })?;
        }
        self.bring(&path);
        Ok(())
    }

    fn place_node(
        &mut self,
        name: &OsStr,
        path: &Path,
        member: &Member,
        kind: FileType,
        device: u64,
    ) -> Result<(), Errno> {
        // A character device 0:0 would be a whiteout to overlayfs, which an image may not make that way.
        if kind == FileType::CharacterDevice && device == 0 {
            self.skip(path);
            return Ok(());
        }
        let made = self.instead(name, path, |tree| {
            rustix::fs::mknodat(tree.current(), name, kind, Mode::RUSR | Mode::WUSR, device)
        });
        if made == Err(Errno::PERM) && kind != FileType::Fifo {
            self.skip(path);
            return Ok(());
        }
        made?;
        self.finish_name(name, member)?;
        // A node that was just made: opening it as a place has no effect on any device.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(self.tree.current(), name, flags, Mode::empty())?;
        chmod_handle(handle.as_fd(), member.mode)
    }

    /// Sets owner and times of what is not opened; a link itself gets them.
    fn finish_name(&self, name: &OsStr, member: &Member) -> Result<(), Errno> {
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(member.owner)?;
            rustix::fs::chownat(self.tree.current(), name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if self.options.rules == Rules::Image {
            let times = times(member.modified);
            rustix::fs::utimensat(self.tree.current(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Tries `make`; where something has the name already, removes that and tries again.
    fn instead<T>(
        &mut self,
        name: &OsStr,
        path: &Path,
        mut make: impl FnMut(&Tree) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match make(&self.tree) {
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => {}
            other => return other,
        }
        match rustix::fs::unlinkat(self.tree.current(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) if self.options.rules == Rules::Image => {
                remove_at(self.tree.current(), name)?;
                self.forget_below(path);
            }
            Err(error) => return Err(error),
        }
        make(&self.tree)
    }
}

fn ids(owner: Owner) -> Result<(Uid, Gid), Errno> {
    let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or(Errno::OVERFLOW);
    Ok((Uid::from_raw(id(owner.uid)?), Gid::from_raw(id(owner.gid)?)))
}

fn times(modified: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified, tv_nsec: 0 },
    }
}

fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(".dhow-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
