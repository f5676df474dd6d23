//! This program's own file, to be executed where nothing can write to it through `/proc/<pid>/exe` (CVE-2019-5736).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::OpenTreeFlags;

use crate::failure::{During, Failure, Step};
use crate::sys;

/// Opens it on a read-only mount of its own or, where its file has been replaced meanwhile, as a sealed copy in memory.
pub(crate) fn open() -> Result<OwnedFd, Failure> {
    let running = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let running = File::from(running.during(Step::OwnProgram)?);
    match read_only_mount(&running) {
        Some(mount) => Ok(mount),
        None => sealed_copy(running).map_err(|source| Step::OwnProgram.failed(source)),
    }
}

/// A clone needs a path in this mount namespace; `/proc/self/exe` is in the one that was left.
fn read_only_mount(running: &File) -> Option<OwnedFd> {
    let path = rustix::fs::readlink("/proc/self/exe", Vec::new()).ok()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(CWD, path.as_c_str(), flags).ok()?;
    sys::mount_setattr(tree.as_fd(), libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV, false).ok()?;
    let found = rustix::fs::fstat(&tree).ok()?;
    let wanted = running.metadata().ok()?;
    (found.st_dev == wanted.dev() && found.st_ino == wanted.ino()).then_some(tree)
}

fn sealed_copy(mut running: File) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("dhow", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut running, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(copy.into())
}
