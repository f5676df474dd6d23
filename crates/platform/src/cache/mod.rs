//! What dhow keeps below its cache directory, looked at and pruned.
//!
//! ```text
//! <cache>/builds/<key>/                          what a build leaves for the next one of the same image
//! <cache>/chains/<owners>/<algorithm>/<id>/      unpacked layers of images that containers run in
//! <cache>/parts/<key>                            where an image, whose layers are unpacked, lets its user write
//! <cache>/sizes.json                             how large each was when it was last looked at
//! ```
//!
//! All of it may be removed at any time: it is made again, which takes time. A running command holds a lock on what it
//! uses, and nothing that is locked is removed. What is removed is first renamed, so that nobody finds half of it.

mod about;
mod policy;
mod sizes;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dhow_fs::{Lock, LockError, LockMode, Operation, PathError, Root, Stat, TemporaryDirectory, sweep};

use crate::container::{PARTS, map_of_several_users};
pub use about::BuildAbout;
pub use policy::PrunePolicy;
use sizes::Sizes;

/// The directory of the builds, below the cache directory.
pub(crate) const BUILDS: &str = "builds";
/// What a build locks, below its own directory.
pub(crate) const BUILD_LOCK: &str = "lock";
/// The directories of unpacked layers, of this version and of those before.
const UNPACKED: [&str; 2] = ["chains", "layers"];

/// Something that is kept, and can be removed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub what: KeptKind,
    /// Its directory.
    pub path: PathBuf,
    /// The bytes that it takes of the disk.
    pub size: u64,
    /// When a command last used it.
    pub last_used: SystemTime,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptKind {
    /// What a build left, and of which image; `None` if that cannot be told any more.
    Build(Option<BuildAbout>),
    /// An unpacked layer, named by the digest of it and of those below it.
    Layer(String),
}

impl Kept {
    /// Returns where a layer is and when it was last used; `None` of something else.
    fn layer(&self) -> Option<(PathBuf, SystemTime)> {
        matches!(self.what, KeptKind::Layer(_)).then(|| (self.path.clone(), self.last_used))
    }
}

/// What a [`prune`] did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// What was removed, or would have been.
    pub removed: Vec<Kept>,
    /// What would have been removed, but a running command uses it.
    pub in_use: Vec<Kept>,
    /// What could not be removed, and why.
    pub failed: Vec<(Kept, PathError)>,
    /// The bytes that what is still kept takes.
    pub left: u64,
}

/// Whether a [`prune`] removes, or only tells what it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneMode {
    /// It removes.
    Remove,
    /// It tells.
    Tell,
}

/// Returns what is kept below `cache`, the last used first.
///
/// Of what was not used since it was last measured, the size is known; else each file is looked at.
pub fn list(cache: &Path) -> Result<Vec<Kept>, PathError> {
    let host = Root::host()?;
    let mut sizes = Sizes::load(cache);
    let mut kept = Vec::new();
    for path in directories(&host, &cache.join(BUILDS))? {
        let what = KeptKind::Build(BuildAbout::read(&path));
        kept.extend(look(&host, cache, path, what, &mut sizes));
    }
    for family in UNPACKED.iter().map(|name| cache.join(name)) {
        for path in grandchildren(&host, &family)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let algorithm = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
            kept.extend(look(&host, cache, path, KeptKind::Layer(format!("{algorithm}:{name}")), &mut sizes));
        }
    }
    kept.sort_by(|one, other| other.last_used.cmp(&one.last_used).then_with(|| one.path.cmp(&other.path)));
    sizes.save(cache);
    Ok(kept)
}

/// Removes what `policy` does not want kept below `cache`: what was not used for too long, and then, the longest unused
/// first, as much as it takes to stay below its size. What a running command uses stays.
pub fn prune(cache: &Path, policy: &PrunePolicy, mode: PruneMode) -> Result<Pruned, PathError> {
    let (kept, host) = (list(cache)?, Root::host()?);
    let mut pruned = Pruned { left: kept.iter().map(|kept| kept.size).sum(), ..Pruned::default() };
    let layers: Vec<(PathBuf, SystemTime)> = kept.iter().filter_map(Kept::layer).collect();
    for kept in kept.into_iter().rev() {
        if !policy.removes(&kept, pruned.left, SystemTime::now()) {
            continue;
        }
        match remove(&host, &kept, mode) {
            Ok(Outcome::Removed) => {
                pruned.left = pruned.left.saturating_sub(kept.size);
                pruned.removed.push(kept);
            }
            Ok(Outcome::InUse) => pruned.in_use.push(kept),
            Err(error) => pruned.failed.push((kept, error)),
        }
    }
    if mode == PruneMode::Remove {
        let left = layers.iter().filter(|(path, _)| host.exists(path));
        remove_parts(&host, cache, left.map(|(_, last_used)| *last_used).min());
    }
    Ok(pruned)
}

/// Removes what was last used before any layer that is still kept: the image of which it was found has no layers here.
///
/// It is small, and found again. So nobody is told, also not of what cannot be removed.
fn remove_parts(host: &Root, cache: &Path, oldest_layer: Option<SystemTime>) {
    let directory = cache.join(PARTS);
    sweep(&directory);
    for entry in host.read_directory(&directory).unwrap_or_default() {
        let path = directory.join(&entry.name);
        let is_left = |stat: Stat| oldest_layer.is_none_or(|oldest| last_used(&stat) < oldest);
        if !dhow_fs::is_unfinished(&entry.name) && host.symlink_metadata(&path).is_ok_and(is_left) {
            let _found_again = host.remove_all(&path);
        }
    }
}

enum Outcome {
    Removed,
    InUse,
}

fn remove(host: &Root, kept: &Kept, mode: PruneMode) -> Result<Outcome, PathError> {
    let parent = kept.path.parent().unwrap_or(Path::new("/"));
    let locked = match kept.what {
        KeptKind::Build(_) => kept.path.join(BUILD_LOCK),
        KeptKind::Layer(_) => kept.path.clone(),
    };
    // Held until it is gone. Whoever waits for it finds then that it is of nothing any more.
    let _lock = match Lock::attempt(host, &locked, LockMode::Exclusive) {
        Ok(lock) => Some(lock),
        Err(LockError::Held(_)) => return Ok(Outcome::InUse),
        // A build that was killed before it made its lock.
        Err(LockError::Path(error)) if error.is_not_found() => None,
        Err(LockError::Path(error)) => return Err(error),
    };
    if mode == PruneMode::Tell {
        return Ok(Outcome::Removed);
    }
    sweep(parent);
    let aside = TemporaryDirectory::create_in(parent)?;
    match host.rename(&kept.path, &aside.path().join("pruned")) {
        // A directory is moved only by whoever may write it.
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => remove_all(host, &kept.path)?,
        other => other?,
    }
    remove_all(host, aside.path())?;
    Ok(Outcome::Removed)
}

/// Removes a tree, of which subordinate ids of the caller may own a part.
fn remove_all(host: &Root, path: &Path) -> Result<(), PathError> {
    match host.remove_all(path) {
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => {
            let Some(map) = map_of_several_users() else { return Err(error) };
            dhow_sandbox::remove_tree(path, &map)
                .map_err(|source| PathError::new(Operation::Remove, path, std::io::Error::other(source)))
        }
        other => other,
    }
}

/// Returns what is at `path`; `None` if it is gone meanwhile.
fn look(host: &Root, cache: &Path, path: PathBuf, what: KeptKind, sizes: &mut Sizes) -> Option<Kept> {
    let stat = host.symlink_metadata(&path).ok()?;
    let size = sizes.of(cache, &path, stat.ctime_ns);
    Some(Kept { what, path, size, last_used: last_used(&stat) })
}

/// Returns when something was last used. Whoever uses it touches it, and no program can set that time.
fn last_used(stat: &Stat) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(stat.ctime_ns).unwrap_or(0))
}

fn grandchildren(host: &Root, directory: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut found = Vec::new();
    for owners in directories(host, directory)? {
        for algorithm in directories(host, &owners)? {
            found.extend(directories(host, &algorithm)?);
        }
    }
    Ok(found)
}

/// Returns the finished directories in a directory, which need not be there.
fn directories(host: &Root, directory: &Path) -> Result<Vec<PathBuf>, PathError> {
    let entries = match host.read_directory(directory) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let finished = entries.into_iter().filter(|entry| !dhow_fs::is_unfinished(&entry.name));
    let paths = finished.map(|entry| directory.join(entry.name));
    Ok(paths.filter(|path| host.is_real_directory(path)).collect())
}

#[cfg(test)]
mod tests;
