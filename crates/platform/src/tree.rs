//! Copies of small trees from a confined root to a directory of this machine.

use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root, Step};

/// The largest file that is copied, in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Copies the regular files below `directory` of `from`, with mode 0644, and returns their new paths, sorted.
///
/// Links are left out, so that nothing from outside of the tree gets in. No such directory is an empty one.
pub(crate) fn copy_files(
    from: &Root,
    directory: &Path,
    to: &Root,
    destination: &Path,
) -> Result<Vec<PathBuf>, PathError> {
    to.create_directories(destination, 0o755)?;
    let mut files = Vec::new();
    if !from.is_directory(directory) {
        return Ok(files);
    }
    from.walk(directory, |entry| {
        if entry.stat.kind == FileKind::File {
            files.push(entry.path.clone());
        }
        Ok::<_, PathError>(Step::Enter)
    })?;
    let mut written = Vec::with_capacity(files.len());
    for file in files {
        let bytes = from.read(&directory.join(&file), LIMIT)?;
        let target = destination.join(&file);
        if let Some(parent) = target.parent() {
            to.create_directories(parent, 0o755)?;
        }
        to.write(&target, &bytes, 0o644)?;
        written.push(target);
    }
    written.sort();
    Ok(written)
}
