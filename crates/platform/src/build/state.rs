//! What a build leaves for the next one of the same image.
//!
//! ```text
//! <cache>/builds/<key>/
//!     lock                held by the build at work
//!     root/               what the phases see as their root
//!         layers/         the layers tree
//!         workspace/      the copy of the app (or where --workspace says)
//!     indexes/            a stat index for each layer, with its diffID and blob
//!     app/                the stat indexes of the app's copy
//!     cache/              an OCI layout: the layers that buildpacks want back
//!     about.json          which image that is, for people
//!     closed.json         directories of the root that deny their owner access, which are open between builds
//! ```
//!
//! All of it may be removed at any time; a build then starts from nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dhow_fs::{AtomicFile, ClosedDirectory, FileKind, Lock, LockError, LockMode, PathError, Root, sweep};
use dhow_oci::{Descriptor, DiffId, Digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::{IndexedEntry, StatIndex};
use crate::cache::{BUILD_LOCK, BUILDS, BuildAbout};

/// The state of one image's builds, locked for this one.
#[derive(Debug)]
pub(crate) struct BuildState {
    directory: PathBuf,
    is_left: AtomicBool,
    /// The closed directories of each tree that is as its index says, since a phase last could change the trees.
    seen: Mutex<BTreeMap<PathBuf, Vec<ClosedDirectory>>>,
    _lock: Lock,
}

/// What is known of a tree that is as its index says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownTree {
    /// The digest of the tree's tar.
    pub(crate) diff_id: DiffId,
    /// Its blob, if it was packed.
    pub(crate) blob: Option<Descriptor>,
    /// What else decides the tar: who owns the files.
    pub(crate) context: String,
    /// The directories above it, the outermost first, as the tar has them.
    pub(crate) parents: Vec<Parent>,
}

/// A directory above a tree: it is in the tree's tar, and not in its index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parent {
    /// The permission bits.
    pub(crate) mode: u32,
    /// The owner and the group in the container.
    pub(crate) owner: (u32, u32),
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A directory cannot be made or removed.
    #[error("cannot prepare the build's directory")]
    Path(#[from] PathError),
    /// The lock cannot be taken.
    #[error("cannot lock the build's directory")]
    Lock(#[from] LockError),
}

impl BuildState {
    /// Opens the state below `cache` for the builds of an image, making it if need be.
    ///
    /// Waits while another process builds the same image. What killed builds left there is removed.
    pub(crate) fn open(cache: &Path, about: &BuildAbout) -> Result<Self, StateError> {
        let identity = format!("{}\n{}\n{}", about.path.display(), about.tag, about.workspace.display());
        let builds = cache.join(BUILDS);
        let directory = builds.join(&Digest::of(identity.as_bytes()).hex()[..32]);
        let host = Root::host()?;
        host.create_directories(&builds, 0o700)?;
        sweep(&builds);
        let lock = lock(&host, &directory, &about.image)?;
        let state = Self { directory, is_left: AtomicBool::new(false), seen: Mutex::default(), _lock: lock };
        for path in [state.directory.clone(), state.index_directory(), state.app_directory()] {
            sweep(&path);
        }
        state.close_again();
        // Its change tells when it was last used.
        host.touch(&state.directory)?;
        about.note(&state.directory);
        // Where the caller is root, the buildpacks' user must get through to its mounts; for others 0700 would do.
        for path in [state.root_path(), state.index_directory(), state.app_directory()] {
            host.create_directories(&path, 0o755)?;
        }
        Ok(state)
    }

    /// Leaves the trees so that anybody who owns them can remove them, until the next build. Done by dropping, too.
    ///
    /// Trees that are as their indexes say are not looked through.
    pub(crate) fn leave(&self) {
        let seen = std::mem::take(&mut *self.seen());
        self.leave_but(&seen);
    }

    /// As [`BuildState::leave`]; in the trees of `seen` these are the closed directories.
    fn leave_but(&self, seen: &BTreeMap<PathBuf, Vec<ClosedDirectory>>) {
        if self.is_left.swap(true, Ordering::Relaxed) {
            return;
        }
        let closed = Root::open(&self.root_path()).and_then(|root| open_up(&root, seen)).unwrap_or_default();
        let closed: Vec<(&[u8], u32)> =
            closed.iter().map(|closed| (closed.path.as_os_str().as_bytes(), closed.mode)).collect();
        if !closed.is_empty() {
            let bytes = serde_json::to_vec(&closed).unwrap_or_default();
            // What is forgotten counts as changed, and is restored or copied again.
            let _noted = AtomicFile::replace_unsynced(&self.directory.join(CLOSED), &bytes, 0o600);
        }
    }

    /// Forgets which trees were as their indexes say, because a phase may have changed them.
    pub(crate) fn look_again(&self) {
        self.seen().clear();
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<ClosedDirectory>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_seen(&self, tree: &Path, index: &StatIndex) {
        let is_closed =
            |entry: &&IndexedEntry| entry.kind == FileKind::Directory && ClosedDirectory::is_mode_of_one(entry.mode);
        let closed = index.entries().iter().filter(is_closed);
        let closed = closed.map(|entry| ClosedDirectory { path: entry.path.clone(), mode: entry.mode }).collect();
        self.seen().insert(tree.to_owned(), closed);
    }

    /// Gives the trees the modes back that they had before [`BuildState::leave`].
    fn close_again(&self) {
        let path = self.directory.join(CLOSED);
        let Ok(host) = Root::host() else { return };
        let Ok(bytes) = host.read(&path, CLOSED_LIMIT) else { return };
        let closed: Vec<(Vec<u8>, u32)> = serde_json::from_slice(&bytes).unwrap_or_default();
        let closed: Vec<ClosedDirectory> = closed
            .into_iter()
            .map(|(path, mode)| ClosedDirectory { path: PathBuf::from(OsString::from_vec(path)), mode })
            .collect();
        if let Ok(root) = Root::open(&self.root_path()) {
            root.close_again(Path::new("/"), &closed);
        }
        let _removed = host.remove_file(&path);
    }

    /// Forgets everything that earlier builds left.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        let host = Root::host()?;
        for path in [self.root_path(), self.index_directory(), self.app_directory(), self.cache_layout()] {
            host.remove_all(&path)?;
        }
        for path in [self.root_path(), self.index_directory(), self.app_directory()] {
            host.create_directories(&path, 0o755)?;
        }
        Ok(())
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn root_path(&self) -> PathBuf {
        self.directory.join("root")
    }

    pub(crate) fn app_directory(&self) -> PathBuf {
        self.directory.join("app")
    }

    /// Where phases hand each other their files: group.toml, plan.toml, analyzed.toml, order.toml.
    pub(crate) fn control_directory(&self) -> PathBuf {
        self.directory.join("control")
    }

    /// What is mounted as the platform directory.
    pub(crate) fn platform_directory(&self) -> PathBuf {
        self.directory.join("platform")
    }

    pub(crate) fn cache_layout(&self) -> PathBuf {
        self.directory.join("cache")
    }

    fn index_directory(&self) -> PathBuf {
        self.directory.join("indexes")
    }

    fn index_path(&self, tree: &Path) -> PathBuf {
        self.index_directory().join(&Digest::of(tree.as_os_str().as_bytes()).hex()[..32])
    }

    /// Records what `tree` of `root` looks like now, and what is known of it.
    pub(crate) fn record(&self, root: &Root, tree: &Path, known: &impl Serialize) -> Result<(), PathError> {
        let index = StatIndex::record(root, tree)?;
        let path = self.index_path(tree);
        // An index that cannot be written costs the next build time, nothing else. The one before tells of what it was.
        if index.save(&path, known).is_err() {
            Root::host()?.remove_file(&path)?;
        }
        self.note_seen(tree, &index);
        Ok(())
    }

    /// Returns what is known of `tree` of `root`, if it is still as it was recorded.
    pub(crate) fn known<T: DeserializeOwned>(&self, root: &Root, tree: &Path) -> Option<T> {
        let (index, known) = StatIndex::load::<T>(&self.index_path(tree)).ok()??;
        let known = index.matches(root, tree).ok()?.then_some(known)?;
        self.note_seen(tree, &index);
        Some(known)
    }

    /// Returns what was recorded of `tree`, whatever has become of it.
    pub(crate) fn recorded<T: DeserializeOwned>(&self, tree: &Path) -> Option<T> {
        let (_index, known) = StatIndex::load::<T>(&self.index_path(tree)).ok()??;
        Some(known)
    }

    /// Keeps a value under a name of its own; like an index, it may be lost in a crash.
    pub(crate) fn save_value(&self, name: &str, value: &impl Serialize) -> Result<(), PathError> {
        let path = self.index_directory().join(name);
        AtomicFile::replace_unsynced(&path, &serde_json::to_vec(value).unwrap_or_default(), 0o600)
    }

    /// Returns a value that was kept.
    pub(crate) fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = Root::host().ok()?.read(&self.index_directory().join(name), VALUE_LIMIT).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Drop for BuildState {
    fn drop(&mut self) {
        self.leave_but(&BTreeMap::new());
    }
}

/// Locks the directory of a build, which may be pruned by another process until it is locked.
fn lock(host: &Root, directory: &Path, image: &str) -> Result<Lock, StateError> {
    let path = directory.join(BUILD_LOCK);
    loop {
        host.create_directories(directory, 0o700)?;
        let lock = match Lock::take_file(host, &path, LockMode::Exclusive, || format!("another build of {image}")) {
            Err(LockError::Path(error)) if error.is_not_found() => continue,
            other => other?,
        };
        let locked = lock.stat()?.identity();
        if host.metadata(&path).is_ok_and(|stat| stat.identity() == locked) {
            return Ok(lock);
        }
    }
}

/// Lets the owner into every directory of the trees, and returns those that were closed, parents first.
fn open_up(root: &Root, seen: &BTreeMap<PathBuf, Vec<ClosedDirectory>>) -> Result<Vec<ClosedDirectory>, PathError> {
    let top = Path::new("/");
    let mut closed = root.open_up(top, |path| seen.contains_key(&top.join(path)))?;
    for (tree, known) in seen {
        root.open_known(tree, known);
        let below = tree.strip_prefix(top).unwrap_or(tree);
        closed.extend(known.iter().map(|inner| ClosedDirectory { path: below.join(&inner.path), mode: inner.mode }));
    }
    Ok(closed)
}

/// Which directories were opened up, and the modes that they had.
const CLOSED: &str = "closed.json";
const CLOSED_LIMIT: u64 = 256 * 1024 * 1024;
const VALUE_LIMIT: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "/layers/x/one";

    struct Fixture {
        scratch: tempfile::TempDir,
        root: Root,
    }

    impl Fixture {
        /// The state of a build whose tree has a closed directory.
        fn new() -> (Self, BuildState) {
            let scratch = tempfile::tempdir().unwrap();
            let state = open(&scratch);
            let root = Root::open(&state.root_path()).unwrap();
            root.create_directories(&Path::new(TREE).join("closed/inner"), 0o755).unwrap();
            let fixture = Self { scratch, root };
            fixture.set("closed/inner", 0o555);
            fixture.set("closed", 0o500);
            (fixture, state)
        }

        fn set(&self, path: &str, mode: u32) {
            self.root.set_mode(&Path::new(TREE).join(path), mode).unwrap();
        }

        fn modes(&self) -> [u32; 2] {
            ["closed", "closed/inner"].map(|path| self.root.metadata(&Path::new(TREE).join(path)).unwrap().mode)
        }
    }

    fn open(scratch: &tempfile::TempDir) -> BuildState {
        let about = BuildAbout {
            image: "app".into(),
            path: "/app".into(),
            tag: "latest".into(),
            workspace: "/workspace".into(),
        };
        BuildState::open(scratch.path(), &about).unwrap()
    }

    #[test]
    fn between_builds_nothing_is_closed_and_the_next_build_finds_it_as_it_was() {
        let (fixture, state) = Fixture::new();
        state.record(&fixture.root, Path::new(TREE), &7).unwrap();
        state.leave();
        assert_eq!(fixture.modes(), [0o700, 0o755]);
        drop(state);
        let state = open(&fixture.scratch);
        assert_eq!(fixture.modes(), [0o500, 0o555]);
        assert_eq!(state.known::<i32>(&fixture.root, Path::new(TREE)), Some(7));
        state.leave();
        assert_eq!(fixture.modes(), [0o700, 0o755]);
        drop(state);
        drop(open(&fixture.scratch));
        assert_eq!(fixture.modes(), [0o700, 0o755], "a build that ends early leaves it so, too");
    }

    #[test]
    fn what_a_phase_may_have_closed_is_looked_for() {
        let (fixture, state) = Fixture::new();
        fixture.set("closed", 0o755);
        fixture.set("closed/inner", 0o755);
        state.record(&fixture.root, Path::new(TREE), &7).unwrap();
        fixture.set("closed", 0o500);
        state.look_again();
        state.leave();
        assert_eq!(fixture.modes(), [0o700, 0o755]);

        drop(state);
        let state = open(&fixture.scratch);
        state.record(&fixture.root, Path::new(TREE), &7).unwrap();
        fixture.set("closed/inner", 0o500);
        drop(state);
        assert_eq!(fixture.modes(), [0o700, 0o700], "a build that failed looks everywhere");
    }
}
