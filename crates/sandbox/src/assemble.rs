//! Makes the container's tree and moves into it.
//!
//! Everything is mounted by descriptor: sources are opened first, as the caller; targets are resolved with
//! `openat2` inside of the new root, so a link of the image leads nowhere else, now or a moment later.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dhow_fs::Root;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags};

use crate::attach::{move_onto, tmpfs};
use crate::container::Container;
use crate::failure::{During, Failure, Step};
use crate::handles::open_path;
use crate::job::{Job, RootFs, Scratch};
use crate::mount::Access;
use crate::{binds, covers, device_files, privileges, process_files, root_fs, sys, system_files};

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
    let system_mount = system_files::mount(&container)?;
    binds::mount_all(&container, mount_sources)?;
    // Only now, as mount points were made in them.
    for mount in [device_mount, system_mount] {
        sys::mount_setattr(mount.as_fd(), libc::MOUNT_ATTR_RDONLY, false).during(Step::Root)?;
    }
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
    covers::prepare(hidden.as_fd()).during(Step::Root)?;
    Ok(hidden)
}

/// pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is taken off.
fn enter(root: &OwnedFd) -> Result<(), Failure> {
    rustix::process::fchdir(root).during(Step::Pivot)?;
    rustix::process::pivot_root(".", ".").during(Step::Pivot)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during(Step::Pivot)?;
    rustix::process::chdir("/").during(Step::Pivot)
}
