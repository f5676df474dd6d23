//! The files that every build makes anew: `config/metadata.toml` and the SBOM files.
//!
//! Most builds make them as they were. So the ones before are set aside while the buildpacks run, out of their reach, and
//! those that came out the same take their place again: a stat index of them then still matches, and their layers are
//! known without being hashed.

use std::path::Path;

use dhow_cnb::places;
use dhow_fs::{FileKind, PathError, Root, Step, WalkEntry};

/// Where the files wait, beside the layers directory; no sandbox shows it.
const ASIDE: &str = "/.before";
/// What is set aside, below the layers directory.
const TOPS: [&str; 2] = ["config", "sbom"];
/// What becomes a layer of its own, and takes its place again as a whole.
const TREES: [&str; 3] = ["config", "sbom/launch", "sbom/cache"];
/// Larger files are taken for changed: comparing them would cost what hashing does.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Makes the places of the lifecycle in the layers directory usable, whatever a buildpack of the last build made of them.
///
/// The directory of each buildpack gets the mode of a new one: the tars of its layers have it, so a buildpack that once
/// closed it would have done so for ever.
pub(super) fn make_way(root: &Root) -> Result<(), PathError> {
    let layers = Path::new(places::LAYERS);
    for path in std::iter::once(layers.to_owned()).chain(TOPS.map(|top| layers.join(top))) {
        if !root.is_real_directory(&path) {
            root.remove_all(&path)?;
        } else if root.symlink_metadata(&path)?.mode & 0o700 != 0o700 {
            root.set_mode(&path, 0o755)?;
        }
    }
    if !root.is_real_directory(layers) {
        return Ok(());
    }
    for entry in root.read_directory(layers)? {
        let path = layers.join(&entry.name);
        let is_own = TOPS.iter().any(|top| entry.name == *top);
        if !is_own && root.is_real_directory(&path) {
            root.set_mode(&path, 0o755)?;
        }
    }
    Ok(())
}

/// Moves what the last build generated out of the way of this one.
pub(super) fn set_aside(root: &Root) -> Result<(), PathError> {
    root.remove_all(Path::new(ASIDE))?;
    root.create_directory(Path::new(ASIDE), 0o755)?;
    for top in TOPS {
        let path = Path::new(places::LAYERS).join(top);
        if root.is_real_directory(&path) {
            root.rename(&path, &Path::new(ASIDE).join(top))?;
        } else {
            root.remove_all(&path)?;
        }
    }
    Ok(())
}

/// Puts what was set aside in the place of what came out the same. No process of the build may run any more.
pub(super) fn settle(root: &Root) -> Result<(), PathError> {
    for tree in TREES {
        let (new, old) = (Path::new(places::LAYERS).join(tree), Path::new(ASIDE).join(tree));
        // A buildpack may have left a link in the way, which must lead nowhere.
        let is_reached = new
            .ancestors()
            .take_while(|path| *path != Path::new(places::LAYERS))
            .all(|path| root.is_real_directory(path));
        // A tree that cannot be looked through is not the same.
        if is_reached && root.is_real_directory(&old) && are_same(root, &new, &old).unwrap_or(false) {
            root.remove_all(&new)?;
            root.rename(&old, &new)?;
        }
    }
    root.remove_all(Path::new(ASIDE))
}

/// Tells whether two trees make the same tar.
fn are_same(root: &Root, left: &Path, right: &Path) -> Result<bool, PathError> {
    let (left_entries, right_entries) = (entries(root, left)?, entries(root, right)?);
    if left_entries.len() != right_entries.len() {
        return Ok(false);
    }
    for (one, other) in left_entries.iter().zip(&right_entries) {
        if !are_alike(one, other) {
            return Ok(false);
        }
        if one.stat.kind == FileKind::File
            && !have_same_bytes(root, one.stat.size, &left.join(&one.path), &right.join(&one.path))?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entries(root: &Root, directory: &Path) -> Result<Vec<WalkEntry>, PathError> {
    let mut entries = Vec::new();
    root.walk(directory, |entry| {
        entries.push(entry.clone());
        Ok::<_, PathError>(Step::Enter)
    })?;
    Ok(entries)
}

fn are_alike(one: &WalkEntry, other: &WalkEntry) -> bool {
    let size = |entry: &WalkEntry| (entry.stat.kind == FileKind::File).then_some(entry.stat.size);
    let access = |entry: &WalkEntry| (entry.stat.mode, entry.stat.uid, entry.stat.gid);
    one.path == other.path
        && one.stat.kind == other.stat.kind
        && access(one) == access(other)
        && size(one) == size(other)
        && one.target == other.target
}

fn have_same_bytes(root: &Root, size: u64, left: &Path, right: &Path) -> Result<bool, PathError> {
    if size > LIMIT {
        return Ok(false);
    }
    Ok(root.read(left, LIMIT)? == root.read(right, LIMIT)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "/layers/config/metadata.toml";

    fn scratch() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directories(Path::new("/layers"), 0o755).unwrap();
        generate(&root, "same");
        (directory, root)
    }

    fn generate(root: &Root, text: &str) {
        for path in [METADATA, "/layers/sbom/launch/x/sbom.cdx.json", "/layers/sbom/build/sbom.legacy.json"] {
            let path = Path::new(path);
            root.create_directories(path.parent().unwrap(), 0o755).unwrap();
            root.write(path, text.as_bytes(), 0o644).unwrap();
        }
    }

    fn inode(root: &Root, path: &str) -> u64 {
        root.symlink_metadata(Path::new(path)).unwrap().inode
    }

    #[test]
    fn a_buildpack_finds_its_directory_as_a_new_one_is() {
        for mode in [0o711, 0o700, 0o000, 0o2777] {
            let (_directory, root) = scratch();
            root.create_directories(Path::new("/layers/x_bp/one"), 0o711).unwrap();
            root.symlink(Path::new("x_bp/one"), Path::new("/layers/link")).unwrap();
            root.set_mode(Path::new("/layers/x_bp/one"), 0o711).unwrap();
            root.set_mode(Path::new("/layers/x_bp"), mode).unwrap();
            make_way(&root).unwrap();
            let found = |path: &str| root.metadata(Path::new(path)).unwrap().mode;
            assert_eq!((found("/layers/x_bp"), found("/layers/x_bp/one")), (0o755, 0o711), "{mode:o}");
        }
    }

    #[test]
    fn what_came_out_the_same_is_the_very_same_file() {
        let (_directory, root) = scratch();
        let before = inode(&root, METADATA);
        set_aside(&root).unwrap();
        assert!(!root.exists(Path::new("/layers/config")) && !root.exists(Path::new("/layers/sbom")));
        generate(&root, "same");
        settle(&root).unwrap();
        assert_eq!(inode(&root, METADATA), before);
        assert!(root.is_file(Path::new("/layers/sbom/build/sbom.legacy.json")));
        assert!(!root.exists(Path::new(ASIDE)));
    }

    #[test]
    fn what_changed_is_what_the_build_made() {
        let (_directory, root) = scratch();
        set_aside(&root).unwrap();
        generate(&root, "more");
        root.write(Path::new("/layers/config/stray"), b"", 0o644).unwrap();
        settle(&root).unwrap();
        assert_eq!(root.read(Path::new(METADATA), 10).unwrap(), b"more");
        assert!(root.is_file(Path::new("/layers/config/stray")));
        assert!(!root.exists(Path::new(ASIDE)));
    }

    #[test]
    fn what_a_build_makes_no_more_does_not_come_back() {
        let (_directory, root) = scratch();
        root.write(Path::new("/layers/config/stray"), b"", 0o644).unwrap();
        set_aside(&root).unwrap();
        generate(&root, "same");
        settle(&root).unwrap();
        assert!(!root.exists(Path::new("/layers/config/stray")));
    }

    #[test]
    fn a_link_in_place_of_a_directory_is_not_followed() {
        let (_directory, root) = scratch();
        set_aside(&root).unwrap();
        generate(&root, "same");
        root.remove_all(Path::new("/layers/sbom")).unwrap();
        root.symlink(Path::new("/.before/sbom"), Path::new("/layers/sbom")).unwrap();
        settle(&root).unwrap();
        assert_eq!(root.read_link(Path::new("/layers/sbom")).unwrap(), Path::new("/.before/sbom"));
    }

    #[test]
    fn what_came_out_with_another_mode_is_what_the_build_made() {
        for path in [METADATA, "/layers/config", "/layers/sbom/launch/x"] {
            let (_directory, root) = scratch();
            set_aside(&root).unwrap();
            generate(&root, "same");
            root.set_mode(Path::new(path), 0o700).unwrap();
            settle(&root).unwrap();
            assert_eq!(root.metadata(Path::new(path)).unwrap().mode, 0o700, "{path}");
        }
    }

    #[test]
    fn what_came_out_with_another_owner_or_group_is_what_the_build_made() {
        for (uid, gid) in [(4321, 0), (0, 4321)] {
            let (_directory, root) = scratch();
            set_aside(&root).unwrap();
            generate(&root, "same");
            if root.set_owner(Path::new(METADATA), uid, gid).is_err() {
                // Only root gives files away.
                return;
            }
            settle(&root).unwrap();
            let stat = root.metadata(Path::new(METADATA)).unwrap();
            assert_eq!((stat.uid, stat.gid), (uid, gid));
        }
    }
}
