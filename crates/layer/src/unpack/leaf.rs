//! Making what is no directory: files, links, nodes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use dhow_fs::chmod_handle;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::place::{Unpacker, ids, times};
use super::{Member, Owners, Rules, content};
use crate::Owner;
use crate::stack::{Child, Leaf, Tree, is_whiteout, note_owner, within};

impl Unpacker<'_> {
    pub(super) fn place_file(&mut self, name: &OsStr, member: &Member, data: &mut dyn BufRead) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let handle = self
            .instead(name, |tree| rustix::fs::openat(tree.current()?, name, flags, private))
            .map_err(io::Error::from)?;
        let mut file = File::from(handle);
        content::write(&mut file, member, data)?;
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(member.owner)?;
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        if self.options.owners == Owners::Note && member.owner != Owner::ROOT {
            note_owner(file.as_fd(), member.owner)?;
        }
        // After the owner, since a change of it takes setuid away.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(member.mode))?;
        if self.options.rules == Rules::Image {
            rustix::fs::futimens(&file, &times(member.modified))?;
        }
        Ok(())
    }

    pub(super) fn place_symlink(&mut self, name: &OsStr, target: &Path) -> Result<(), Errno> {
        match rustix::fs::symlinkat(target, self.here()?, name) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
        // Through a second name, so that whoever looks sees the old one or the new one.
        let temporary = temporary_name();
        rustix::fs::symlinkat(target, self.here()?, &temporary)?;
        let renamed =
            self.instead(name, |tree| rustix::fs::renameat(tree.current()?, &temporary, tree.current()?, name));
        if renamed.is_err() {
            let _unlinked = rustix::fs::unlinkat(self.here()?, &temporary, AtFlags::empty());
        }
        renamed
    }

    /// Makes a second name of a file, of this layer or of one below. The two names share the file also where they end up in
    /// different layers.
    pub(super) fn place_hard_link(
        &mut self,
        parent: &[OsString],
        name: &OsStr,
        target: &[OsString],
    ) -> Result<(), Errno> {
        let (target_name, target_parent) = target.split_last().ok_or(Errno::PERM)?;
        self.tree.enter(target_parent)?;
        let here = self.tree.here();
        let here_stat = here.map(|here| {
            let stat = within(here, || rustix::fs::statat(here, target_name, AtFlags::SYMLINK_NOFOLLOW))?;
            Ok::<_, Errno>((rustix::io::fcntl_dupfd_cloexec(here, 0)?, stat))
        });
        // Of what this layer itself takes away the file below is meant: the order of entries says nothing about it.
        let (from, existing) = match here_stat.unwrap_or(Err(Errno::NOENT)) {
            Ok((from, stat)) if !is_whiteout(&stat) => (from, stat),
            Ok(_) | Err(Errno::NOENT) => match self.tree.below(target_name)? {
                Child::Link(Leaf { directory, stat }, _) | Child::Other(Leaf { directory, stat }) => {
                    (rustix::io::fcntl_dupfd_cloexec(directory, 0)?, stat)
                }
                Child::Directory(_) => return Err(Errno::PERM),
                Child::Missing => return Err(Errno::NOENT),
            },
            Err(error) => return Err(error),
        };
        self.enter(parent)?;
        let there = rustix::fs::statat(self.here()?, name, AtFlags::SYMLINK_NOFOLLOW);
        if !there.is_ok_and(|there| (there.st_dev, there.st_ino) == (existing.st_dev, existing.st_ino)) {
            let link = |tree: &Tree<'_>| {
                let from = from.as_fd();
                within(from, || rustix::fs::linkat(from, target_name, tree.current()?, name, AtFlags::empty()))
            };
            self.instead(name, link)?;
        }
        self.bring(name);
        Ok(())
    }

    pub(super) fn place_node(
        &mut self,
        name: &OsStr,
        member: &Member,
        kind: FileType,
        device: u64,
    ) -> Result<(), Errno> {
        // A character device 0:0 would be a whiteout to overlayfs, which an image may not make that way.
        if kind == FileType::CharacterDevice && device == 0 {
            self.skip(name);
            return Ok(());
        }
        let made = self
            .instead(name, |tree| rustix::fs::mknodat(tree.current()?, name, kind, Mode::RUSR | Mode::WUSR, device));
        if made == Err(Errno::PERM) && kind != FileType::Fifo {
            self.skip(name);
            return Ok(());
        }
        made?;
        self.finish_name(name, member)?;
        // A node that was just made: opening it as a place has no effect on any device.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(self.here()?, name, flags, Mode::empty())?;
        chmod_handle(handle.as_fd(), member.mode)
    }

    /// Sets owner and times of what is not opened; a link itself gets them.
    pub(super) fn finish_name(&self, name: &OsStr, member: &Member) -> Result<(), Errno> {
        if self.options.owners == Owners::Set {
            let (uid, gid) = ids(member.owner)?;
            rustix::fs::chownat(self.here()?, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if self.options.rules == Rules::Image {
            let times = times(member.modified);
            rustix::fs::utimensat(self.here()?, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }
}

fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(".dhow-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
