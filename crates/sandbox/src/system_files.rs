//! The container's `/sys`: the control groups that the job is in, and the processors that are there. Read-only.
//!
//! Runtimes read their limits there, and some images do not start without. Nothing else of the machine's `/sys` is
//! shown, and nothing of an image's own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::FsOpenFlags;

use crate::attach::{finish, move_onto, tmpfs};
use crate::channel::retry;
use crate::container::Container;
use crate::control_groups::{Hierarchy, Layout, layout};
use crate::failure::{Failure, Step};
use crate::handles::open_below;
use crate::host;

/// Mounts it and returns the mount, which is to become read-only when all mounts are made.
///
/// Must be called in the job's own control group namespace: its root is the group that the job is in.
pub(crate) fn mount(container: &Container<'_>) -> Result<OwnedFd, Failure> {
    let target = container.real_directory("sys", 0o555)?;
    let failed = |path: &'static str| move |source: Errno| Step::Mount.failed_at(Path::new(path), source);
    let sys = tmpfs(0o755, Some(SIZE), None, libc::MOUNT_ATTR_NOEXEC).map_err(failed("/sys"))?;
    move_onto(sys.as_fd(), target.as_fd()).map_err(failed("/sys"))?;
    let groups = directories(sys.as_fd(), &["fs", "cgroup"]).map_err(failed("/sys/fs/cgroup"))?;
    match layout(&host::text("/proc/self/cgroup")) {
        Layout::Unified => show(groups.as_fd(), &Hierarchy::unified()).map_err(failed("/sys/fs/cgroup"))?,
        Layout::Several(hierarchies) => {
            for hierarchy in &hierarchies {
                show_by_name(groups.as_fd(), hierarchy).map_err(failed("/sys/fs/cgroup"))?;
            }
        }
    }
    let processors = directories(sys.as_fd(), &["devices", "system", "cpu"]).map_err(failed("/sys/devices"))?;
    for name in PROCESSORS {
        let text = host::text(&format!("/sys/devices/system/cpu/{name}"));
        if !text.is_empty() {
            file(processors.as_fd(), name, &text).map_err(failed("/sys/devices"))?;
        }
    }
    Ok(sys)
}

/// Shows one of several hierarchies below its name; each controller of it finds it by its own name.
fn show_by_name(groups: BorrowedFd<'_>, hierarchy: &Hierarchy) -> Result<(), Errno> {
    let name = hierarchy.name();
    let directory = directories(groups, &[&name])?;
    show(directory.as_fd(), hierarchy)?;
    for controller in hierarchy.controllers.iter().filter(|controller| **controller != name) {
        rustix::fs::symlinkat(name.as_str(), groups, controller.as_str())?;
    }
    Ok(())
}

/// Mounts a hierarchy, whose root in this namespace is the job's group.
///
/// Who is in no group is in the root of all groups, where the machine's others are. That is not shown. Nothing is
/// limited there, which is what its files say then. The same holds where the kernel refuses the mount.
fn show(target: BorrowedFd<'_>, hierarchy: &Hierarchy) -> Result<(), Errno> {
    match mounted(hierarchy) {
        Ok(group) if !is_root_of_all(group.as_fd(), hierarchy)? => move_onto(group.as_fd(), target),
        _ => hierarchy.unlimited().try_for_each(|(name, text)| file(target, name, text)),
    }
}

fn mounted(hierarchy: &Hierarchy) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(hierarchy.file_system(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    for controller in &hierarchy.controllers {
        rustix::mount::fsconfig_set_flag(&context, controller.as_str())?;
    }
    let harmless = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    finish(context.as_fd(), harmless | libc::MOUNT_ATTR_RDONLY)
}

fn is_root_of_all(group: BorrowedFd<'_>, hierarchy: &Hierarchy) -> Result<bool, Errno> {
    let has = |name| match open_below(group, name, OFlags::empty()) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    };
    // Files that the kernel has in that group alone, and in every other one.
    if hierarchy.is_unified() { has("cgroup.type").map(|found| !found) } else { has("release_agent") }
}

/// Makes directories, each in the one before, and returns the last.
fn directories(parent: BorrowedFd<'_>, names: &[&str]) -> Result<OwnedFd, Errno> {
    let mut current = parent.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for &name in names {
        match rustix::fs::mkdirat(&current, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        current = rustix::fs::openat(&current, name, flags, Mode::empty())?;
    }
    Ok(current)
}

fn file(directory: BorrowedFd<'_>, name: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o444))?;
    retry(|| rustix::io::write(&file, text.as_bytes())).map(drop)
}

/// The C library and runtimes count processors by these files.
const PROCESSORS: [&str; 3] = ["online", "possible", "present"];

/// Room for some names and lines, in bytes.
const SIZE: u64 = 256 << 10;
