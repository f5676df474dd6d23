//! Copies of bills of materials from a confined root to a directory of this machine.

use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root, Step};

/// The largest file that is copied, in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;

/// The names that the buildpack specification gives to bills of materials (buildpack.md, "Software-Bill-of-Materials"), and
/// that of their older form.
const NAMES: [&str; 4] = ["sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json", "sbom.legacy.json"];

/// Copies the bills of materials below `directory` of `from` as [`copy_files`] does. Those that an earlier copy left below
/// `destination` are removed: they are of another image. All else there stays.
pub(crate) fn replace_sboms(
    from: &Root,
    directory: &Path,
    to: &Root,
    destination: &Path,
) -> Result<Vec<PathBuf>, PathError> {
    let mut old = Vec::new();
    if to.is_directory(destination) {
        for part in ["launch", "build"].map(|part| destination.join(part)) {
            if to.is_real_directory(&part) {
                old.extend(files_below(to, &part)?.into_iter().map(|file| part.join(file)));
            }
        }
    }
    old.retain(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| NAMES.contains(&name)));
    let written = copy_files(from, directory, to, destination)?;
    for file in old.iter().filter(|file| !written.contains(file)) {
        to.remove_file(file)?;
        // Directories that held nothing else go too; the first that holds something ends the way up.
        let above = file.ancestors().skip(1).take_while(|above| *above != destination);
        for directory in above {
            if to.remove_empty_directory(directory).is_err() {
                break;
            }
        }
    }
    Ok(written)
}

/// Copies the regular files below `directory` of `from`, with mode 0644, and returns their new paths, sorted.
///
/// Links are left out, so that nothing from outside of the tree gets in. No such directory is an empty one.
fn copy_files(from: &Root, directory: &Path, to: &Root, destination: &Path) -> Result<Vec<PathBuf>, PathError> {
    to.create_directories(destination, 0o755)?;
    if !from.is_directory(directory) {
        return Ok(Vec::new());
    }
    let files = files_below(from, directory)?;
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

/// Returns the paths of the regular files below `directory`, relative to it.
fn files_below(root: &Root, directory: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut files = Vec::new();
    root.walk(directory, |entry| {
        if entry.stat.kind == FileKind::File {
            files.push(entry.path.clone());
        }
        Ok::<_, PathError>(Step::Enter)
    })?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_copy_left_is_replaced_and_nothing_else_is_touched() {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (Root::open(source.path()).unwrap(), Root::open(target.path()).unwrap());
        let write = |root: &Root, path: &str| {
            let path = Path::new(path);
            root.create_directories(path.parent().unwrap(), 0o755).unwrap();
            root.write(path, b"{}", 0o644).unwrap();
        };
        let copy = || replace_sboms(&from, Path::new("/sbom"), &to, Path::new("/out")).unwrap();
        write(&from, "/sbom/launch/a/sbom.cdx.json");
        write(&from, "/sbom/build/a/layer/sbom.spdx.json");
        copy();
        for own in ["/out/launch/a/notes", "/out/sbom.cdx.json", "/out/launch/other.json", "/out/kept/sbom.cdx.json"] {
            write(&to, own);
        }
        from.remove_all(Path::new("/sbom")).unwrap();
        write(&from, "/sbom/launch/b/sbom.syft.json");
        assert_eq!(copy(), [Path::new("/out/launch/b/sbom.syft.json")]);
        let left: Vec<String> =
            files_below(&to, Path::new("/out")).unwrap().iter().map(|file| file.display().to_string()).collect();
        let expected =
            ["kept/sbom.cdx.json", "launch/a/notes", "launch/b/sbom.syft.json", "launch/other.json", "sbom.cdx.json"];
        assert_eq!(left, expected);
        assert!(!to.exists(Path::new("/out/build")));
    }
}
