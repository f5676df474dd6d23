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
//! ```
//!
//! All of it may be removed at any time; a build then starts from nothing.

use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, Lock, LockError, LockMode, PathError, Root};
use dhow_oci::{Descriptor, DiffId, Digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::StatIndex;

/// The state of one image's builds, locked for this one.
#[derive(Debug)]
pub(crate) struct BuildState {
    directory: PathBuf,
    _lock: Lock,
}

/// What is known of a tree that is as its index says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownTree {
    /// The digest of the tree's tar.
    pub(crate) diff_id: DiffId,
    /// Its blob, if it was packed.
    pub(crate) blob: Option<Descriptor>,
    /// What else decides the tar: who owns the files, where they are.
    pub(crate) context: String,
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
    /// Opens the state below `cache` for the image that `identity` names, making it if need be.
    ///
    /// Waits while another process builds the same image, which people call `name`.
    pub(crate) fn open(cache: &Path, identity: &str, name: &str) -> Result<Self, StateError> {
        let key = Digest::of(identity.as_bytes());
        let directory = cache.join("builds").join(&key.hex()[..32]);
        let host = Root::host()?;
        host.create_directories(&directory, 0o700)?;
        let lock = Lock::take_file(&host, &directory.join("lock"), LockMode::Exclusive, || {
            format!("another build of {name}")
        })?;
        let state = Self { directory, _lock: lock };
        // Where the caller is root, the buildpacks' user must get through to its mounts; for others 0700 would do.
        for path in [state.root_path(), state.index_directory(), state.app_directory()] {
            host.create_directories(&path, 0o755)?;
        }
        Ok(state)
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
        use std::os::unix::ffi::OsStrExt;
        self.index_directory().join(&Digest::of(tree.as_os_str().as_bytes()).hex()[..32])
    }

    /// Records what `tree` of `root` looks like now, and what is known of it.
    pub(crate) fn record(&self, root: &Root, tree: &Path, known: &impl Serialize) -> Result<(), PathError> {
        let index = StatIndex::record(root, tree)?;
        let path = self.index_path(tree);
        // An index that cannot be written costs the next build time, nothing else.
        if index.save(&path, known).is_err() {
            Root::host()?.remove_file(&path)?;
        }
        Ok(())
    }

    /// Returns what is known of `tree` of `root`, if it is still as it was recorded.
    pub(crate) fn known<T: DeserializeOwned>(&self, root: &Root, tree: &Path) -> Option<T> {
        let (index, known) = StatIndex::load::<T>(&self.index_path(tree)).ok()??;
        index.matches(root, tree).ok()?.then_some(known)
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

const VALUE_LIMIT: u64 = 1024 * 1024;
