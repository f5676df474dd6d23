//! Recognising a layout, and making an empty one.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, FileKind, LockMode, Operation, PathError, Root, is_unfinished, make_directories};
use dhow_oci::{Document, Index, go_json};
use serde::{Deserialize, Serialize};

use super::{LayoutError, found, instant, is_json, session};
use crate::staging::{DIRECTORY_MODE, FILE_MODE, ensure_blob_directory};

/// The only version there is.
pub(super) const VERSION: &str = "1.0.0";
const LAYOUT_FILE_LIMIT: u64 = 4096;

/// The content of `oci-layout`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Opens the directory of a layout.
pub(super) fn open_root(path: &Path) -> Result<Root, LayoutError> {
    let stat = found(Root::host()?.metadata(path))?;
    match stat.map(|stat| stat.kind) {
        None => Err(LayoutError::Missing(path.to_owned())),
        Some(FileKind::Directory) => Ok(Root::open(path)?),
        Some(FileKind::File) => not_a_layout(path, "a file is there; an archive is named `oci-archive:`".to_owned()),
        Some(other) => not_a_layout(path, format!("a {other:?} is there")),
    }
}

/// Checks that `root` is a layout of the known version, whose blob directories do not lead elsewhere. In an empty
/// directory there is none.
pub(super) fn require_layout(root: &Root, path: &Path) -> Result<(), LayoutError> {
    let Some(version) = version(root, path)? else {
        let held = held(root)?;
        // A place that somebody has made for a layout, such as a mount point, holds none yet.
        if held.is_empty() {
            return Err(LayoutError::Missing(path.to_owned()));
        }
        return not_a_layout(path, format!("it has no `oci-layout` file; it holds {held}"));
    };
    if version != VERSION {
        return Err(LayoutError::Version { path: path.to_owned(), found: version });
    }
    for directory in ["/blobs", "/blobs/sha256", "/blobs/sha512"] {
        match found(root.symlink_metadata(Path::new(directory)))?.map(|stat| stat.kind) {
            None | Some(FileKind::Directory) => {}
            Some(other) => return not_a_layout(path, format!("its `{}` is a {other:?}", &directory[1..])),
        }
    }
    require_index(root, path)
}

/// Fails if there is no `index.json`, now and for as long as another tool takes to replace it.
fn require_index(root: &Root, path: &Path) -> Result<(), LayoutError> {
    let mut pauses = instant::pauses();
    while found(root.symlink_metadata(Path::new("/index.json")))?.is_none() {
        if pauses.next().is_none() {
            return Err(LayoutError::NoIndex { path: path.to_owned(), blobs: count_blobs(root)? });
        }
    }
    Ok(())
}

/// Returns how many files are in the blob directories, whatever their names are.
pub(super) fn count_blobs(root: &Root) -> Result<usize, LayoutError> {
    let blobs = Path::new("/blobs");
    let mut count = 0;
    for directory in found(root.read_directory(blobs))?.unwrap_or_default() {
        count += found(root.read_directory(&blobs.join(&directory.name)))?.map_or(0, |files| files.len());
    }
    Ok(count)
}

/// What was made for a layout.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The directories, topmost first.
    pub(super) directories: Vec<PathBuf>,
    /// Whether the directory became a layout; under its lock, so by nobody else.
    pub(super) layout: bool,
}

/// Makes `path` a layout unless it is one, with the directories above it, and durably; returns what it made.
///
/// Before the directory becomes a layout, `before` is called with it and the number of directories made.
///
/// Refuses a directory that holds something else, and a layout that has blobs and no `index.json`: an empty one in its
/// place would give all of its images up.
pub(super) fn ensure_layout(
    path: &Path,
    before: impl FnOnce(&Root, usize) -> Result<(), LayoutError>,
) -> Result<Made, LayoutError> {
    let (host, mut made) = (Root::host()?, Made::default());
    if found(host.metadata(path))?.is_none() {
        made.directories = make_directories(path, DIRECTORY_MODE)?;
        host.set_mode(path, DIRECTORY_MODE)?;
    }
    let root = open_root(path)?;
    if is_complete(&root) {
        return Ok(made);
    }
    let _lock = session::lock(&root, LockMode::Exclusive)?;
    if version(&root, path)?.is_none() {
        let held = held(&root)?;
        if !held.is_empty() {
            return not_a_layout(path, format!("it has no `oci-layout` file; it holds {held}"));
        }
        before(&root, made.directories.len())?;
        AtomicFile::replace_at(&root, Path::new("/oci-layout"), &marker(), FILE_MODE)?;
        made.layout = true;
    }
    ensure_blob_directory(&root, "sha256")?;
    if count_blobs(&root)? > 0 {
        require_index(&root, path)?;
    }
    make_index(&root)?;
    Ok(made)
}

/// Makes an empty `index.json` where none is.
fn make_index(root: &Root) -> Result<(), PathError> {
    let path = Path::new("/index.json");
    if root.symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let mut file = AtomicFile::create_at(root, path, FILE_MODE)?;
    let fail = |source| PathError::new(Operation::Write, root.host_path(path), source);
    file.write_all(Document::of(Index::default()).bytes()).map_err(fail)?;
    match file.commit_new() {
        // Another tool, which takes no lock, has made one.
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn is_complete(root: &Root) -> bool {
    ["/oci-layout", "/index.json", "/blobs/sha256"].iter().all(|path| root.exists(Path::new(path)))
}

/// Returns the version that `oci-layout` states; `None` without that file. Text that is no JSON is its own version, once
/// it has stayed so for longer than another tool takes to write the file.
pub(super) fn version(root: &Root, path: &Path) -> Result<Option<String>, LayoutError> {
    let mut pauses = instant::pauses();
    loop {
        let bytes = match root.read(Path::new("/oci-layout"), LAYOUT_FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if is_json(&bytes) || pauses.next().is_none() {
            return Ok(Some(stated_version(&bytes, path)?));
        }
    }
}

/// Returns the version that the bytes of an `oci-layout` file state.
pub(crate) fn stated_version(bytes: &[u8], path: &Path) -> Result<String, LayoutError> {
    let malformed = || LayoutError::Version {
        path: path.to_owned(),
        found: String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned(),
    };
    let marker: Marker = serde_json::from_slice(bytes).map_err(|_| malformed())?;
    Ok(marker.image_layout_version)
}

/// Checks the bytes of an `oci-layout` file.
pub(crate) fn require_version(bytes: &[u8], path: &Path) -> Result<(), LayoutError> {
    match stated_version(bytes, path)? {
        version if version == VERSION => Ok(()),
        found => Err(LayoutError::Version { path: path.to_owned(), found }),
    }
}

/// Returns the bytes of an `oci-layout` file.
pub(crate) fn marker() -> Vec<u8> {
    go_json::to_vec(&Marker { image_layout_version: VERSION.to_owned() })
}

/// Tells whether a directory holds anything that is no part of a layout.
pub(super) fn is_foreign(root: &Root) -> Result<bool, LayoutError> {
    let is_own =
        |name: &OsStr| ["blobs", "index.json", "oci-layout"].iter().any(|own| name == *own) || is_unfinished(name);
    Ok(root.read_directory(Path::new("/"))?.iter().any(|entry| !is_own(&entry.name)))
}

/// Names the first few entries of a directory, for a message; empty if nothing but unfinished files is there.
fn held(root: &Root) -> Result<String, LayoutError> {
    let entries = root.read_directory(Path::new("/"))?;
    let names: Vec<String> = entries
        .iter()
        .filter(|entry| !is_unfinished(&entry.name))
        .map(|entry| format!("`{}`", PathBuf::from(&entry.name).display()))
        .collect();
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Ok(if names.len() > 5 { format!("{shown} and {} more", names.len() - 5) } else { shown })
}

fn not_a_layout<T>(path: &Path, found: String) -> Result<T, LayoutError> {
    Err(LayoutError::NotALayout { path: path.to_owned(), found })
}
