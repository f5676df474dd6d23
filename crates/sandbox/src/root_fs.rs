//! Mounts the root file system.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use dhow_fs::Root;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::attach::{clone_tree, move_onto, tmpfs};
use crate::failure::{During, Failure, Step};
use crate::handles::open_path;
use crate::job::{RootFs, Scratch};
use crate::mount::Access;

/// The directories of a root file system, opened.
pub(crate) struct RootSources {
    directories: Vec<OwnedFd>,
    scratch: Option<OwnedFd>,
}

/// Opens what the root file system is made of, with the caller's own ids.
pub(crate) fn open_sources(root: &RootFs) -> Result<RootSources, Failure> {
    let open = |path: &Path| open_path(path).during_at(Step::Source, path);
    Ok(match root {
        RootFs::Empty => RootSources { directories: Vec::new(), scratch: None },
        RootFs::Directory(path) => RootSources { directories: vec![open(path)?], scratch: None },
        RootFs::Overlay { lower, scratch } => {
            let directories = lower.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
            let scratch = match scratch {
                Scratch::Memory { .. } => None,
                Scratch::Directory(path) => {
                    remove_leftovers(path)?;
                    Some(open(path)?)
                }
            };
            RootSources { directories, scratch }
        }
    })
}

/// Mounts the root file system at `staging` and returns its mount.
pub(crate) fn mount(
    root: &RootFs,
    sources: &RootSources,
    hidden: BorrowedFd<'_>,
    staging: &Path,
) -> Result<OwnedFd, Failure> {
    match root {
        RootFs::Overlay { .. } => {
            let scratch = sources.scratch.as_ref().map_or(hidden, |scratch| scratch.as_fd());
            overlay(&sources.directories, scratch, staging)?;
        }
        RootFs::Empty => {
            let tree = tmpfs(0o755, None, None, 0).during(Step::Root)?;
            attach(&tree, staging)?;
        }
        RootFs::Directory(path) => {
            let Some(directory) = sources.directories.first() else {
                return Err(Step::Source.failed_at(path, rustix::io::Errno::NOENT));
            };
            let tree = clone_tree(directory.as_fd(), Access::ReadWrite, 0).during(Step::Root)?;
            attach(&tree, staging)?;
        }
    }
    open_path(staging).during(Step::Root)
}

fn attach(tree: &OwnedFd, staging: &Path) -> Result<(), Failure> {
    let target = open_path(staging).during(Step::Root)?;
    move_onto(tree.as_fd(), target.as_fd()).during(Step::Root)
}

/// The directories are named by descriptor, as numbers in `/proc/self/fd`: no path, whose colons or commas would need
/// escaping, enters the option string, it stays short, and the container's `/proc/mounts` tells no path of the machine.
fn overlay(lower: &[OwnedFd], scratch: BorrowedFd<'_>, staging: &Path) -> Result<(), Failure> {
    let upper = scratch_directory(scratch, "upper")?;
    let work = scratch_directory(scratch, "work")?;
    if let Some(topmost) = lower.first() {
        make_alike(upper.as_fd(), topmost.as_fd()).during(Step::OverlayScratch)?;
    }
    let lower: Vec<String> = lower.iter().map(|directory| directory.as_raw_fd().to_string()).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile",
        lower.join(":"),
        upper.as_raw_fd(),
        work.as_raw_fd()
    );
    let options = std::ffi::CString::new(options).map_err(|_| Step::Overlay.failed(rustix::io::Errno::INVAL))?;
    rustix::process::chdir("/proc/self/fd").during(Step::Overlay)?;
    let mounted =
        rustix::mount::mount("overlay", staging, "overlay", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str());
    rustix::process::chdir("/").during(Step::Overlay)?;
    mounted.during(Step::Overlay)
}

fn scratch_directory(scratch: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Failure> {
    rustix::fs::mkdirat(scratch, name, Mode::from_raw_mode(0o755)).during(Step::OverlayScratch)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(scratch, name, flags, Mode::empty()).during(Step::OverlayScratch)
}

/// Gives a directory the owner and the mode of another: the root of an overlay shows those of its upper directory.
fn make_alike(directory: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(other)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    match rustix::fs::chownat(directory, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
        // An owner who is nobody here; the root stays with whoever made it.
        Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    dhow_fs::chmod_handle(directory, stat.st_mode & 0o7777)
}

/// A job that was killed with its helpers left them; the kernel refuses a used `work` directory.
fn remove_leftovers(scratch: &Path) -> Result<(), Failure> {
    let root = Root::open(scratch).during_at(Step::Source, scratch)?;
    root.remove_all(Path::new("/upper")).during(Step::OverlayScratch)?;
    root.remove_all(Path::new("/work")).during(Step::OverlayScratch)
}
