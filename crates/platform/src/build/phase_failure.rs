//! Why a phase program in the sandbox failed, left in a file for this process, so that it is said once and in full.

use std::path::Path;

use dhow_fs::{PathError, Root};
pub use dhow_lifecycle::detect::FailedBuildpack;
use serde_json::{Value, json};

/// The variable by which a phase program is told to leave its failure in a file. Buildpacks do not get it.
pub const PHASE_FAILURE_VARIABLE: &str = "DHOW_PHASE_FAILURE";
/// The file's name, in a directory that the phase may write.
pub(super) const FILE: &str = "failure.json";
/// A buildpack could write the file, so it is not read without end.
const LIMIT: u64 = 64 * 1024;

/// Why a phase failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PhaseFailure {
    /// All of it, as the phase's program says it.
    pub reason: String,
    /// The buildpacks that failed.
    pub buildpacks: Vec<FailedBuildpack>,
}

impl PhaseFailure {
    /// Writes the file, in the sandbox.
    pub fn write(&self, path: &Path) -> Result<(), PathError> {
        let host = Root::host()?;
        if let Some(parent) = path.parent() {
            host.create_directories(parent, 0o755)?;
        }
        let buildpacks: Vec<Value> =
            self.buildpacks.iter().map(|failed| json!([failed.buildpack, failed.reason])).collect();
        let text = json!({ "reason": self.reason, "buildpacks": buildpacks }).to_string();
        host.remove_file(path)?;
        host.write(path, text.as_bytes(), 0o644)
    }

    /// Reads the file, if the phase left one.
    pub(super) fn read(root: &Root, path: &Path) -> Option<Self> {
        let value: Value = serde_json::from_slice(&root.read(path, LIMIT).ok()?).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let failed =
            |pair: &Value| Some(FailedBuildpack { buildpack: text(pair.get(0)?)?, reason: text(pair.get(1)?)? });
        let buildpacks = value.get("buildpacks")?.as_array()?.iter().filter_map(failed).collect();
        Some(Self { reason: text(value.get("reason")?)?, buildpacks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config").join(FILE);
        let failed = FailedBuildpack { buildpack: "a/b@1".to_owned(), reason: "exit status 3".to_owned() };
        let failure = PhaseFailure { reason: "failed to build".to_owned(), buildpacks: vec![failed] };
        failure.write(&path).unwrap();
        let root = Root::open(directory.path()).unwrap();
        assert_eq!(PhaseFailure::read(&root, Path::new("/config/failure.json")), Some(failure));
        assert_eq!(PhaseFailure::read(&root, Path::new("/none")), None);
    }
}
