//! The container's `/proc`: its own processes only, and of the kernel's files none that tells or changes
//! something about the machine.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::attach::{clone_tree, file_system, move_onto};
use crate::container::Container;
use crate::covers::cover;
use crate::failure::{During, Failure, Step};
use crate::handles::open_below;
use crate::mount::Access;

/// Mounts and masks it. `/proc` of the image must not be a link.
pub(crate) fn mount(container: &Container<'_>) -> Result<(), Failure> {
    let target = container.real_directory("proc", 0o555)?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    let proc = file_system("proc", &[], attributes).during(Step::Proc)?;
    move_onto(proc.as_fd(), target.as_fd()).during(Step::Proc)?;
    for name in entries(proc.as_fd()).during_at(Step::ProcMask, Path::new("/proc"))? {
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_process && !SHOWN.contains(&name.as_str()) {
            mask(container, proc.as_fd(), &name).during_at(Step::ProcMask, &Path::new("/proc").join(&name))?;
        }
    }
    for name in READ_ONLY {
        freeze(proc.as_fd(), name).during_at(Step::ProcMask, &Path::new("/proc").join(name))?;
    }
    Ok(())
}

fn entries(proc: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(proc, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
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

/// What programs read there. Whatever else is no process tells of the machine: of its memory, devices, kernel, or other
/// users. That reads as empty, and so does what the kernel of tomorrow adds.
const SHOWN: [&str; 20] = [
    "cgroups",
    "cpuinfo",
    "crypto",
    "devices",
    "filesystems",
    "loadavg",
    "locks",
    "meminfo",
    "mounts",
    "net",
    "pressure",
    "self",
    "stat",
    "sys",
    "sysvipc",
    "thread-self",
    "uptime",
    "version",
    "vmstat",
    "zoneinfo",
];

/// What programs may look at, but not change.
const READ_ONLY: [&str; 2] = ["pressure", "sys"];
