//! A layers tree of an earlier build: only what this build starts from stays.
//!
//! Of its top, `config` is the lifecycle's own, and so is `sbom`, where the analyzer has put what it restored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dhow_fs::PathError;
use dhow_oci::DiffId;

use super::decide::{Data, Decision};
use super::{KeptTree, RestoreInput};

/// Directories that are the lifecycle's own.
const LIFECYCLES: [&str; 2] = ["config", "sbom"];

/// Removes what is below the layers directory. Two things stay: the lifecycle's own directories, and the directories of
/// layers that are to be restored and are intact.
pub(super) fn keep_only_intact(
    input: &RestoreInput<'_>,
    tree: &dyn KeptTree,
    decisions: &[Decision<'_>],
) -> Result<(), PathError> {
    let mut intact: BTreeSet<PathBuf> = BTreeSet::new();
    for decision in decisions {
        let directory = input.layers.join(decision.buildpack.id.escaped());
        for layer in decision.layers.iter().filter(|layer| layer.data == Data::Restore) {
            let path = directory.join(layer.name.as_str());
            let diff_id = layer.metadata.sha.parse::<DiffId>();
            if diff_id.is_ok_and(|diff_id| tree.intact(&path, &diff_id)) {
                intact.insert(path);
            }
        }
    }
    for buildpack in entries(input, input.layers)? {
        // A link or a file in the place of a directory would stop the next build, and all after it.
        if !input.root.is_real_directory(&buildpack) {
            input.root.remove_all(&buildpack)?;
            continue;
        }
        if LIFECYCLES.iter().any(|name| buildpack.ends_with(name)) {
            continue;
        }
        if !intact.iter().any(|path| path.starts_with(&buildpack)) {
            input.root.remove_all(&buildpack)?;
            continue;
        }
        for layer in entries(input, &buildpack)? {
            if !intact.contains(&layer) {
                input.root.remove_all(&layer)?;
            }
        }
    }
    Ok(())
}

fn entries(input: &RestoreInput<'_>, directory: &Path) -> Result<Vec<PathBuf>, PathError> {
    match input.root.read_directory(directory) {
        Ok(entries) => Ok(entries.into_iter().map(|entry| directory.join(entry.name)).collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
