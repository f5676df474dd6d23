//! The sizes of what is kept, remembered, because to measure means to look at every file.

use std::collections::BTreeMap;
use std::path::Path;

use dhow_fs::{AtomicFile, Root, disk_usage, sweep};
use serde::{Deserialize, Serialize};

const FILE: &str = "sizes.json";
const LIMIT: u64 = 16 * 1024 * 1024;

/// The sizes of directories below the cache directory.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    before: BTreeMap<String, Measured>,
    now: BTreeMap<String, Measured>,
}

/// How large a directory was, and when it was last used then.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    used_ns: i64,
    size: u64,
}

impl Sizes {
    /// Reads what was measured before. What cannot be read is measured again.
    pub(super) fn load(cache: &Path) -> Self {
        let bytes = Root::host().and_then(|host| host.read(&cache.join(FILE), LIMIT)).unwrap_or_default();
        Self { before: serde_json::from_slice(&bytes).unwrap_or_default(), now: BTreeMap::new() }
    }

    /// Returns the size of a directory that was last used at `used_ns`.
    pub(super) fn of(&mut self, cache: &Path, path: &Path, used_ns: i128) -> u64 {
        let key = path.strip_prefix(cache).unwrap_or(path).to_string_lossy().into_owned();
        let used_ns = i64::try_from(used_ns).unwrap_or(i64::MAX);
        let known = self.before.get(&key).filter(|known| known.used_ns == used_ns);
        let measured = known.copied().unwrap_or_else(|| Measured { used_ns, size: disk_usage(path, &|| true) });
        self.now.insert(key, measured);
        measured.size
    }

    /// Writes what is known now. What cannot be written is measured again.
    pub(super) fn save(self, cache: &Path) {
        if self.now != self.before {
            let bytes = serde_json::to_vec(&self.now).unwrap_or_default();
            sweep(cache);
            let _saved = AtomicFile::replace_unsynced(&cache.join(FILE), &bytes, 0o600);
        }
    }
}
