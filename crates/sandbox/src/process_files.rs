//! The container's `/proc`: its own processes only, and of the kernel's files none that tells or changes
//! something about the machine.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::attach::{clone_tree, file_system, move_onto};
use crate::container::Container;
use crate::covers::cover;
use crate::failure::{During, Failure, Step};
use crate::handles::open_below;
use crate::mount::Access;

/// Mounts and masks it. `/proc` and `/sys` of the image must not be links.
pub(crate) fn mount(container: &Container<'_>) -> Result<(), Failure> {
    let target = container.real_directory("proc", 0o555)?;
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
    move_onto(cover(target.as_fd(), container.hidden.as_fd())?.as_fd(), target.as_fd())
}

fn freeze(proc: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let target = match open_below(proc, name, OFlags::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let tree = clone_tree(target.as_fd(), Access::ReadOnly, libc::MOUNT_ATTR_NOEXEC)?;
    move_onto(tree.as_fd(), target.as_fd())
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
