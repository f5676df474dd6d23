//! The container's `/dev`: a handful of harmless devices, terminals of its own, shared memory of its own.
//!
//! An image's own `/dev` is never used: it could hold a link where a device is expected.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::attach::{clone_device, file_system, move_onto, tmpfs};
use crate::container::Container;
use crate::failure::{During, Failure, Step};
use crate::handles::open_device;

/// Opens the machine's devices, with the caller's own ids, each verified by its number.
pub(crate) fn open_sources() -> Result<Vec<(&'static str, OwnedFd)>, Failure> {
    DEVICES
        .iter()
        .map(|&(name, major, minor)| {
            let path = Path::new("/dev").join(name);
            let device = open_device(CWD, &path, (major, minor)).during_at(Step::Device, &path)?;
            Ok((name, device))
        })
        .collect()
}

/// Mounts it and returns the mount, which is to become read-only when all mounts are made.
pub(crate) fn mount(container: &Container<'_>, devices: &[(&str, OwnedFd)]) -> Result<OwnedFd, Failure> {
    let target = container.real_directory("dev", 0o755)?;
    // Not `nodev`, which the kernel would then demand of the devices mounted in it.
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    let options = [("mode", "755".to_owned()), ("size", "64k".to_owned())];
    let dev = file_system("tmpfs", &options, attributes).during_at(Step::Mount, Path::new("/dev"))?;
    move_onto(dev.as_fd(), target.as_fd()).during_at(Step::Mount, Path::new("/dev"))?;
    for (name, device) in devices {
        mount_device(&dev, name, device).during_at(Step::Mount, &Path::new("/dev").join(name))?;
    }
    for (name, link) in LINKS {
        rustix::fs::symlinkat(link, &dev, name).during_at(Step::Mount, &Path::new("/dev").join(name))?;
    }
    mount_directory(&dev, "pts", || file_system("devpts", &terminal_options(container), attributes))
        .during(Step::Terminals)?;
    mount_directory(&dev, "shm", || tmpfs(0o1777, None, None, libc::MOUNT_ATTR_NOEXEC))
        .during_at(Step::Mount, Path::new("/dev/shm"))?;
    Ok(dev)
}

fn mount_device(dev: &OwnedFd, name: &str, device: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let target = rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o666))?;
    move_onto(clone_device(device.as_fd())?.as_fd(), target.as_fd())
}

fn mount_directory(
    dev: &OwnedFd,
    name: &str,
    file_system: impl FnOnce() -> Result<OwnedFd, Errno>,
) -> Result<(), Errno> {
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    let target = rustix::fs::openat(dev, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    move_onto(file_system()?.as_fd(), target.as_fd())
}

/// Terminals belong to group 5 (`tty`) where it exists, as the C library expects.
fn terminal_options(container: &Container<'_>) -> Vec<(&'static str, String)> {
    const TTY_GROUP: u32 = 5;
    let mut options = vec![("ptmxmode", "0666".to_owned()), ("mode", "0620".to_owned())];
    if container.job.id_map.contains(container.job.identity.uid, TTY_GROUP) {
        options.push(("gid", TTY_GROUP.to_string()));
    }
    options
}

const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
