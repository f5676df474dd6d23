//! What a tar holds, as values.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// An owner and a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u64,
    /// The group.
    pub gid: u64,
}

impl Owner {
    /// User 0 and group 0.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// An entry of a tar that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name as it is in the tar.
    pub path: PathBuf,
    /// What it is.
    pub kind: MemberKind,
    /// The permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub owner: Owner,
    /// The number of bytes that the reader hands out for it, holes among them; 0 for all but files.
    pub size: u64,
    /// Where a sparse file has data, in order and apart from each other; all else of it is zeros.
    /// None for a file that is stored whole.
    pub sparse: Option<Arc<[Range<u64>]>>,
    /// The modification time in seconds since 1970.
    pub modified: i64,
    /// The number of extended attributes; their values are not kept.
    pub attributes: usize,
    /// Whether file capabilities are among them.
    pub capabilities: bool,
}

/// What an entry is; links with what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MemberKind<P = PathBuf> {
    Directory,
    File,
    Symlink(P),
    HardLink(P),
    Fifo,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}
