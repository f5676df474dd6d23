//! What a layer is made of, as values.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_tar::{Header, MemberKind, Owner};

/// One entry of a tar that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, absolute or relative, any bytes but NUL; directories have no slash at the end.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// The permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub owner: Owner,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File(FileSource),
    /// A symbolic link and what it says.
    Symlink(PathBuf),
    /// A second name of the entry with the given name.
    HardLink(PathBuf),
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// The device's major number.
        major: u32,
        /// The device's minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The device's major number.
        major: u32,
        /// The device's minor number.
        minor: u32,
    },
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// A file below the root that the entries are packed from.
    InRoot {
        /// Its path in the root.
        path: PathBuf,
        /// Its size when it was listed; packing fails if it differs by then.
        size: u64,
    },
    /// These bytes.
    Bytes(Arc<[u8]>),
}

impl FileSource {
    /// Returns the number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::InRoot { size, .. } => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl Entry {
    /// Returns a directory.
    pub fn directory(path: impl Into<PathBuf>, mode: u32, owner: Owner) -> Self {
        Self { path: path.into(), kind: EntryKind::Directory, mode, owner }
    }

    /// Returns a file that holds `bytes`.
    pub fn file(path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>, mode: u32, owner: Owner) -> Self {
        Self { path: path.into(), kind: EntryKind::File(FileSource::Bytes(bytes.into())), mode, owner }
    }

    /// Returns a symbolic link that says `target`.
    pub fn symlink(path: impl Into<PathBuf>, target: impl Into<PathBuf>, mode: u32, owner: Owner) -> Self {
        Self { path: path.into(), kind: EntryKind::Symlink(target.into()), mode, owner }
    }

    /// Returns the number of bytes that follow the header.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.kind {
            EntryKind::File(source) => source.size(),
            _ => 0,
        }
    }

    /// Returns what the entry's header says.
    pub(crate) fn header(&self, modified: i64) -> Header<'_> {
        let kind: MemberKind<&Path> = match &self.kind {
            EntryKind::Directory => MemberKind::Directory,
            EntryKind::File(_) => MemberKind::File,
            EntryKind::Symlink(target) => MemberKind::Symlink(target),
            EntryKind::HardLink(target) => MemberKind::HardLink(target),
            EntryKind::Fifo => MemberKind::Fifo,
            EntryKind::CharDevice { major, minor } => MemberKind::CharDevice { major: *major, minor: *minor },
            EntryKind::BlockDevice { major, minor } => MemberKind::BlockDevice { major: *major, minor: *minor },
        };
        Header { path: &self.path, kind, mode: self.mode, owner: self.owner, size: self.size(), modified }
    }
}
