//! What the file system says about a path.

use rustix::fs::FileType;

/// The kind of a file system object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is its own word")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
    Socket,
}

impl FileKind {
    /// Returns the kind for a file type; what is none of the others counts as a file.
    #[must_use]
    pub fn of(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Socket => Self::Socket,
            _ => Self::File,
        }
    }
}

/// The facts of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its kind.
    pub kind: FileKind,
    /// The permission bits with setuid, setgid and sticky: `mode & 0o7777`.
    pub mode: u32,
    /// The owner, as the [`Root`](crate::Root)'s ownership rule presents it.
    pub uid: u32,
    /// The group, likewise.
    pub gid: u32,
    /// The size in bytes.
    pub size: u64,
    /// The device that holds the inode.
    pub device: u64,
    /// The inode's number.
    pub inode: u64,
    /// The number of hard links.
    pub links: u64,
    /// The device that a device node stands for.
    pub represents: u64,
    /// The last change of content, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// The last change of the inode, in nanoseconds since 1970. It cannot be set by a program.
    pub ctime_ns: i128,
}

impl Stat {
    /// Returns what tells the file from every other on this machine, whatever its name.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Returns the facts of an open file.
    pub fn of_file(file: &std::fs::File) -> std::io::Result<Self> {
        Ok(Self::of(&rustix::fs::fstat(file)?, &Ownership::Real))
    }

    /// Returns the facts in a kernel's answer, owners presented by `ownership`.
    #[must_use]
    pub fn of(stat: &rustix::fs::Stat, ownership: &Ownership) -> Self {
        let nanoseconds = |seconds: i64, nanoseconds: i128| i128::from(seconds) * 1_000_000_000 + nanoseconds;
        let (uid, gid) = ownership.present(stat.st_uid, stat.st_gid);
        Self {
            kind: FileKind::of(FileType::from_raw_mode(stat.st_mode)),
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev,
            inode: stat.st_ino,
            links: links(stat),
            represents: stat.st_rdev,
            mtime_ns: nanoseconds(stat.st_mtime, i128::from(stat.st_mtime_nsec)),
            ctime_ns: nanoseconds(stat.st_ctime, i128::from(stat.st_ctime_nsec)),
        }
    }
}

/// Returns the clock from which the kernel stamps files, in nanoseconds since 1970.
///
/// It moves in ticks of some milliseconds: a file changed now may bear the same time as one changed a moment ago.
#[must_use]
pub fn file_clock_ns() -> i128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// A number of 32 or 64 bits, by architecture.
#[cfg_attr(target_arch = "x86_64", expect(clippy::useless_conversion, reason = "it is 32 bits wide elsewhere"))]
fn links(stat: &rustix::fs::Stat) -> u64 {
    u64::from(stat.st_nlink)
}

/// How owners on disk are presented.
///
/// Without subordinate ids everything on disk belongs to the caller, although in the container it
/// belongs to the buildpack's user; a [`Root`](crate::Root) that knows so answers in the container's ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// As they are.
    #[default]
    Real,
    /// By a table of runs of ids; ids outside of every run are presented as they are.
    Mapped {
        /// The runs for users.
        uids: Vec<IdRun>,
        /// The runs for groups.
        gids: Vec<IdRun>,
    },
}

/// A run of ids: `outside..outside+count` on disk are `inside..inside+count` in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRun {
    /// The first id in the container.
    pub inside: u32,
    /// The first id on disk.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl Ownership {
    /// Returns a user and a group as seen in the container.
    #[must_use]
    pub fn present(&self, uid: u32, gid: u32) -> (u32, u32) {
        match self {
            Self::Real => (uid, gid),
            Self::Mapped { uids, gids } => (inside(uids, uid), inside(gids, gid)),
        }
    }
}

fn inside(runs: &[IdRun], id: u32) -> u32 {
    let holds = |run: &&IdRun| id >= run.outside && id - run.outside < run.count;
    runs.iter().find(holds).map_or(id, |run| run.inside + (id - run.outside))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn stat(path: &std::path::Path, ownership: &Ownership) -> Stat {
        Stat::of(&rustix::fs::lstat(path).unwrap(), ownership)
    }

    #[test]
    fn the_facts_are_those_of_the_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4750)).unwrap();
        fs::hard_link(&path, directory.path().join("second")).unwrap();
        let (found, real) = (stat(&path, &Ownership::Real), fs::metadata(&path).unwrap());
        assert_eq!((found.kind, found.mode, found.size, found.links), (FileKind::File, 0o4750, 5, 2));
        assert_eq!((found.uid, found.gid, found.identity()), (real.uid(), real.gid(), (real.dev(), real.ino())));
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        assert_eq!(found.mtime_ns, nanoseconds(real.mtime(), real.mtime_nsec()));
        assert_eq!(found.ctime_ns, nanoseconds(real.ctime(), real.ctime_nsec()));
        assert_eq!(stat(directory.path(), &Ownership::Real).kind, FileKind::Directory);
    }

    #[test]
    fn files_bear_times_of_the_clock_which_soon_shows_a_later_one() {
        let directory = tempfile::tempdir().unwrap();
        let before = file_clock_ns();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let stamp = stat(&path, &Ownership::Real).ctime_ns;
        assert!(before <= stamp);
        // A kernel may stamp by a finer clock what was just looked at.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while file_clock_ns() <= stamp {
            assert!(std::time::Instant::now() < end);
        }
    }

    #[test]
    fn mapped_owners_are_those_inside_and_others_stay() {
        let run = |inside, outside, count| IdRun { inside, outside, count };
        let ownership =
            Ownership::Mapped { uids: vec![run(0, 100_000, 10), run(1000, 7, 1)], gids: vec![run(5, 50, 2)] };
        assert_eq!(ownership.present(100_009, 51), (9, 6));
        assert_eq!(ownership.present(7, 52), (1000, 52));
        assert_eq!(ownership.present(100_010, 49), (100_010, 49));
        assert_eq!(Ownership::Real.present(7, 50), (7, 50));
    }
}
