//! A walk through all that a stack of layers shows.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use dhow_fs::{Operation, PathError, Stat, Step};
use rustix::io::Errno;

use super::below::{Below, Child, Leaf};
use super::owner::{noted_owner, noted_owner_at};
use super::{Stack, names_in, stat_of};
use crate::Owner;

/// Where the owners of unpacked files are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatedOwners {
    /// On the disk: they were unpacked with [`Owners::Set`](crate::Owners::Set).
    OnDisk,
    /// In notes: they were unpacked with [`Owners::Note`](crate::Owners::Note). What has none is root's.
    Noted,
}

/// Something that a stack shows.
struct Shown {
    path: PathBuf,
    stat: Stat,
    owner: Owner,
}

impl Stack {
    /// Visits the root and all that the layers show below it, by absolute paths: parents first, each directory's content
    /// right behind it, names sorted by their bytes. Links are not followed.
    ///
    /// Owners in the facts are those on the disk; the image's are told apart from them. Takes time in the number of
    /// directories, their depth, and the number of layers.
    pub fn walk(
        &self,
        owners: StatedOwners,
        mut visit: impl FnMut(&Path, &Stat, Owner) -> Step,
    ) -> Result<(), PathError> {
        let mut below = Below::new(self);
        let fail = |path: &Path, source| PathError::new(Operation::ReadDirectory, path, source);
        let root = PathBuf::from("/");
        let Some(top) = self.topmost() else { return Ok(()) };
        let stat = rustix::fs::fstat(top).map_err(|source| fail(&root, source))?;
        let owner = stated(owners, &stat, noted_owner(top).map_err(|source| fail(&root, source))?);
        let mut pending = vec![Shown { path: root, stat: stat_of(&stat), owner }];
        while let Some(shown) = pending.pop() {
            match visit(&shown.path, &shown.stat, shown.owner) {
                Step::Stop => return Ok(()),
                Step::Skip => continue,
                Step::Enter if shown.stat.kind != dhow_fs::FileKind::Directory => continue,
                Step::Enter => {}
            }
            let children = children(&mut below, &shown.path, owners).map_err(|source| fail(&shown.path, source))?;
            pending.extend(children.into_iter().rev());
        }
        Ok(())
    }
}

fn children(below: &mut Below<'_>, path: &Path, owners: StatedOwners) -> Result<Vec<Shown>, Errno> {
    below.go(path.iter().skip(1))?;
    let mut names: BTreeSet<OsString> = BTreeSet::new();
    for directory in below.directories() {
        names.extend(names_in(directory)?);
    }
    let mut children = Vec::with_capacity(names.len());
    for name in names {
        let (stat, noted) = match below.child(&name)? {
            Child::Missing => continue,
            Child::Directory(directories) => match directories.first() {
                Some(top) => (rustix::fs::fstat(top)?, noted_owner(top.as_fd())?),
                None => continue,
            },
            // The kernel keeps no attributes of this kind for links, nor for nodes.
            Child::Link(Leaf { stat, .. }, _) => (stat, None),
            Child::Other(Leaf { directory, stat }) => (stat, noted_owner_at(directory, &name)?),
        };
        children.push(Shown { path: path.join(&name), stat: stat_of(&stat), owner: stated(owners, &stat, noted) });
    }
    Ok(children)
}

fn stated(owners: StatedOwners, stat: &rustix::fs::Stat, noted: Option<Owner>) -> Owner {
    match owners {
        StatedOwners::OnDisk => Owner { uid: stat.st_uid.into(), gid: stat.st_gid.into() },
        StatedOwners::Noted => noted.unwrap_or(Owner::ROOT),
    }
}
