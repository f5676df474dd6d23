//! Images that lie in the directory of an app: layouts, and archives of layouts.
//!
//! Whoever builds `oci:out` in the app's own directory would find each image in the next one, and everything twice.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{FileKind, Root, WalkEntry, Work};
use dhow_store::Archive;

/// Returns the paths of those among the entries of a source. Of files, only such are opened as have the size of a tar.
pub(super) fn among(source: &Root, entries: &[WalkEntry]) -> Vec<PathBuf> {
    let mut images: Vec<PathBuf> = entries.iter().filter_map(|entry| layout(source, entry)).collect();
    let archives: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| !images.iter().any(|layout| entry.path.starts_with(layout)) && is_archive(source, entry))
        .map(|entry| entry.path.clone())
        .collect();
    images.extend(archives);
    images.sort();
    images
}

/// Returns the layout that this is the marker of. The source itself is none: somebody named it.
fn layout(source: &Root, entry: &WalkEntry) -> Option<PathBuf> {
    let directory = entry.path.parent().filter(|directory| !directory.as_os_str().is_empty())?;
    let is_marker = entry.stat.kind == FileKind::File && entry.path.file_name()? == "oci-layout";
    (is_marker && source.is_file(&directory.join("index.json"))).then(|| directory.to_owned())
}

fn is_archive(source: &Root, entry: &WalkEntry) -> bool {
    let has_size_of_tar = entry.stat.size > 0 && entry.stat.size.is_multiple_of(BLOCK as u64);
    entry.stat.kind == FileKind::File
        && has_size_of_tar
        && begins_as_archive(source, &entry.path)
        && Archive::open(&source.host_path(&entry.path), &Arc::new(Work::default())).is_ok()
}

/// Looks at the first header alone: other tars may have millions.
fn begins_as_archive(source: &Root, path: &Path) -> bool {
    let mut header = [0; BLOCK];
    let read = source.open_file_nofollow(path).is_ok_and(|mut file| file.read_exact(&mut header).is_ok());
    let name = header.strip_prefix(b"./").unwrap_or(&header);
    read && MEMBERS.iter().any(|member| name.starts_with(member))
}

/// How long a header of a tar is.
const BLOCK: usize = 512;

/// What a layout has at its top.
const MEMBERS: [&[u8]; 3] = [b"blobs", b"index.json", b"oci-layout"];
