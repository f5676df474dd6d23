//! What is mounted into a container, as values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Something placed at a path of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, an absolute path in the container. Links on the way resolve inside of the container; a missing
    /// mount point is created. `/` and what lies in `/proc` are refused.
    #[serde(with = "crate::bytes")]
    pub destination: PathBuf,
    /// What.
    pub kind: MountKind,
}

/// The kinds of mounts. Set-user-id bits and device nodes have no effect in any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A file or directory of the machine, with everything mounted below it.
    Bind {
        /// Its path on the machine, of any bytes. Links are followed by the machine's rules, so it must not come
        /// from an image.
        #[serde(with = "crate::bytes")]
        source: PathBuf,
        /// Whether it can be written to; `ReadOnly` holds for everything mounted below it too.
        access: Access,
        /// Whether programs in it can be run.
        execution: Execution,
        /// What happens if the source does not exist.
        missing: Missing,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// The permission bits of its root.
        mode: u32,
        /// Who owns its root.
        owner: DirectoryOwner,
        /// How many bytes it holds at most; `None` for the kernel's default, half of the memory.
        bytes: Option<u64>,
    },
    /// A read-only file with this content.
    File {
        /// The content.
        #[serde(with = "crate::bytes")]
        content: Vec<u8>,
        /// The permission bits.
        mode: u32,
    },
    /// A directory, made in whatever file system is there. What is made above it has mode 0755.
    Directory {
        /// The permission bits of a new one.
        mode: u32,
        /// Who owns a new one.
        owner: DirectoryOwner,
        /// What happens to one that is there.
        existing: Existing,
    },
    /// What the root file system has at that place, once more, with an access of its own: a part that can be written of a
    /// root that cannot, or the reverse. Mounts that are there already are left as they are.
    ///
    /// Where nothing is, nothing is done.
    Part {
        /// Whether it can be written to.
        access: Access,
    },
    /// A symbolic link, made in whatever file system is there; it is an error if something else is there.
    Symlink {
        /// What it says.
        #[serde(with = "crate::bytes")]
        target: PathBuf,
    },
    /// Nothing to see: a file reads as empty, a directory is empty, and neither can be written to.
    ///
    /// Where nothing is, nothing is done.
    Mask,
}

/// Whether something can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// Whether programs can be run from a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum Execution {
    Allowed,
    Denied,
}

/// What happens if the source of a mount does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Missing {
    /// The job is not started.
    Refuse,
    /// The mount is left out.
    Skip,
}

/// What happens to a directory that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Existing {
    /// It stays as it is.
    Kept,
    /// It gets the owner, and the permission bits besides those that it has.
    Opened,
}

/// Who owns a directory that is made for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DirectoryOwner {
    /// The container's user 0, or the job's user where 0 is not mapped.
    Root,
    /// The job's user and group.
    Job,
}

impl Mount {
    /// Returns a read-only bind mount from which programs can be run; the source must exist.
    pub fn read_only(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::bind(source.into(), destination.into(), Access::ReadOnly)
    }

    /// Returns a writable bind mount from which programs can be run; the source must exist.
    pub fn read_write(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::bind(source.into(), destination.into(), Access::ReadWrite)
    }

    /// Returns a tmpfs that everyone can write to, as `/tmp` is.
    pub fn temporary(destination: impl Into<PathBuf>) -> Self {
        let kind = MountKind::Tmpfs { mode: 0o1777, owner: DirectoryOwner::Root, bytes: None };
        Self { destination: destination.into(), kind }
    }

    /// Returns a read-only file of mode 0644.
    pub fn file(destination: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self { destination: destination.into(), kind: MountKind::File { content: content.into(), mode: 0o644 } }
    }

    /// Returns a symbolic link.
    pub fn symlink(target: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self { destination: destination.into(), kind: MountKind::Symlink { target: target.into() } }
    }

    /// Returns a directory of mode 0755 that is the job's, unless one is there.
    pub fn directory(destination: impl Into<PathBuf>) -> Self {
        let kind = MountKind::Directory { mode: 0o755, owner: DirectoryOwner::Job, existing: Existing::Kept };
        Self { destination: destination.into(), kind }
    }

    /// Returns a directory that everyone can write to, as `/tmp` is, with what the root file system has in it.
    pub fn open_to_all(destination: impl Into<PathBuf>) -> Self {
        let kind = MountKind::Directory { mode: 0o1777, owner: DirectoryOwner::Root, existing: Existing::Opened };
        Self { destination: destination.into(), kind }
    }

    /// Returns a directory that is the job's, with what the root file system has in it.
    pub fn open_to_job(destination: impl Into<PathBuf>) -> Self {
        let kind = MountKind::Directory { mode: 0o700, owner: DirectoryOwner::Job, existing: Existing::Opened };
        Self { destination: destination.into(), kind }
    }

    /// Returns a part of the root file system with an access of its own.
    pub fn part(destination: impl Into<PathBuf>, access: Access) -> Self {
        Self { destination: destination.into(), kind: MountKind::Part { access } }
    }

    /// Returns a mask over `destination`.
    pub fn mask(destination: impl Into<PathBuf>) -> Self {
        Self { destination: destination.into(), kind: MountKind::Mask }
    }

    fn bind(source: PathBuf, destination: PathBuf, access: Access) -> Self {
        let kind = MountKind::Bind { source, access, execution: Execution::Allowed, missing: Missing::Refuse };
        Self { destination, kind }
    }
}
