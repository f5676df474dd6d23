//! What makes no sense on any machine is refused before anything is started.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::error::SandboxError;
use crate::id_map::{IdMap, MapWriter};
use crate::job::{Identity, Job, Network, Privileges, RootFs};
use crate::mount::{Access, MountKind};
use crate::roles;

/// Checks a job.
pub(crate) fn check(job: &Job) -> Result<(), SandboxError> {
    let refuse = |reason| Err(SandboxError::InvalidJob(reason));
    if job.argv.first().is_none_or(|program| program.is_empty()) {
        return refuse("names no program");
    }
    if job.argv.iter().any(|word| word.as_bytes().contains(&0)) {
        return refuse("has a zero byte in its arguments");
    }
    for (name, value) in &job.env {
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return refuse("has an environment variable without a proper name");
        }
        if name.as_bytes().contains(&0) || value.as_bytes().contains(&0) {
            return refuse("has a zero byte in its environment");
        }
    }
    if !is_plain(&job.cwd) {
        return refuse("has a working directory that is not an absolute path without `..`");
    }
    if job.hostname.is_empty() || job.hostname.len() > 64 || job.hostname.contains('\0') {
        return refuse("has a host name that is not 1 to 64 bytes long");
    }
    if !job.id_map.contains(job.identity.uid, job.identity.gid) {
        return refuse("runs as a user or group that its id map does not hold");
    }
    if job.privileges == Privileges::Users && (job.id_map.writer != MapWriter::Helpers || job.identity.uid != 0) {
        return refuse("has power over users without subordinate ids, or not as user 0");
    }
    if matches!(&job.root, RootFs::Overlay { lower, .. } if lower.is_empty()) {
        return refuse("has an overlay without a directory");
    }
    for mount in &job.mounts {
        if !is_plain(&mount.destination) {
            return refuse("has a mount whose destination is not an absolute path without `..`");
        }
        if matches!(&mount.kind, MountKind::Bind { source, .. } if !source.is_absolute()) {
            return refuse("has a mount whose source is not an absolute path");
        }
        let below = |name| mount.destination.starts_with(name);
        if below("/proc") || mount.destination == Path::new("/") || mount.destination == Path::new("/dev") {
            return Err(SandboxError::ForbiddenDestination(mount.destination.clone()));
        }
    }
    Ok(())
}

/// Returns a job that would do nothing, for trying a map.
pub(crate) fn trial(id_map: IdMap) -> Job {
    let first = |runs: &[dhow_fs::IdRun]| runs.first().map_or(0, |run| run.inside);
    let identity = Identity { uid: first(&id_map.uids), gid: first(&id_map.gids), supplementary: Vec::new() };
    Job {
        root: RootFs::Empty,
        root_access: Access::ReadOnly,
        mounts: Vec::new(),
        identity,
        id_map,
        argv: vec![roles::TRIAL.into()],
        env: Vec::new(),
        cwd: "/".into(),
        hostname: "trial".to_owned(),
        terminal: None,
        network: Network::None,
        privileges: Privileges::None,
    }
}

fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    path.is_absolute()
        && !path.as_os_str().as_bytes().contains(&0)
        && parts.all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
