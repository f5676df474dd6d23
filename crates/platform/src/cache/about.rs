//! Of which image a kept build is.

use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, Root};
use serde::{Deserialize, Serialize};

const FILE: &str = "about.json";
const LIMIT: u64 = 1024 * 1024;

/// The image that a build is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildAbout {
    /// The image, as it was named.
    pub image: String,
    /// The layout or archive that it is in.
    pub path: PathBuf,
    /// Its tag there.
    pub tag: String,
    /// Where the app is in the container.
    pub workspace: PathBuf,
}

impl BuildAbout {
    /// Reads what is noted in the directory of a build.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let bytes = Root::host().ok()?.read(&directory.join(FILE), LIMIT).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Notes it in the directory of a build, unless it is noted. What cannot be noted is missed by people alone.
    pub(crate) fn note(&self, directory: &Path) {
        if Self::read(directory).as_ref() == Some(self) {
            return;
        }
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let _noted = AtomicFile::replace_unsynced(&directory.join(FILE), &bytes, 0o600);
    }
}
