//! Removes trees that belong to several owners, which the caller alone could not.

use std::io;
use std::path::Path;

use dhow_fs::Root;

use crate::error::SandboxError;
use crate::id_map::IdMap;
use crate::job::{Job, Privileges};
use crate::mount::Mount;
use crate::spawn::{Streams, spawn};
use crate::{roles, validate};

/// Removes `path` and everything in it, whoever of the map's users owns it. Nothing there is success.
///
/// Starts a container, so [`dhow_fs::Root::remove_all`] is to be tried first.
pub fn remove_tree(path: &Path, map: &IdMap) -> Result<(), SandboxError> {
    let failed = |source: io::Error| SandboxError::RemoveTree { path: path.to_owned(), source };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let program = std::env::current_exe().map_err(SandboxError::Start)?;
    let trial = validate::trial(map.clone());
    let mut identity = trial.identity;
    if map.contains(0, 0) {
        (identity.uid, identity.gid) = (0, 0);
    }
    let job = Job {
        mounts: vec![Mount::read_only(program, roles::REMOVE), Mount::read_write(parent, PARENT)],
        argv: vec![roles::REMOVE.into(), name.to_owned()],
        identity,
        privileges: Privileges::FileOwners,
        ..trial
    };
    match spawn(&job, Streams::captured())?.wait()?.code() {
        0 => Ok(()),
        code => Err(failed(io::Error::from_raw_os_error(code))),
    }
}

/// Inside of the container: removes `name` and returns the exit status, which is the error's number.
pub(crate) fn inside(name: &Path) -> i32 {
    let removed = Root::open(Path::new(PARENT)).and_then(|root| root.remove_all(&Path::new("/").join(name)));
    removed.map_or_else(|error| error.source.raw_os_error().unwrap_or(libc::EIO), |()| 0)
}

const PARENT: &str = "/parent";
