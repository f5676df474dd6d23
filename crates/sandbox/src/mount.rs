//! What is mounted into a container, as values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::job::Access;

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
        owner: TmpfsOwner,
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
    /// A directory, made in whatever file system is there; one that is there is kept.
    Directory {
        /// The permission bits of a new one.
        mode: u32,
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

/// Who owns the root of a tmpfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TmpfsOwner {
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
        let kind = MountKind::Tmpfs { mode: 0o1777, owner: TmpfsOwner::Root, bytes: None };
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

    /// Returns a directory of mode 0755.
    pub fn directory(destination: impl Into<PathBuf>) -> Self {
        Self { destination: destination.into(), kind: MountKind::Directory { mode: 0o755 } }
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
