//! Makes the container's tree and moves into it.
//!
//! Everything is mounted by descriptor: sources are opened first, as the caller; targets are resolved with
//! `openat2` inside of the new root, so a link of the image leads nowhere else, now or a moment later.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use dhow_fs::Root;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags};

use crate::attach::{clone_tree, move_onto, tmpfs};
use crate::failure::{During, Failure, Step};
use crate::job::{Access, Job, RootFs, Scratch};
use crate::{binds, device_files, privileges, process_files, root_fs, sys};

/// The new root while it is being furnished.
pub(crate) struct Container<'a> {
    pub(crate) job: &'a Job,
    /// The root, for resolving paths and creating what is missing.
    pub(crate) root: Root,
    /// The root's mount.
    pub(crate) mount: OwnedFd,
    /// A tmpfs that the container never sees as such: contents of files, emptiness, scratch.
    pub(crate) hidden: OwnedFd,
}

/// Makes the container's tree and enters it; afterwards nothing of the machine's own tree can be reached.
pub(crate) fn container(job: &Job) -> Result<(), Failure> {
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).during(Step::Root)?;
    let root_sources = root_fs::open_sources(&job.root)?;
    let mount_sources = binds::open_sources(&job.mounts)?;
    let devices = device_files::open_sources()?;
    privileges::become_root(job)?;
    rustix::process::umask(Mode::empty());

    let staging = staging()?;
    let hidden = hidden(job, staging)?;
    let mount = root_fs::mount(&job.root, &root_sources, hidden.as_fd(), staging)?;
    drop(root_sources);
    let root = Root::open(staging).during(Step::Root)?;
    let container = Container { job, root, mount, hidden };
    process_files::mount(&container)?;
    let device_mount = device_files::mount(&container, &devices)?;
    binds::mount_all(&container, mount_sources)?;
    sys::mount_setattr(device_mount.as_fd(), libc::MOUNT_ATTR_RDONLY, false).during(Step::Root)?;
    if job.root_access == Access::ReadOnly {
        sys::mount_setattr(container.mount.as_fd(), libc::MOUNT_ATTR_RDONLY, false).during(Step::Root)?;
    }
    enter(&container.mount)?;
    rustix::system::sethostname(job.hostname.as_bytes()).during(Step::HostName)?;
    rustix::system::setdomainname(b"(none)").during(Step::HostName)
}

/// Any directory serves: it is covered in this mount namespace only, and left behind.
fn staging() -> Result<&'static Path, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut places = ["/tmp", "/run", "/mnt", "/usr"].into_iter().map(Path::new);
    places
        .find(|&place| rustix::fs::open(place, flags, Mode::empty()).is_ok())
        .ok_or_else(|| Step::Root.failed(rustix::io::Errno::NOENT))
}

/// It must be attached somewhere (below the root-to-be) for parts of it to be mounted elsewhere.
fn hidden(job: &Job, staging: &Path) -> Result<OwnedFd, Failure> {
    let bytes = match &job.root {
        RootFs::Overlay { scratch: Scratch::Memory { bytes }, .. } => *bytes,
        _ => None,
    };
    let hidden = tmpfs(0o755, bytes, None, 0).during(Step::Root)?;
    let target = open_path(staging).during(Step::Root)?;
    move_onto(hidden.as_fd(), target.as_fd()).during(Step::Root)?;
    rustix::fs::mkdirat(&hidden, EMPTY_DIRECTORY, Mode::from_raw_mode(0o555)).during(Step::Root)?;
    Ok(hidden)
}

/// Returns a read-only mount of an empty directory.
pub(crate) fn empty_directory(hidden: BorrowedFd<'_>) -> Result<OwnedFd, rustix::io::Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(hidden, EMPTY_DIRECTORY, flags, Mode::empty())?;
    clone_tree(directory.as_fd(), Access::ReadOnly, libc::MOUNT_ATTR_NOEXEC)
}

pub(crate) fn open_path(path: &Path) -> Result<OwnedFd, rustix::io::Errno> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is taken off.
fn enter(root: &OwnedFd) -> Result<(), Failure> {
    rustix::process::fchdir(root).during(Step::Pivot)?;
    rustix::process::pivot_root(".", ".").during(Step::Pivot)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during(Step::Pivot)?;
    rustix::process::chdir("/").during(Step::Pivot)
}

const EMPTY_DIRECTORY: &str = "empty";
