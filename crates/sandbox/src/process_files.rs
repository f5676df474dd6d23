//! The container's `/proc`: its own processes only, and of the kernel's files none that tells or changes
//! something about the machine.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::assemble::{Container, empty_directory};
use crate::attach::{clone_device, clone_tree, file_system, move_onto};
use crate::device_files::open_device;
use crate::failure::{During, Failure, Step};
use crate::job::Access;
use crate::sys;

/// Mounts and masks it. `/proc` and `/sys` of the image must not be links.
pub(crate) fn mount(container: &Container<'_>) -> Result<(), Failure> {
    let target = real_directory(container, "proc", 0o555)?;
    refuse_link(container, "sys")?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    let proc = file_system("proc", &[], attributes).during(Step::Proc)?;
    move_onto(proc.as_fd(), target.as_fd()).during(Step::Proc)?;
    for name in MASKED {
        mask(container, proc.as_fd(), name).during_at(Step::ProcMask, &Path::new("/proc").join(name))?;
    }
    for name in READ_ONLY {
        freeze(proc.as_fd(), name).during_at(Step::ProcMask, &Path::new("/proc").join(name))?;
    }
    Ok(())
}

/// Opens a directory in the root that what is mounted on it depends on, making it where nothing is
/// (CVE-2019-19921, CVE-2023-27561: a link there would defeat every mask).
pub(crate) fn real_directory(container: &Container<'_>, name: &str, mode: u32) -> Result<OwnedFd, Failure> {
    let path = Path::new("/").join(name);
    let open = || open_below(container.mount.as_fd(), name, OFlags::DIRECTORY);
    match open() {
        Err(Errno::NOENT) => {
            rustix::fs::mkdirat(&container.mount, name, Mode::from_raw_mode(mode))
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

fn refuse_link(container: &Container<'_>, name: &str) -> Result<(), Failure> {
    match open_below(container.mount.as_fd(), name, OFlags::DIRECTORY) {
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(source) => Err(Step::Linked.failed_at(&Path::new("/").join(name), source)),
    }
}

fn mask(container: &Container<'_>, proc: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let target = match open_below(proc, name, OFlags::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let cover = match is_directory(target.as_fd())? {
        true => empty_directory(container.hidden.as_fd())?,
        false => null_device()?,
    };
    move_onto(cover.as_fd(), target.as_fd())
}

fn freeze(proc: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let target = match open_below(proc, name, OFlags::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let tree = clone_tree(target.as_fd(), Access::ReadOnly, libc::MOUNT_ATTR_NOEXEC)?;
    move_onto(tree.as_fd(), target.as_fd())
}

/// Returns a read-only mount of the machine's `/dev/null`, verified (CVE-2025-31133).
pub(crate) fn null_device() -> Result<OwnedFd, Errno> {
    let null = open_device(CWD, Path::new("/dev/null"), (1, 3))?;
    let cover = clone_device(null.as_fd())?;
    sys::mount_setattr(cover.as_fd(), libc::MOUNT_ATTR_RDONLY, false)?;
    Ok(cover)
}

pub(crate) fn is_directory(handle: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(handle)?.st_mode) == rustix::fs::FileType::Directory)
}

fn open_below(directory: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(directory, name, flags | OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// What tells about the machine or its other users, or controls it.
const MASKED: [&str; 14] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "key-users",
    "vmallocinfo",
];

/// What programs may look at, but not change.
const READ_ONLY: [&str; 4] = ["bus", "fs", "irq", "sys"];
