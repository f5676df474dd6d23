//! One entry of a stat index.

use std::path::PathBuf;

use dhow_fs::{FileKind, Stat, WalkEntry};

/// The facts of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedEntry {
    /// Its path below the tree's top; empty for the top itself.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size in bytes; 0 for a directory.
    pub size: u64,
    /// The inode's number; 0 for a directory.
    pub inode: u64,
    /// The last change of content, in nanoseconds since 1970; 0 for a directory.
    pub mtime_ns: i64,
    /// The last change of the inode, in nanoseconds since 1970; 0 for a directory.
    pub ctime_ns: i64,
    /// Whether a later change could look the same.
    pub racy: bool,
    /// What a symbolic link says.
    pub target: Option<PathBuf>,
}

impl IndexedEntry {
    /// Returns the facts of `entry`, looked at when the file clock showed `now` or later.
    pub(super) fn of(entry: &WalkEntry, now: i128) -> Self {
        let Stat { kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, .. } = entry.stat;
        let plain = Self {
            path: entry.path.clone(),
            kind,
            mode,
            uid,
            gid,
            size: 0,
            inode: 0,
            mtime_ns: 0,
            ctime_ns: 0,
            racy: false,
            target: entry.target.clone(),
        };
        if kind == FileKind::Directory {
            return plain;
        }
        let (mtime_ns, ctime_ns) = (nanoseconds(mtime_ns), nanoseconds(ctime_ns));
        Self { size, inode, mtime_ns, ctime_ns, racy: i128::from(ctime_ns) >= now, ..plain }
    }

    /// Tells whether `found` is certainly what was recorded here.
    pub(super) fn matches(&self, found: &WalkEntry) -> bool {
        let Stat { kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, .. } = found.stat;
        let same_node = self.kind == kind && self.mode == mode && self.uid == uid && self.gid == gid;
        let same_content = self.size == size
            && self.inode == inode
            && self.mtime_ns == nanoseconds(mtime_ns)
            && self.ctime_ns == nanoseconds(ctime_ns)
            && self.target == found.target;
        same_node && !self.racy && (kind == FileKind::Directory || same_content)
    }
}

fn nanoseconds(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
