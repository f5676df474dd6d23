//! Which file of the app goes into which layer.
//!
//! A slice takes what its patterns match, a directory with all in it that no earlier slice took, and names the
//! directories on the way. What nobody took forms the last slice.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::glob::{Pattern, PatternError};

/// A file or directory of the app, by its path below the app's directory; the directory itself is `""`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AppFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) directory: bool,
}

/// A pattern of a slice cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to check if '{path}' matches '{pattern}'")]
pub struct SliceError {
    /// The first path that was looked at.
    path: String,
    /// The pattern.
    pattern: String,
    source: PatternError,
}

/// Returns for each slice, and then for the rest, the positions in `files` of what belongs to it, sorted by path.
pub(crate) fn slice(files: &[AppFile<'_>], slices: &[Vec<String>]) -> Result<Vec<Vec<usize>>, SliceError> {
    let mut app = App::new(files);
    let mut result = Vec::with_capacity(slices.len() + 1);
    for patterns in slices {
        result.push(app.take(patterns)?);
    }
    result.push(app.rest());
    Ok(result)
}

/// The app's files by path, and which are taken.
struct App<'a> {
    files: BTreeMap<&'a [u8], File>,
}

struct File {
    position: usize,
    directory: bool,
    taken: bool,
}

impl<'a> App<'a> {
    fn new(files: &[AppFile<'a>]) -> Self {
        let file = |(position, file): (usize, &AppFile<'a>)| {
            (file.path.as_os_str().as_bytes(), File { position, directory: file.directory, taken: false })
        };
        Self { files: files.iter().enumerate().map(file).collect() }
    }

    fn take(&mut self, patterns: &[String]) -> Result<Vec<usize>, SliceError> {
        let mut selected: BTreeMap<&'a [u8], usize> = BTreeMap::new();
        for text in patterns {
            let Some(first) = self.files.keys().find(|path| !path.is_empty()) else { break };
            let pattern = Pattern::parse(text).map_err(|source| SliceError {
                path: String::from_utf8_lossy(first).into_owned(),
                pattern: text.clone(),
                source,
            })?;
            let matched: Vec<&'a [u8]> = self
                .files
                .iter()
                .filter(|(path, file)| !path.is_empty() && !file.taken && pattern.matches(path))
                .map(|(path, _)| *path)
                .collect();
            for path in matched {
                self.take_tree(path, &mut selected);
            }
        }
        for directory in self.ancestors(&selected) {
            selected.insert(directory, self.files[directory].position);
        }
        self.use_up_directories();
        Ok(selected.into_values().collect())
    }

    fn take_tree(&mut self, path: &'a [u8], selected: &mut BTreeMap<&'a [u8], usize>) {
        let mut inside = path.to_vec();
        inside.push(b'/');
        for (below, file) in self.files.range_mut(path..) {
            if *below != path && !below.starts_with(&inside) {
                // Names such as `a-b` sort between `a` and `a/x`.
                if below.starts_with(path) {
                    continue;
                }
                break;
            }
            if !file.taken {
                file.taken = true;
                selected.insert(below, file.position);
            }
        }
    }

    fn ancestors(&self, selected: &BTreeMap<&'a [u8], usize>) -> Vec<&'a [u8]> {
        let mut ancestors = std::collections::BTreeSet::new();
        for path in selected.keys() {
            let mut path = *path;
            while let Some(directory) = parent(path) {
                if !ancestors.insert(directory) {
                    break;
                }
                path = directory;
            }
        }
        ancestors.into_iter().filter(|path| self.files.contains_key(path)).collect()
    }

    /// Marks directories whose children are all taken, innermost first.
    fn use_up_directories(&mut self) {
        let mut children_left: BTreeMap<&'a [u8], (bool, bool)> = BTreeMap::new();
        let mut directories: Vec<&'a [u8]> =
            self.files.iter().filter(|(_, file)| file.directory && !file.taken).map(|(path, _)| *path).collect();
        directories.sort_by_key(|path| std::cmp::Reverse(depth(path)));
        for (path, file) in &self.files {
            if let Some(directory) = parent(path).filter(|_| !file.directory || file.taken) {
                let (has_children, left) = children_left.entry(directory).or_default();
                *has_children = true;
                *left |= !file.taken;
            }
        }
        for path in directories {
            let (has_children, left) = children_left.get(path).copied().unwrap_or_default();
            let used_up = has_children && !left;
            if used_up && let Some(file) = self.files.get_mut(path) {
                file.taken = true;
            }
            if let Some(directory) = parent(path) {
                let (has_children, left) = children_left.entry(directory).or_default();
                *has_children = true;
                *left |= !used_up;
            }
        }
    }

    fn rest(&self) -> Vec<usize> {
        self.files.values().filter(|file| !file.taken).map(|file| file.position).collect()
    }
}

/// Returns the directory of a relative path; that of a top-level name is `""`, which itself has none.
fn parent(path: &[u8]) -> Option<&[u8]> {
    Path::new(OsStr::from_bytes(path)).parent().map(|parent| parent.as_os_str().as_bytes())
}

fn depth(path: &[u8]) -> usize {
    if path.is_empty() { 0 } else { 1 + path.iter().filter(|byte| **byte == b'/').count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(files: &[&str], slices: &[&[&str]]) -> Result<Vec<Vec<String>>, SliceError> {
        let files: Vec<AppFile<'_>> = files
            .iter()
            .map(|text| AppFile {
                path: Path::new(text.trim_end_matches('/')),
                directory: text.ends_with('/') || text.is_empty(),
            })
            .collect();
        let slices: Vec<Vec<String>> =
            slices.iter().map(|patterns| patterns.iter().map(|text| (*text).to_owned()).collect()).collect();
        let name = |position: usize| files[position].path.display().to_string();
        Ok(slice(&files, &slices)?.into_iter().map(|slice| slice.into_iter().map(name).collect()).collect())
    }

    const APP: &[&str] = &[
        "",
        ".profile",
        "README",
        "src/",
        "src/a1.txt",
        "src/a12.txt",
        "src/deep/",
        "src/deep/x.txt",
        "static/",
        "static/css/",
        "static/css/a.css",
        "static/img/",
        "static/img/a.png",
        "static/img/b.png",
        "static/img/c.gif",
        "static/x.txt",
    ];

    #[test]
    fn slices_take_what_the_reference_takes() {
        let slices = run(
            APP,
            &[
                &["static/img/*.png", "static/css"],
                &["static/*/*", "nothing/*"],
                &["does-not-exist"],
                &["./src/deep/../a?.txt", "**/x.txt"],
            ],
        )
        .unwrap();
        let expected: [&[&str]; 5] = [
            &["", "static", "static/css", "static/css/a.css", "static/img", "static/img/a.png", "static/img/b.png"],
            &["", "static", "static/img", "static/img/c.gif"],
            &[],
            &["", "src", "src/a1.txt", "static", "static/x.txt"],
            &["", ".profile", "README", "src", "src/a12.txt", "src/deep", "src/deep/x.txt"],
        ];
        assert_eq!(slices, expected);
    }

    #[test]
    fn without_slices_everything_is_the_rest() {
        assert_eq!(run(&["", "b", "a/", "a/x", "a-b"], &[]).unwrap(), [["", "a", "a-b", "a/x", "b"]]);
    }

    #[test]
    fn a_directory_whose_children_are_taken_is_not_in_the_rest() {
        let slices = run(&["", "a/", "a/x", "a/empty/"], &[&["a/x"], &["a/empty"]]).unwrap();
        assert_eq!(slices, [vec!["", "a", "a/x"], vec!["", "a", "a/empty"], vec![]]);
    }

    #[test]
    fn a_directory_takes_nothing_of_its_neighbours() {
        let slices = run(&["", "a/", "a/x", "a-b", "a.c/", "a.c/y"], &[&["a"]]).unwrap();
        assert_eq!(slices, [vec!["", "a", "a/x"], vec!["", "a-b", "a.c", "a.c/y"]]);
    }

    proptest::proptest! {
        #[test]
        fn every_file_is_in_exactly_one_slice_and_its_directories_are_with_it(
            paths in proptest::collection::btree_set("[ab](/[ab.-]){0,3}", 0..20),
            slices in proptest::collection::vec(proptest::collection::vec("[ab*?/.-]{1,5}", 1..3), 0..4),
        ) {
            let mut directories = std::collections::BTreeSet::from([String::new()]);
            for path in &paths {
                directories.extend(Path::new(path).ancestors().skip(1).map(|parent| parent.display().to_string()));
            }
            let files: Vec<&String> = paths.iter().filter(|path| !directories.contains(*path)).collect();
            let app: Vec<AppFile<'_>> = directories
                .iter()
                .map(|path| AppFile { path: Path::new(path), directory: true })
                .chain(files.iter().map(|path| AppFile { path: Path::new(path), directory: false }))
                .collect();
            let groups = slice(&app, &slices).unwrap();
            proptest::prop_assert_eq!(groups.len(), slices.len() + 1);
            for (position, file) in app.iter().enumerate() {
                let holders = groups.iter().filter(|group| group.contains(&position)).count();
                if !file.directory {
                    proptest::prop_assert_eq!(holders, 1);
                }
                proptest::prop_assert!(holders > 0, "{:?} is nowhere", file.path);
            }
            for group in &groups[..slices.len()] {
                for position in group {
                    for parent in app[*position].path.ancestors().skip(1) {
                        proptest::prop_assert!(group.iter().any(|other| app[*other].path == parent));
                    }
                }
            }
        }
    }

    #[test]
    fn a_bad_pattern_names_the_path_and_the_pattern() {
        let error = run(&["", "f"], &[&["["]]).unwrap_err();
        assert_eq!(error.to_string(), "failed to check if 'f' matches '['");
        assert!(run(&[""], &[&["["]]).is_ok());
    }
}
