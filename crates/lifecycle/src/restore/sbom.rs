//! SBOM files, from where the lifecycle keeps them to where buildpacks look for them.

use std::path::{Path, PathBuf};

use dhow_fs::FileKind;
use dhow_oci::DiffId;

use super::{RestoreError, RestoreInput, chain};
use crate::extract::{Destination, ExtractError, extract};
use crate::{Level, Log};

/// The largest SBOM file that is restored.
const SBOM_LIMIT: u64 = 1024 * 1024 * 1024;

/// Unpacks the cached SBOM files; a layer that is missing or damaged is left out with a warning.
pub(super) fn extract_cached(input: &RestoreInput<'_>, sha: &str, log: &dyn Log) -> Result<(), RestoreError> {
    let Some(cache) = input.cache else { return Ok(()) };
    let skip = |error: &dyn std::error::Error| {
        log.log(Level::Warn, &format!("Skipping restore for SBOM: {error}"));
        Ok(())
    };
    let Ok(diff_id) = sha.parse::<DiffId>() else {
        log.log(Level::Warn, &format!("Skipping restore for SBOM: failed to find cache layer with SHA '{sha}'"));
        return Ok(());
    };
    let directory = input.layers.join("sbom/cache");
    if let Some(kept) = input.kept {
        if kept.intact(&directory, &diff_id) {
            return Ok(());
        }
        input.root.remove_all(&directory)?;
    }
    let cached = match cache.open(&diff_id) {
        Ok(cached) => cached,
        Err(error) => return skip(&error),
    };
    let destination = Destination { root: input.root, layers: input.layers, directory: &directory };
    let extracted = extract(cached.reader, &cached.media_type, &diff_id, &destination, input.work);
    match (extracted, cache.verify(&diff_id)) {
        (Ok(()), _) => Ok(()),
        (Err(_), Err(damage)) => skip(&damage),
        (Err(error @ ExtractError::OtherDirectory { .. }), Ok(())) => skip(&error),
        (Err(error), Ok(())) if input.kept.is_some() => {
            log.log(Level::Warn, &format!("Skipping restore for SBOM: {}", chain(&error)));
            Ok(())
        }
        (Err(error), Ok(())) => Err(RestoreError::Sbom(error)),
    }
}

/// Copies `sbom/{cache,launch}/<buildpack>/<layer>/sbom.*.json` beside the layers, then removes `sbom`, unless whoever
/// keeps the tree looks after it.
///
/// Launch wins over cache. A file that is too large is left out with a warning. Files of buildpacks that are not in the group, or have no directory, are left out.
pub(super) fn restore_to_buildpacks(input: &RestoreInput<'_>, log: &dyn Log) -> Result<(), RestoreError> {
    let sbom = input.layers.join("sbom");
    for kind in ["cache", "launch"] {
        for buildpack in input.buildpacks {
            let destination = input.layers.join(buildpack.id.escaped());
            let directory = sbom.join(kind).join(buildpack.id.escaped());
            if !input.root.is_directory(&destination) {
                continue;
            }
            for layer in children(input, &directory, FileKind::Directory)? {
                for file in children(input, &layer, FileKind::File)? {
                    copy(input, &layer, &file, &destination, log)?;
                }
            }
        }
    }
    if input.kept.is_some() {
        return Ok(());
    }
    Ok(input.root.remove_all(&sbom)?)
}

fn copy(
    input: &RestoreInput<'_>,
    layer: &Path,
    file: &Path,
    destination: &Path,
    log: &dyn Log,
) -> Result<(), RestoreError> {
    let (Some(layer), Some(name)) = (layer.file_name(), file.file_name()) else { return Ok(()) };
    let is_sbom = name.to_str().is_some_and(|name| name.starts_with("sbom") && name.ends_with("json"));
    if !is_sbom {
        return Ok(());
    }
    let mut target = layer.to_owned();
    target.push(".");
    target.push(name);
    let target = destination.join(target);
    if input.root.symlink_metadata(file)?.size > SBOM_LIMIT {
        let name = file.display();
        log.log(Level::Warn, &format!("Skipping restore for SBOM: {name} has more than {SBOM_LIMIT} bytes"));
        return Ok(());
    }
    let bytes = input.root.read(file, SBOM_LIMIT)?;
    // A link that was left there would lead the write elsewhere.
    input.root.remove_file(&target)?;
    input.root.write(&target, &bytes, 0o644)?;
    Ok(input.root.set_mode(&target, 0o644)?)
}

fn children(input: &RestoreInput<'_>, directory: &Path, kind: FileKind) -> Result<Vec<PathBuf>, RestoreError> {
    let entries = match input.root.read_directory(directory) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let paths = entries.into_iter().map(|entry| directory.join(entry.name));
    Ok(paths.filter(|path| input.root.symlink_metadata(path).is_ok_and(|stat| stat.kind == kind)).collect())
}
