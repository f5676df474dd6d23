//! Whiteouts: names that start with `.wh.` (image-spec `layer.md`).

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::Whiteouts;
use super::place::Unpacker;

const PREFIX: &[u8] = b".wh.";

/// What a name says about lower layers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout {
    /// The entry with this name is gone.
    Of(OsString),
    /// Everything in the directory is gone.
    Opaque,
    /// Something that aufs kept for itself.
    Reserved,
}

impl Whiteout {
    /// Returns what `name` says; none if it is an ordinary name, an error if it names nothing that could be gone.
    pub(super) fn parse(name: &OsStr) -> Result<Option<Self>, &'static str> {
        let Some(rest) = name.as_bytes().strip_prefix(PREFIX) else { return Ok(None) };
        match rest {
            b".wh..opq" => Ok(Some(Self::Opaque)),
            b"" | b"." | b".." => Err("a whiteout of nothing"),
            _ if rest.starts_with(PREFIX) => Ok(Some(Self::Reserved)),
            _ => Ok(Some(Self::Of(OsStr::from_bytes(rest).to_owned()))),
        }
    }
}

impl Unpacker<'_> {
    /// Carries out a whiteout that lies in the current directory.
    pub(super) fn white_out(&mut self, whiteout: &Whiteout) -> Result<(), Errno> {
        match (self.options.whiteouts, whiteout) {
            (Whiteouts::Ignore, _) | (_, Whiteout::Reserved) => Ok(()),
            (Whiteouts::Apply, Whiteout::Of(name)) => {
                let path = self.tree.path(name);
                self.remove_lower(self.tree.current(), name, &path)?;
                self.tree.forget();
                Ok(())
            }
            (Whiteouts::Apply, Whiteout::Opaque) => {
                let directory = self.tree.current_path();
                self.remove_lower_children(self.tree.current(), &directory)?;
                self.tree.forget();
                Ok(())
            }
            (Whiteouts::OverlayXattr { userxattr }, Whiteout::Opaque) => make_opaque(self.tree.current(), userxattr),
            (Whiteouts::OverlayXattr { userxattr }, Whiteout::Of(name)) => {
                match rustix::fs::mknodat(self.tree.current(), name, FileType::CharacterDevice, Mode::empty(), 0) {
                    // This layer brought something of that name. It covers what is below, but a
                    // directory would be merged with it.
                    Err(Errno::EXIST) => match super::tree::open_directory(self.tree.current(), name) {
                        Ok(directory) => make_opaque(directory.as_fd(), userxattr),
                        Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
                        Err(error) => Err(error),
                    },
                    other => other,
                }
            }
        }
    }

    /// Removes what this layer did not bring.
    fn remove_lower(&self, parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<(), Errno> {
        let ours = self.brought.contains(path);
        let removed = |result| match result {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        match super::tree::open_directory(parent, name) {
            Ok(directory) => {
                if !ours && !self.brings_below(path) {
                    return dhow_fs::remove_at(parent, name);
                }
                self.remove_lower_children(directory.as_fd(), path)
            }
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTDIR | Errno::LOOP) if ours => Ok(()),
            Err(Errno::NOTDIR | Errno::LOOP) => removed(rustix::fs::unlinkat(parent, name, AtFlags::empty())),
            Err(error) => Err(error),
        }
    }

    fn remove_lower_children(&self, directory: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = Dir::new(rustix::fs::openat(directory, ".", flags, Mode::empty())?)?;
        let names: Result<Vec<OsString>, Errno> =
            listing.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())).collect();
        for name in names?.iter().filter(|name| *name != "." && *name != "..") {
            self.remove_lower(directory, name, &path.join(name))?;
        }
        Ok(())
    }

    fn brings_below(&self, path: &Path) -> bool {
        let mut after = self.brought.range::<PathBuf, _>(path.to_owned()..);
        after.next().is_some_and(|next| next.starts_with(path))
    }
}

/// Marks a directory as one that hides what is below it.
pub(super) fn make_opaque(directory: BorrowedFd<'_>, userxattr: bool) -> Result<(), Errno> {
    let name = if userxattr { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    rustix::fs::fsetxattr(&handle, name, b"y", XattrFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whiteouts_by_their_prefix() {
        let of = |name: &str| Ok(Some(Whiteout::Of(name.into())));
        let cases = [
            ("a", Ok(None)),
            (".wh", Ok(None)),
            ("a.wh.b", Ok(None)),
            (".wh.a", of("a")),
            (".wh.a/", of("a/")),
            (".wh....", of("...")),
            (".wh..hidden", of(".hidden")),
            (".wh..wh..opq", Ok(Some(Whiteout::Opaque))),
            (".wh..wh.plnk", Ok(Some(Whiteout::Reserved))),
            (".wh..wh.", Ok(Some(Whiteout::Reserved))),
            (".wh.", Err("a whiteout of nothing")),
            (".wh..", Err("a whiteout of nothing")),
            (".wh...", Err("a whiteout of nothing")),
        ];
        for (name, expected) in cases {
            assert_eq!(Whiteout::parse(OsStr::new(name)), expected, "{name}");
        }
    }
}
