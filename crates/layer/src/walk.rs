//! From a directory to entries: parents first, then depth-first, each directory sorted by bytes.

use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root, Step, WalkEntry};

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
    if root.is_real_directory(&directory) {
        root.walk(&directory, |found| {
            entries.extend(entry(&directory, found, owner));
            Ok::<_, WalkError>(Step::Enter)
        })?;
        return Ok(entries);
    }
    let stat = root.symlink_metadata(&directory)?;
    let target = match stat.kind {
        FileKind::Symlink => Some(root.read_link(&directory)?),
        _ => None,
    };
    entries.extend(entry(&directory, &WalkEntry { path: PathBuf::new(), stat, target }, owner));
    Ok(entries)
}

/// Returns the entry of what was found below `directory`; none for a socket.
fn entry(directory: &Path, found: &WalkEntry, owner: Owner) -> Option<Entry> {
    let stat = &found.stat;
    let path = if found.path.as_os_str().is_empty() { directory.to_owned() } else { directory.join(&found.path) };
    let (major, minor) = (rustix::fs::major(stat.represents), rustix::fs::minor(stat.represents));
    let kind = match stat.kind {
        FileKind::Socket => return None,
        FileKind::File => EntryKind::File(FileSource::InRoot { path: path.clone(), size: stat.size }),
        FileKind::Directory => EntryKind::Directory,
        FileKind::Symlink => EntryKind::Symlink(found.target.clone().unwrap_or_default()),
        FileKind::Fifo => EntryKind::Fifo,
        FileKind::CharDevice => EntryKind::CharDevice { major, minor },
        FileKind::BlockDevice => EntryKind::BlockDevice { major, minor },
    };
    Some(Entry { path, kind, mode: stat.mode, owner })
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
