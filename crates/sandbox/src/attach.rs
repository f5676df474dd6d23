//! Mounts as descriptors: made detached, given their attributes, then attached. Nothing is ever visible half done.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use crate::mount::Access;
use crate::sys;

/// Returns a private copy of the tree at `source`, submounts and all, without set-user-id and devices,
/// and with `attributes` besides.
pub(crate) fn clone_tree(source: BorrowedFd<'_>, access: Access, attributes: u64) -> Result<OwnedFd, Errno> {
    let harmless = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    clone_with(source, harmless | attributes | read_only(access))
}

/// Returns a private copy of the tree at `source` that has this access, whatever the access of its mount is.
pub(crate) fn clone_part(source: BorrowedFd<'_>, access: Access) -> Result<OwnedFd, Errno> {
    let tree = clone_tree(source, access, 0)?;
    if access == Access::ReadWrite {
        sys::mount_clear_attributes(tree.as_fd(), libc::MOUNT_ATTR_RDONLY)?;
    }
    Ok(tree)
}

/// Returns a private copy of a device node's mount, on which the device works.
pub(crate) fn clone_device(source: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    clone_with(source, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)
}

fn clone_with(source: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(source, "", flags)?;
    sys::mount_setattr(tree.as_fd(), attributes, true)?;
    Ok(tree)
}

/// Attaches a detached mount at the very file or directory that `target` is.
pub(crate) fn move_onto(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", target, "", flags)
}

/// Returns a detached tmpfs without set-user-id and devices, and with `attributes` besides.
pub(crate) fn tmpfs(
    mode: u32,
    bytes: Option<u64>,
    owner: Option<(u32, u32)>,
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    let mut options = vec![("mode", format!("{mode:o}"))];
    if let Some(bytes) = bytes {
        options.push(("size", bytes.to_string()));
    }
    if let Some((uid, gid)) = owner {
        options.push(("uid", uid.to_string()));
        options.push(("gid", gid.to_string()));
    }
    file_system("tmpfs", &options, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | attributes)
}

/// Returns a new, detached file system.
pub(crate) fn file_system(kind: &str, options: &[(&str, String)], attributes: u64) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        rustix::mount::fsconfig_set_string(&context, *name, value)?;
    }
    finish(context.as_fd(), attributes)
}

/// Returns the file system that `context` describes, as a detached mount.
pub(crate) fn finish(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd, Errno> {
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(attributes).map_err(|_| Errno::INVAL)?);
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn read_only(access: Access) -> u64 {
    match access {
        Access::ReadOnly => libc::MOUNT_ATTR_RDONLY,
        Access::ReadWrite => 0,
    }
}
