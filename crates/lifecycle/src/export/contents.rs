//! Contents of layers that no buildpack makes: launcher, links of processes, the app and its slices.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use dhow_cnb::launch::Process;
use dhow_cnb::{ProcessType, places};
use dhow_fs::{Operation, PathError, Root};
use dhow_layer::{Entry, EntryKind, FileSource, Owner};

use super::error::ExportError;
use super::slices::{AppFile, slice};
use super::{LauncherSource, SliceError};
use crate::content::{Content, ContentError, Packing};
use crate::go_error::words;

/// The largest launcher, in bytes.
const LAUNCHER_LIMIT: u64 = 256 * 1024 * 1024;

/// Returns the content of the launcher's layer.
pub(super) fn launcher(root: &Root, launcher: &LauncherSource<'_>) -> Result<Content, ExportError> {
    let source = match launcher {
        LauncherSource::Bytes(bytes) => FileSource::Bytes(Arc::clone(bytes)),
        LauncherSource::InRoot(path) => {
            // It may be a link, as all that a builder's image puts in place.
            let bytes = root.read(path, LAUNCHER_LIMIT).map_err(|error| ExportError::NoLauncher {
                path: path.display().to_string(),
                cause: words(&error.source),
            })?;
            FileSource::Bytes(bytes.into())
        }
    };
    let mut entries = directories(&[places::CNB, places::LIFECYCLE_DIRECTORY]);
    entries.push(Entry {
        path: places::LAUNCHER.into(),
        kind: EntryKind::File(source),
        mode: 0o755,
        owner: Owner::ROOT,
    });
    Ok(Content::Entries(entries.into()))
}

/// Returns the content of the layer whose links name the processes.
pub(super) fn process_types(processes: &[Process]) -> Result<Content, ExportError> {
    let mut entries = directories(&[places::CNB, places::PROCESS_DIRECTORY]);
    for process in processes {
        let process_type = ProcessType::new(process.process_type.as_str())?;
        let path = Path::new(places::PROCESS_DIRECTORY).join(process_type.as_str());
        entries.push(Entry::symlink(path, places::LAUNCHER, 0o755, Owner::ROOT));
    }
    Ok(Content::Entries(entries.into()))
}

fn directories(paths: &[&str]) -> Vec<Entry> {
    paths.iter().map(|path| Entry::directory(*path, 0o755, Owner::ROOT)).collect()
}

/// Why the app's layers cannot be listed.
#[derive(Debug)]
pub(super) enum AppError {
    Content(ContentError),
    Slice(SliceError),
}

/// Returns the contents of the app's layers: those of the slices, then that of the rest.
pub(super) fn app(packing: &Packing<'_>, app: &Path, slices: &[Vec<String>]) -> Result<Vec<Content>, AppError> {
    let listed = dhow_layer::directory_entries(packing.root, app, packing.owner);
    let entries = listed.map_err(|error| AppError::Content(error.into()))?;
    let app: std::path::PathBuf = app.components().collect();
    let parents = entries.iter().take_while(|entry| entry.path != app).count();
    let (parents, entries) = entries.split_at(parents);
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        let outside = || PathError::new(Operation::Inspect, &entry.path, std::io::ErrorKind::InvalidInput);
        let path = entry.path.strip_prefix(&app).map_err(|_| AppError::Content(outside().into()))?;
        files.push(AppFile { path, directory: entry.kind == EntryKind::Directory });
    }
    let groups = slice(&files, slices).map_err(AppError::Slice)?;
    let content = |positions: Vec<usize>| {
        let own = positions.into_iter().map(|position| entries[position].clone());
        // An empty slice has no parents either.
        let mut own: Vec<Entry> = own.collect();
        own.sort_by(|left, right| left.path.as_os_str().as_bytes().cmp(right.path.as_os_str().as_bytes()));
        let parents = if own.is_empty() { &[] } else { parents };
        Content::Entries(parents.iter().cloned().chain(own).collect())
    };
    Ok(groups.into_iter().map(content).collect())
}
