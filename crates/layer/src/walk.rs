//! From a directory to entries: parents first, then depth-first, each directory sorted by bytes.

use std::ffi::{CString, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, Operation, PathError, Root, Stat};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::{Entry, EntryKind, FileSource, Owner};

/// Why a tree could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A file or directory cannot be looked at.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The directory is given by a relative path; the names in a layer are absolute.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
}

/// Returns the entries of a layer: the parents of `directory` with their own modes and owners (as
/// `root` presents them, `/` left out), then `directory` and all below it, owned by `owner`.
///
/// Sockets are left out. A second hard link is a file of its own. Links are not followed, save
/// those on the way to `directory`.
pub fn directory_entries(root: &Root, directory: &Path, owner: Owner) -> Result<Vec<Entry>, WalkError> {
    let mut entries = parent_entries(root, directory)?;
    let directory: PathBuf = directory.components().collect();
    let (parent, name) = root.parent(&directory, Operation::Open)?;
    let name = CString::new(name.as_bytes()).map_err(|_| PathError::new(Operation::Open, &directory, Errno::INVAL))?;
    let mut walker = Walker { root, owner, entries: &mut entries, buffer: vec![MaybeUninit::uninit(); 64 * 1024] };
    walker.add(parent.as_fd(), &name, directory)?;
    Ok(entries)
}

/// Returns the parents of `directory`, the outermost first, without `/`, with the modes and owners they have.
pub fn parent_entries(root: &Root, directory: &Path) -> Result<Vec<Entry>, WalkError> {
    if !directory.is_absolute() {
        return Err(WalkError::Relative(directory.to_owned()));
    }
    let directory: PathBuf = directory.components().collect();
    let mut parents: Vec<&Path> = directory.ancestors().skip(1).filter(|path| *path != Path::new("/")).collect();
    parents.reverse();
    let entry = |path: &Path| -> Result<Entry, WalkError> {
        let stat = root.metadata(path)?;
        let owner = Owner { uid: stat.uid.into(), gid: stat.gid.into() };
        Ok(Entry::directory(path, stat.mode, owner))
    };
    parents.into_iter().map(entry).collect()
}

struct Walker<'a> {
    root: &'a Root,
    owner: Owner,
    entries: &'a mut Vec<Entry>,
    buffer: Vec<MaybeUninit<u8>>,
}

impl Walker<'_> {
    /// Adds `name` of `parent`, and what is below it.
    fn add(&mut self, parent: BorrowedFd<'_>, name: &CString, path: PathBuf) -> Result<(), PathError> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| self.error(Operation::Inspect, &path, source))?;
        let stat = Stat::of(&stat, self.root.ownership());
        let (major, minor) = (rustix::fs::major(stat.represents), rustix::fs::minor(stat.represents));
        let kind = match stat.kind {
            FileKind::Socket => return Ok(()),
            FileKind::File => EntryKind::File(FileSource::InRoot { path: path.clone(), size: stat.size }),
            FileKind::Directory => EntryKind::Directory,
            FileKind::Symlink => EntryKind::Symlink(self.read_link(parent, name, &path)?),
            FileKind::Fifo => EntryKind::Fifo,
            FileKind::CharDevice => EntryKind::CharDevice { major, minor },
            FileKind::BlockDevice => EntryKind::BlockDevice { major, minor },
        };
        if kind != EntryKind::Directory {
            self.entries.push(Entry { path, kind, mode: stat.mode, owner: self.owner });
            return Ok(());
        }
        self.entries.push(Entry { path: path.clone(), kind, mode: stat.mode, owner: self.owner });
        self.add_children(parent, name, &path)
    }

    fn add_children(&mut self, parent: BorrowedFd<'_>, name: &CString, path: &Path) -> Result<(), PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(parent, name, flags, Mode::empty())
            .map_err(|source| self.error(Operation::Open, path, source))?;
        let mut children = Vec::new();
        let mut listing = RawDir::new(&directory, &mut self.buffer);
        while let Some(child) = listing.next() {
            let child =
                child.map_err(|source| PathError::new(Operation::ReadDirectory, self.root.host_path(path), source))?;
            let name = child.file_name();
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                children.push(name.to_owned());
            }
        }
        children.sort_unstable();
        for child in children {
            self.add(directory.as_fd(), &child, path.join(OsStr::from_bytes(child.to_bytes())))?;
        }
        Ok(())
    }

    fn read_link(&self, parent: BorrowedFd<'_>, name: &CString, path: &Path) -> Result<PathBuf, PathError> {
        rustix::fs::readlinkat(parent, name, Vec::new())
            .map(|target| PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
            .map_err(|source| self.error(Operation::ReadLink, path, source))
    }

    fn error(&self, operation: Operation, path: &Path, source: Errno) -> PathError {
        PathError::new(operation, self.root.host_path(path), source)
    }
}
