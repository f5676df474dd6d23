//! What this machine can do, found by doing it.

use std::path::{Path, PathBuf};

use dhow_fs::{PathError, Root, TemporaryDirectory};

use crate::error::SandboxError;
use crate::host::{HostIds, text};
use crate::id_map::{MapWriter, plan_id_map};
use crate::job::{Job, RootFs, Scratch};
use crate::mount::Mount;
use crate::spawn::{Streams, spawn, try_id_map};
use crate::{roles, validate};

/// What this machine can do.
#[derive(Debug)]
pub struct Probe {
    /// How ids would be mapped for a user other than 0.
    pub map_writer: MapWriter,
    /// Whether subordinate ids are configured for the caller.
    pub subordinate_ids: bool,
    /// Whether `newuidmap` and `newgidmap` are installed.
    pub helpers: bool,
    /// Whether the map can be written.
    pub id_map: Result<(), SandboxError>,
    /// Whether a container can be started.
    pub container: Result<(), SandboxError>,
    /// Whether a container can have an overlay whose layers and scratch are in the directory that was given.
    pub overlay: Result<(), SandboxError>,
    /// Whether abstract sockets of the machine can be kept from a job with the machine's network (Linux 6.12).
    pub socket_scope: bool,
}

/// Starts some containers that do nothing and tells how that went; layers would live in `directory`.
pub fn probe(directory: &Path) -> Result<Probe, PathError> {
    const ANY_USER: u32 = 1000;
    let host = HostIds::read();
    let map = plan_id_map(&host, ANY_USER, ANY_USER);
    let temporary = TemporaryDirectory::create_in(directory)?;
    let place = Root::open(temporary.path())?;
    place.create_directory(Path::new("/layer"), 0o755)?;
    place.create_directory(Path::new("/scratch"), 0o700)?;
    let overlay = RootFs::Overlay {
        lower: vec![temporary.path().join("layer")],
        scratch: Scratch::Directory(temporary.path().join("scratch")),
    };
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let job = Job { mounts: vec![Mount::read_only(program, roles::TRIAL)], ..validate::trial(map.clone()) };
    Ok(Probe {
        map_writer: map.writer,
        subordinate_ids: !host.subuids.is_empty() && !host.subgids.is_empty(),
        helpers: host.helpers,
        id_map: try_id_map(&map),
        container: run(&job),
        overlay: run(&Job { root: overlay, ..job }),
        socket_scope: scopes_sockets(&text("/proc/sys/kernel/osrelease")),
    })
}

fn run(job: &Job) -> Result<(), SandboxError> {
    spawn(job, Streams::captured())?.wait().map(drop)
}

fn scopes_sockets(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 12)
}

#[cfg(test)]
mod tests {
    use super::scopes_sockets;

    #[test]
    fn kernels_scope_sockets_from_6_12_on() {
        let answers = ["6.12.0-1-amd64\n", "7.0", "6.11.9", "5.15.0", ""].map(scopes_sockets);
        assert_eq!(answers, [true, true, false, false, false]);
    }
}
