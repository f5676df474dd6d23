//! The new root while it is being furnished.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dhow_fs::Root;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::failure::{During, Failure, Step};
use crate::handles::open_below;
use crate::job::Job;

/// The new root, and what belongs to it.
pub(crate) struct Container<'a> {
    pub(crate) job: &'a Job,
    /// The root, for resolving paths and creating what is missing.
    pub(crate) root: Root,
    /// The root's mount.
    pub(crate) mount: OwnedFd,
    /// A tmpfs that the container never sees as such: contents of files, emptiness, scratch.
    pub(crate) hidden: OwnedFd,
}

impl Container<'_> {
    /// Opens a directory of the root on which something is mounted, and makes it where nothing is.
    ///
    /// A link is refused: what is mounted would be found elsewhere (CVE-2019-19921, CVE-2023-27561).
    pub(crate) fn real_directory(&self, name: &str, mode: u32) -> Result<OwnedFd, Failure> {
        let path = Path::new("/").join(name);
        let open = || open_below(self.mount.as_fd(), name, OFlags::DIRECTORY);
        match open() {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&self.mount, name, Mode::from_raw_mode(mode))
                    .during_at(Step::Destination, &path)?;
                open()
            }
            other => other,
        }
        .map_err(|source| match source {
            Errno::LOOP | Errno::NOTDIR => Step::Linked.failed_at(&path, source),
            _ => Step::Destination.failed_at(&path, source),
        })
    }
}
