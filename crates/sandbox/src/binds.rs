//! Mounts what the job asks for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dhow_fs::chmod_handle;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, StatxFlags, Uid};
use rustix::io::Errno;

use crate::attach::{clone_part, clone_tree, move_onto, tmpfs};
use crate::channel::retry;
use crate::container::Container;
use crate::covers::cover;
use crate::failure::{During, Failure, Step};
use crate::handles::{is_directory, open_path};
use crate::mount::{Access, DirectoryOwner, Execution, Existing, Missing, Mount, MountKind};

/// Opens the sources of bind mounts, with the caller's own ids. `None` for what has no source, or none any more.
pub(crate) fn open_sources(mounts: &[Mount]) -> Result<Vec<Option<OwnedFd>>, Failure> {
    mounts
        .iter()
        .map(|mount| match &mount.kind {
            MountKind::Bind { source, missing, .. } => match open_path(source) {
                Err(Errno::NOENT | Errno::NOTDIR) if *missing == Missing::Skip => Ok(None),
                other => other.during_at(Step::Source, source).map(Some),
            },
            MountKind::Tmpfs { .. }
            | MountKind::File { .. }
            | MountKind::Directory { .. }
            | MountKind::Part { .. }
            | MountKind::Symlink { .. }
            | MountKind::Mask => Ok(None),
        })
        .collect()
}

/// Mounts in the order given.
pub(crate) fn mount_all(container: &Container<'_>, sources: Vec<Option<OwnedFd>>) -> Result<(), Failure> {
    let mut of_root = vec![mount_id(&container.mount).during(Step::Root)?];
    for (number, (mount, source)) in container.job.mounts.iter().zip(sources).enumerate() {
        mount_one(container, number, mount, source, &mut of_root)?;
    }
    Ok(())
}

/// Mounts one thing. `of_root` are the mounts that show the root file system: its own, and those of its parts.
fn mount_one(
    container: &Container<'_>,
    number: usize,
    mount: &Mount,
    source: Option<OwnedFd>,
    of_root: &mut Vec<u64>,
) -> Result<(), Failure> {
    let destination = mount.destination.as_path();
    let failed = |source: Errno| Step::Mount.failed_at(destination, source);
    let tree = match &mount.kind {
        MountKind::Directory { mode, owner, existing } => {
            return directory(container, destination, *mode, *owner, *existing);
        }
        MountKind::Part { access } => {
            match existing(container, destination).during_at(Step::Destination, destination)? {
                Some(part) if of_root.contains(&mount_id(&part).map_err(failed)?) => {
                    let tree = clone_part(part.as_fd(), *access).map_err(failed)?;
                    of_root.push(mount_id(&tree).map_err(failed)?);
                    tree
                }
                _ => return Ok(()),
            }
        }
        MountKind::Symlink { target } => return link(container, target, destination),
        MountKind::Bind { access, execution, .. } => {
            let Some(source) = source else { return Ok(()) };
            let attributes = match execution {
                Execution::Allowed => 0,
                Execution::Denied => libc::MOUNT_ATTR_NOEXEC,
            };
            clone_tree(source.as_fd(), *access, attributes).map_err(failed)?
        }
        MountKind::Tmpfs { mode, owner, bytes } => tmpfs(*mode, *bytes, ids(container, *owner), 0).map_err(failed)?,
        MountKind::File { content, mode } => file(container, number, content, *mode).map_err(failed)?,
        MountKind::Mask => match existing(container, destination).during_at(Step::Destination, destination)? {
            None => return Ok(()),
            Some(target) => cover(target.as_fd(), container.hidden.as_fd()).map_err(failed)?,
        },
    };
    let target = mount_point(container, destination, is_directory(tree.as_fd()).map_err(failed)?)?;
    move_onto(tree.as_fd(), target.as_fd()).map_err(failed)
}

/// Returns the ids of an owner; `None` for who makes everything in a container.
fn ids(container: &Container<'_>, owner: DirectoryOwner) -> Option<(u32, u32)> {
    let identity = &container.job.identity;
    match owner {
        DirectoryOwner::Root => None,
        DirectoryOwner::Job => Some((identity.uid, identity.gid)),
    }
}

fn directory(
    container: &Container<'_>,
    destination: &Path,
    mode: u32,
    owner: DirectoryOwner,
    kept: Existing,
) -> Result<(), Failure> {
    let failed = |source: Errno| Step::Destination.failed_at(destination, source);
    let is_there = existing(container, destination).map_err(failed)?.is_some();
    container.root.create_directories(destination, 0o755).during_at(Step::Destination, destination)?;
    if is_there && kept == Existing::Kept {
        return Ok(());
    }
    let Some(handle) = existing(container, destination).map_err(failed)? else { return Err(failed(Errno::NOENT)) };
    let stat = rustix::fs::fstat(&handle).map_err(failed)?;
    if let Some((uid, gid)) = ids(container, owner).filter(|ids| *ids != (stat.st_uid, stat.st_gid)) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(&handle, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(failed)?;
    }
    let found = if is_there { stat.st_mode & 0o7777 } else { 0 };
    match found | mode {
        wanted if wanted == stat.st_mode & 0o7777 => Ok(()),
        wanted => chmod_handle(handle.as_fd(), wanted).map_err(failed),
    }
}

/// Returns the number of the mount that something is in.
fn mount_id(handle: &OwnedFd) -> Result<u64, Errno> {
    rustix::fs::statx(handle, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map(|stat| stat.stx_mnt_id)
}

/// Returns a read-only mount of a new file with this content.
fn file(container: &Container<'_>, number: usize, content: &[u8], mode: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&container.hidden, number.to_string(), flags, Mode::from_raw_mode(mode))?;
    let mut left = content;
    while !left.is_empty() {
        let written = retry(|| rustix::io::write(&file, left))?;
        left = left.get(written..).unwrap_or_default();
    }
    clone_tree(file.as_fd(), Access::ReadOnly, 0)
}

fn link(container: &Container<'_>, target: &Path, destination: &Path) -> Result<(), Failure> {
    if container.root.read_link(destination).is_ok_and(|found| found == target) {
        return Ok(());
    }
    if let Some(parent) = destination.parent() {
        container.root.create_directories(parent, 0o755).during_at(Step::Destination, destination)?;
    }
    container.root.symlink(target, destination).during_at(Step::Destination, destination)
}

/// Opens what is at `destination` in the container, making it if nothing is.
fn mount_point(container: &Container<'_>, destination: &Path, directory: bool) -> Result<OwnedFd, Failure> {
    let failed = |source: Errno| Step::Destination.failed_at(destination, source);
    let target = match existing(container, destination).map_err(failed)? {
        Some(target) => target,
        None => {
            create(container, destination, directory)?;
            existing(container, destination).map_err(failed)?.ok_or_else(|| failed(Errno::NOENT))?
        }
    };
    // By the object, not the name: a link of the image may lead there (CVE-2019-16884).
    if rustix::fs::fstatfs(&target).map_err(failed)?.f_type == PROC_MAGIC {
        return Err(Step::ForbiddenDestination.failed_at(destination, Errno::PERM));
    }
    match (directory, is_directory(target.as_fd()).map_err(failed)?) {
        (true, false) => Err(failed(Errno::NOTDIR)),
        (false, true) => Err(failed(Errno::ISDIR)),
        _ => Ok(target),
    }
}

fn create(container: &Container<'_>, destination: &Path, directory: bool) -> Result<(), Failure> {
    if directory {
        return container.root.create_directories(destination, 0o755).during_at(Step::Destination, destination);
    }
    if let Some(parent) = destination.parent() {
        container.root.create_directories(parent, 0o755).during_at(Step::Destination, destination)?;
    }
    container.root.create_new_file(destination, 0o644).map(drop).during_at(Step::Destination, destination)
}

fn existing(container: &Container<'_>, path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = || rustix::fs::openat2(&container.mount, path, flags, Mode::empty(), resolve);
    // The kernel answers EAGAIN when a rename elsewhere could have let a `..` escape.
    let opened = (0..128).map(|_| retry(opened)).find(|result| !matches!(result, Err(Errno::AGAIN)));
    match opened.unwrap_or(Err(Errno::AGAIN)) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::NOENT) => Ok(None),
        Err(other) => Err(other),
    }
}

const PROC_MAGIC: rustix::fs::FsWord = 0x9fa0;
