//! What containers of builds and of runs have in common.

use std::path::{Component, Path, PathBuf};

use dhow_fs::{Ownership, PathError, Root};
use dhow_sandbox::{HostIds, IdMap, MapWriter, Mount, plan_id_map, try_id_map};

use super::ScratchSpace;
use crate::embedded::{ScratchOwner, SystemMount};
use crate::{Access, Volume};

/// The largest file of this machine's `/etc` that is handed in, in bytes.
const ETC_LIMIT: u64 = 1024 * 1024;

/// What of the network a program in a sandbox sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// This machine's network.
    Host,
    /// Only a loopback interface.
    None,
}

/// Who runs dhow, and which ids they may map.
#[derive(Debug)]
pub(crate) struct Caller {
    ids: HostIds,
    uid: u32,
}

/// Returns the caller.
///
/// Subordinate ids are left alone: builds must give the same image with and without them, and one id is enough. Only
/// [`map_of_several_users`] looks at them.
pub(crate) fn caller() -> Caller {
    let ids = HostIds { subuids: Vec::new(), subgids: Vec::new(), helpers: false, ..HostIds::read() };
    Caller { uid: ids.uid, ids }
}

/// Returns the map of a container with several users: the caller is its root, subordinate ids are all others.
///
/// `None` where the caller has no subordinate ids, or cannot map them.
pub(crate) fn map_of_several_users() -> Option<IdMap> {
    let map = plan_id_map(&HostIds::read(), 0, 0);
    (map.writer == MapWriter::Helpers && try_id_map(&map).is_ok()).then_some(map)
}

impl Caller {
    /// Tells whether the caller is root, so that files can have any owner.
    pub(crate) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Returns the map in which the caller (or, for root, the same id) is `uid` and `gid`.
    pub(crate) fn id_map(&self, uid: u32, gid: u32) -> IdMap {
        plan_id_map(&self.ids, uid, gid)
    }

    /// Returns how files on disk are presented in a container of `uid` and `gid`.
    pub(crate) fn ownership(&self, uid: u32, gid: u32) -> Ownership {
        self.id_map(uid, gid).ownership()
    }
}

/// Returns the sandbox's word for a network.
pub(crate) fn sandbox_network(network: Network) -> dhow_sandbox::Network {
    match network {
        Network::Host => dhow_sandbox::Network::Host,
        Network::None => dhow_sandbox::Network::None,
    }
}

/// Returns `/etc/hosts` and `/etc/resolv.conf`: this machine's when the network is, else loopback alone.
pub(crate) fn hosts_files(network: Network) -> Result<Vec<Mount>, PathError> {
    let loopback = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    if network == Network::None {
        return Ok(vec![Mount::file("/etc/hosts", loopback), Mount::file("/etc/resolv.conf", "")]);
    }
    let host = Root::host()?;
    let read = |path: &str| host.read(Path::new(path), ETC_LIMIT).unwrap_or_default();
    Ok(vec![
        Mount::file("/etc/hosts", Some(read("/etc/hosts")).filter(|text| !text.is_empty()).unwrap_or(loopback.into())),
        Mount::file("/etc/resolv.conf", read("/etc/resolv.conf")),
    ])
}

/// Returns the mounts of the user's volumes; their sources are made absolute.
pub(crate) fn volume_mounts(volumes: &[Volume]) -> Result<Vec<Mount>, PathError> {
    volumes.iter().map(volume_mount).collect()
}

fn volume_mount(volume: &Volume) -> Result<Mount, PathError> {
    let source: PathBuf = std::path::absolute(&volume.source)
        .map_err(|source| PathError::new(dhow_fs::Operation::Inspect, &volume.source, source))?;
    Ok(match volume.access {
        Access::ReadOnly => Mount::read_only(source, &volume.target),
        Access::ReadWrite => Mount::read_write(source, &volume.target),
    })
}

/// Returns the mounts of the plan that shows this machine's own system directories; its empty directories are made in
/// `scratch`, and those of the buildpacks belong to `owner` if one is given.
pub(crate) fn system_mounts(
    plan: &[SystemMount],
    scratch: &ScratchSpace,
    owner: Option<(u32, u32)>,
) -> Result<Vec<Mount>, PathError> {
    let mount = |mount: &SystemMount| {
        Ok(match mount {
            SystemMount::Machine { source, destination } => Mount::read_only(source, destination),
            SystemMount::Symlink { target, destination } => Mount::symlink(target, destination),
            SystemMount::File { content, destination } => Mount::file(destination, content.clone()),
            SystemMount::Scratch { mode, owner: whose, destination } => {
                let owner = owner.filter(|_| *whose == ScratchOwner::Buildpacks);
                Mount::read_write(scratch.directory(*mode, owner)?, destination)
            }
        })
    };
    plan.iter().map(mount).collect()
}

/// Tells whether a path that an image names is a place below its root: not `/` itself, and none of the container's own
/// directories. Accounts without a home name such (`/`, `/dev/null`).
pub(crate) fn is_place_of_image(path: &Path) -> bool {
    let is_plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let is_of_container = ["/proc", "/dev", "/sys"].iter().any(|directory| path.starts_with(directory));
    path.is_absolute() && path.components().count() > 1 && is_plain && !is_of_container
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_an_image_is_below_its_root_and_not_the_containers_own() {
        for path in ["/home/cnb", "/nonexistent", "/workspace/", "/devices", "//srv"] {
            assert!(is_place_of_image(Path::new(path)), "{path}");
        }
        for path in ["/", "//", "/dev/null", "/proc/1", "/sys", "/home/../etc", "home", ""] {
            assert!(!is_place_of_image(Path::new(path)), "{path}");
        }
    }
}
