//! A directory that acts as `/`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::mode::chmod_handle;
use crate::remove::remove_at;
use crate::{FileKind, Operation, Ownership, PathError, Stat};

/// A directory in which paths resolve as if it were `/` (`openat2(2)`, `RESOLVE_IN_ROOT`).
///
/// `..` and symbolic links, absolute ones too, never lead out of it. Paths are given absolute, as
/// they are in the container; a relative path means the same as one with a leading `/`, except for
/// [`Root::host`], where it is relative to the working directory.
///
/// ```
/// use std::path::Path;
///
/// use dhow_fs::{Root, TemporaryDirectory};
///
/// let directory = TemporaryDirectory::create_in(&std::env::temp_dir())?;
/// let root = Root::open(directory.path())?;
/// root.symlink(Path::new("/etc"), Path::new("/link"))?;
/// // The link leads to `etc` of this root, which is not there, and not to that of the machine.
/// assert!(!root.exists(Path::new("/link/passwd")));
/// # Ok::<(), dhow_fs::PathError>(())
/// ```
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    path: PathBuf,
    ownership: Ownership,
    confined: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryEntry {
    /// Its name.
    pub name: OsString,
}

impl Root {
    /// Returns the machine's own root: paths mean what they mean to every program.
    pub fn host() -> Result<Self, PathError> {
        Ok(Self { confined: false, ..Self::open(Path::new("/"))? })
    }

    /// Opens `path` of the machine as a root. `path` itself is trusted: its links are followed.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|source| PathError::new(Operation::Open, path, source))?;
        Ok(Self { directory, path: path.to_owned(), ownership: Ownership::Real, confined: true })
    }

    /// Returns this root with owners presented by `ownership`.
    #[must_use]
    pub fn with_ownership(self, ownership: Ownership) -> Self {
        Self { ownership, ..self }
    }

    /// Returns how owners on disk are presented.
    #[must_use]
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// Returns where this root is on the machine.
    #[must_use]
    pub fn location(&self) -> &Path {
        &self.path
    }

    /// Returns where `path` is on the machine, for messages and for programs that are told a path.
    ///
    /// Links in it are not resolved, so the answer must not be opened for untrusted content.
    #[must_use]
    pub fn host_path(&self, path: &Path) -> PathBuf {
        if !self.confined {
            return path.to_owned();
        }
        let relative: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        self.path.join(relative)
    }

    /// Opens a file for reading. A fifo or device is refused rather than waited for.
    pub fn open_file(&self, path: &Path) -> Result<File, PathError> {
        self.open_checked(path, OFlags::empty())
    }

    /// Opens a file for reading; a symbolic link as last component is refused.
    pub fn open_file_nofollow(&self, path: &Path) -> Result<File, PathError> {
        self.open_checked(path, OFlags::NOFOLLOW)
    }

    fn open_checked(&self, path: &Path, extra: OFlags) -> Result<File, PathError> {
        // Without NONBLOCK a hostile fifo would block the open for ever (CVE-2024-9676).
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | extra;
        let handle = self.resolve(path, flags, Mode::empty(), Operation::Open)?;
        let stat = rustix::fs::fstat(&handle).map_err(|source| self.error(Operation::Open, path, source))?;
        match FileKind::of(rustix::fs::FileType::from_raw_mode(stat.st_mode)) {
            FileKind::File => Ok(File::from(handle)),
            FileKind::Directory => Err(self.error(Operation::Open, path, Errno::ISDIR)),
            _ => Err(self.error(Operation::Open, path, Errno::INVAL)),
        }
    }

    /// Reads a file of at most `limit` bytes.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
        let file = self.open_file(path)?;
        let mut bytes = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| PathError::new(Operation::Read, self.host_path(path), source))?;
        if bytes.len() as u64 > limit {
            let cause = io::Error::new(io::ErrorKind::FileTooLarge, format!("file has more than {limit} bytes"));
            return Err(PathError::new(Operation::Read, self.host_path(path), cause));
        }
        Ok(bytes)
    }

    /// Reads a text file of at most `limit` bytes; fails if it is not UTF-8.
    pub fn read_to_string(&self, path: &Path, limit: u64) -> Result<String, PathError> {
        String::from_utf8(self.read(path, limit)?).map_err(|_| self.error(Operation::Read, path, Errno::ILSEQ))
    }

    /// Writes a file: creates it with `mode` less the umask, or truncates the one that is there.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        let mut file = self.create_file(path, mode)?;
        file.write_all(bytes).map_err(|source| PathError::new(Operation::Write, self.host_path(path), source))
    }

    /// Creates or truncates a file and returns it open for writing; `mode` is less the umask.
    pub fn create_file(&self, path: &Path, mode: u32) -> Result<File, PathError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(self.resolve(path, flags, Mode::from_raw_mode(mode), Operation::Create)?))
    }

    /// Creates a file that must not exist yet and returns it open for writing; `mode` is less the umask.
    pub fn create_new_file(&self, path: &Path, mode: u32) -> Result<File, PathError> {
        let (parent, name) = self.parent(path, Operation::Create)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(mode))
            .map(File::from)
            .map_err(|source| self.error(Operation::Create, path, source))
    }

    /// Creates a directory and its missing parents with `mode` less the umask; one that is there is kept.
    pub fn create_directories(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        match self.create_directory(path, mode) {
            Err(error) if error.is_not_found() => {
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    self.create_directories(parent, mode)?;
                }
                self.create_directory(path, mode)
            }
            other => other,
        }
    }

    /// Creates a directory with `mode` less the umask; one that is there is kept.
    pub fn create_directory(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        let Ok((parent, name)) = self.parent(path, Operation::CreateDirectory) else {
            return self.require_directory(path);
        };
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode)) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.require_directory(path),
            Err(source) => Err(self.error(Operation::CreateDirectory, path, source)),
        }
    }

    fn require_directory(&self, path: &Path) -> Result<(), PathError> {
        match self.metadata(path) {
            Ok(stat) if stat.kind == FileKind::Directory => Ok(()),
            Ok(_) => Err(self.error(Operation::CreateDirectory, path, Errno::EXIST)),
            Err(error) => Err(PathError { operation: Operation::CreateDirectory, ..error }),
        }
    }

    /// Returns the entries of a directory, sorted by their bytes.
    pub fn read_directory(&self, path: &Path) -> Result<Vec<DirectoryEntry>, PathError> {
        let handle = self.open_directory(path)?;
        let fail = |source: Errno| self.error(Operation::ReadDirectory, path, source);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&handle).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(DirectoryEntry { name: OsString::from_vec(name.to_vec()) });
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// Opens a directory for reading its entries and for `*at` calls.
    pub fn open_directory(&self, path: &Path) -> Result<OwnedFd, PathError> {
        self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), Operation::ReadDirectory)
    }

    /// Returns the facts of what `path` leads to, links followed.
    pub fn metadata(&self, path: &Path) -> Result<Stat, PathError> {
        let handle = self.resolve(path, OFlags::PATH, Mode::empty(), Operation::Inspect)?;
        let stat = rustix::fs::fstat(&handle).map_err(|source| self.error(Operation::Inspect, path, source))?;
        Ok(Stat::of(&stat, &self.ownership))
    }

    /// Returns the facts of `path` itself, a link as a link.
    pub fn symlink_metadata(&self, path: &Path) -> Result<Stat, PathError> {
        let handle = self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty(), Operation::Inspect)?;
        let stat = rustix::fs::fstat(&handle).map_err(|source| self.error(Operation::Inspect, path, source))?;
        Ok(Stat::of(&stat, &self.ownership))
    }

    /// Tells whether something is at `path`, links followed. What cannot be looked at is not there.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }

    /// Tells whether `path` leads to a directory.
    #[must_use]
    pub fn is_directory(&self, path: &Path) -> bool {
        self.metadata(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// Tells whether `path` is a directory itself, and no link to one.
    #[must_use]
    pub fn is_real_directory(&self, path: &Path) -> bool {
        self.symlink_metadata(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// Tells whether `path` leads to a regular file.
    #[must_use]
    pub fn is_file(&self, path: &Path) -> bool {
        self.metadata(path).is_ok_and(|stat| stat.kind == FileKind::File)
    }

    /// Tells whether two paths lead to one place, links followed. Equal paths do, also where nothing is yet.
    #[must_use]
    pub fn is_same(&self, left: &Path, right: &Path) -> bool {
        let identity = |path: &Path| self.metadata(path).ok().map(|stat| stat.identity());
        left == right || identity(left).is_some_and(|of_left| identity(right) == Some(of_left))
    }

    /// Returns the text of a symbolic link.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf, PathError> {
        let (parent, name) = self.parent(path, Operation::ReadLink)?;
        rustix::fs::readlinkat(&parent, name, Vec::new())
            .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
            .map_err(|source| self.error(Operation::ReadLink, path, source))
    }

    /// Creates a symbolic link that says `target`.
    pub fn symlink(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        let (parent, name) = self.parent(path, Operation::Link)?;
        rustix::fs::symlinkat(target, &parent, name).map_err(|source| self.error(Operation::Link, path, source))
    }

    /// Creates a second name of a file.
    pub fn hard_link(&self, existing: &Path, path: &Path) -> Result<(), PathError> {
        let (from, from_name) = self.parent(existing, Operation::Link)?;
        let (to, to_name) = self.parent(path, Operation::Link)?;
        rustix::fs::linkat(&from, from_name, &to, to_name, AtFlags::empty())
            .map_err(|source| self.error(Operation::Link, path, source))
    }

    /// Renames, replacing what is there as `rename(2)` does.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        let (from_parent, from_name) = self.parent(from, Operation::Rename)?;
        let (to_parent, to_name) = self.parent(to, Operation::Rename)?;
        rustix::fs::renameat(&from_parent, from_name, &to_parent, to_name)
            .map_err(|source| self.error(Operation::Rename, from, source))
    }

    /// Removes a file or link. Nothing there is success.
    pub fn remove_file(&self, path: &Path) -> Result<(), PathError> {
        match self.parent(path, Operation::Remove) {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok((parent, name)) => match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(source) => Err(self.error(Operation::Remove, path, source)),
            },
        }
    }

    /// Removes a directory that is empty; anything else is an error.
    pub fn remove_empty_directory(&self, path: &Path) -> Result<(), PathError> {
        let (parent, name) = self.parent(path, Operation::Remove)?;
        rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)
            .map_err(|source| self.error(Operation::Remove, path, source))
    }

    /// Removes whatever is at `path`, a directory with all that is in it. Links are not followed;
    /// nothing there is success. Directories that deny access are made accessible first.
    pub fn remove_all(&self, path: &Path) -> Result<(), PathError> {
        match self.parent(path, Operation::Remove) {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok((parent, name)) => {
                remove_at(parent.as_fd(), name).map_err(|source| self.error(Operation::Remove, path, source))
            }
        }
    }

    /// Sets the permission bits of what `path` leads to.
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        let handle = self.resolve(path, OFlags::PATH, Mode::empty(), Operation::SetMode)?;
        chmod_handle(handle.as_fd(), mode).map_err(|source| self.error(Operation::SetMode, path, source))
    }

    /// Sets owner and group of `path` itself; a link is not followed.
    pub fn set_owner(&self, path: &Path, uid: u32, gid: u32) -> Result<(), PathError> {
        let (parent, name) = self.parent(path, Operation::SetOwner)?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| self.error(Operation::SetOwner, path, source))
    }

    /// Opens the directory that holds `path` and returns it with the last component.
    ///
    /// The pair is what `*at` calls want; between two calls the directory stays the same one.
    pub fn parent<'a>(&self, path: &'a Path, operation: Operation) -> Result<(OwnedFd, &'a OsStr), PathError> {
        let name = path.file_name().ok_or_else(|| self.error(operation, path, Errno::INVAL))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let parent = if self.confined || !parent.as_os_str().is_empty() { parent } else { Path::new(".") };
        let handle = self
            .resolve(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), operation)
            .map_err(|error| PathError { path: self.host_path(path), ..error })?;
        Ok((handle, name))
    }

    /// Opens `path` with these flags.
    pub(crate) fn resolve(
        &self,
        path: &Path,
        flags: OFlags,
        mode: Mode,
        operation: Operation,
    ) -> Result<OwnedFd, PathError> {
        let flags = flags | OFlags::CLOEXEC;
        let result = if self.confined {
            let path = if path.as_os_str().is_empty() { Path::new("/") } else { path };
            retry_races(|| {
                rustix::fs::openat2(
                    &self.directory,
                    path,
                    flags,
                    mode,
                    ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
                )
            })
        } else {
            rustix::fs::open(path, flags, mode)
        };
        result.map_err(|source| self.error(operation, path, source))
    }

    pub(crate) fn error(&self, operation: Operation, path: &Path, source: Errno) -> PathError {
        PathError::new(operation, self.host_path(path), source)
    }
}

/// The kernel answers EAGAIN when a rename elsewhere could have let a `..` escape.
pub(crate) fn retry_races<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..128 {
        match call() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests;
