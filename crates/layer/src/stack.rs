//! Unpacked layers on top of each other, seen as the one tree that overlayfs makes of them.
//!
//! ```text
//! stack.rs   what can be asked of the tree
//! tree.rs    how a path is walked: links, `..`, and the directory that is being made on top, if there is one
//! below.rs   which directories of which layers show together at a path
//! marks.rs   how a layer says that something of the layers below it is gone
//! owner.rs   to whom files belong in the image, if not on the disk
//! walk.rs    all that the layers show
//! ```

mod below;
mod marks;
mod owner;
mod tree;
mod walk;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dhow_fs::{Operation, Ownership, PathError, Stat};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

pub(crate) use below::{Child, Leaf, open_directory};
pub(crate) use marks::{is_whiteout, make_opaque, make_whiteout, within};
pub(crate) use owner::note_owner;
pub(crate) use tree::{Facts, Presence, Replaces, Tree, facts_of, opened_up};
pub use walk::StatedOwners;

/// The most directories that lie in each other on the way to what is looked up, as in a layer.
const DEPTH: usize = 500;

/// Unpacked layers, topmost first, as a program sees them that runs in the image.
///
/// Whiteouts and opaque directories hide what they hide, and links lead from one layer into another. No link leads out
/// of the layers: `/` is the root of the tree, and `..` ends there. Directories whose mode keeps their owner out are
/// looked into all the same: their mode is widened for that moment.
///
/// ```no_run
/// use std::path::Path;
/// use dhow_layer::Stack;
///
/// # fn main() -> Result<(), dhow_fs::PathError> {
/// let stack = Stack::open(["/cache/upper", "/cache/lower"])?;
/// let accounts = stack.read_to_string(Path::new("/etc/passwd"), 1024 * 1024)?;
/// assert!(accounts.is_some_and(|accounts| accounts.contains("root")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Stack {
    /// The layers' directories, topmost first.
    roots: Vec<OwnedFd>,
}

impl Stack {
    /// Opens the directories of unpacked layers, topmost first.
    ///
    /// A layer whose root is opaque hides all layers below it; those are left out.
    pub fn open(directories: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, PathError> {
        let mut roots = Vec::new();
        for directory in directories {
            let path = directory.as_ref();
            let fail = |source| PathError::new(Operation::Open, path, source);
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(path, flags, Mode::empty()).map_err(fail)?;
            let hides_the_rest = marks::is_opaque(root.as_fd()).map_err(fail)?;
            roots.push(root);
            if hides_the_rest {
                break;
            }
        }
        Ok(Self { roots })
    }

    /// Returns a stack of no layers.
    #[must_use]
    pub const fn none() -> Self {
        Self { roots: Vec::new() }
    }

    /// Returns the root of the topmost layer.
    pub(crate) fn topmost(&self) -> Option<BorrowedFd<'_>> {
        self.roots.first().map(AsFd::as_fd)
    }

    /// Returns the number of layers that show, the ones below an opaque root not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Tells whether there are no layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Returns the facts of what `path` leads to, links followed; `None` if nothing is there. Owners are those on disk.
    pub fn metadata(&self, path: &Path) -> Result<Option<Stat>, PathError> {
        let fail = |source| PathError::new(Operation::Inspect, path, source);
        Ok(match self.find(path).map_err(fail)? {
            Target::Missing => None,
            Target::Directory(directories) => match directories.first() {
                Some(topmost) => Some(stat_of(&rustix::fs::fstat(topmost).map_err(fail)?)),
                None => None,
            },
            Target::Other { stat, .. } => Some(stat_of(&stat)),
        })
    }

    /// Reads the file that `path` leads to, of at most `limit` bytes; `None` if nothing is there.
    ///
    /// Fails if it is larger, if it is no file, and if it cannot be read.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PathError> {
        let fail = |source: Errno| PathError::new(Operation::Open, path, source);
        let (directory, name) = match self.find(path).map_err(fail)? {
            Target::Missing => return Ok(None),
            Target::Directory(_) => return Err(fail(Errno::ISDIR)),
            Target::Other { directory, name, stat } => {
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(fail(Errno::INVAL));
                }
                (directory, name)
            }
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = within(directory.as_fd(), || rustix::fs::openat(&directory, &name, flags, Mode::empty()));
        let file = File::from(opened.map_err(fail)?);
        let mut bytes = Vec::new();
        let fail = |source: io::Error| PathError::new(Operation::Read, path, source);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit {
            let cause = io::Error::new(io::ErrorKind::FileTooLarge, format!("file has more than {limit} bytes"));
            return Err(fail(cause));
        }
        Ok(Some(bytes))
    }

    /// As [`Stack::read`], of a text; fails if it is not UTF-8.
    pub fn read_to_string(&self, path: &Path, limit: u64) -> Result<Option<String>, PathError> {
        let Some(bytes) = self.read(path, limit)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| PathError::new(Operation::Read, path, Errno::ILSEQ))
    }

    /// Returns the names in the directory that `path` leads to, sorted by their bytes; none if there is no directory.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, PathError> {
        let fail = |source| PathError::new(Operation::ReadDirectory, path, source);
        let Target::Directory(directories) = self.find(path).map_err(fail)? else { return Ok(Vec::new()) };
        // Of a name that several layers have, the topmost decides.
        let mut shown: BTreeMap<OsString, bool> = BTreeMap::new();
        for directory in &directories {
            for name in names_in(directory).map_err(fail)? {
                if shown.contains_key(&name) {
                    continue;
                }
                let stat =
                    within(directory.as_fd(), || rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW));
                let is_there = !is_whiteout(&stat.map_err(fail)?);
                shown.insert(name, is_there);
            }
        }
        Ok(shown.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect())
    }

    /// Finds what `path` leads to, links followed.
    fn find(&self, path: &Path) -> Result<Target, Errno> {
        let mut ahead: VecDeque<OsString> = path
            .as_os_str()
            .as_bytes()
            .split(|byte| *byte == b'/')
            .map(|part| OsStr::from_bytes(part).to_owned())
            .collect();
        let mut tree = Tree::new(None, self, DEPTH)?;
        match tree.walk(&mut ahead)? {
            Some(name) => match tree.below(&name)? {
                Child::Other(Leaf { directory, stat }) => {
                    let directory = rustix::io::fcntl_dupfd_cloexec(directory, 0)?;
                    Ok(Target::Other { directory, name, stat })
                }
                Child::Missing | Child::Directory(_) | Child::Link(..) => Ok(Target::Missing),
            },
            None => {
                let directories = tree.directories_below()?;
                Ok(if directories.is_empty() { Target::Missing } else { Target::Directory(directories) })
            }
        }
    }
}

/// What a path leads to.
enum Target {
    Missing,
    /// The directories that show there together, topmost first; at least one.
    Directory(Vec<OwnedFd>),
    /// Neither a directory nor a link: its name in a layer's directory.
    Other {
        directory: OwnedFd,
        name: OsString,
        stat: rustix::fs::Stat,
    },
}

fn names_in(directory: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = within(directory.as_fd(), || rustix::fs::openat(directory, ".", flags, Mode::empty()))?;
    let mut names = Vec::new();
    for entry in Dir::new(listing)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    Stat::of(stat, &Ownership::Real)
}
