//! What a tree looked like, so that "nothing changed" costs a stat of each file and no read.
//!
//! A file whose inode, size, mode, owner, mtime and ctime are those of the index has the content
//! that it had then: a program can set a file's mtime, but not its ctime. Of a directory only kind,
//! mode and owner count, since what is in it is indexed by itself.
//!
//! A file changed in the tick of the file clock in which it was looked at would not show a later
//! change of the same tick. Such an entry is *racy* and never matches (as in git's index).

use std::path::{Path, PathBuf};

use dhow_fs::{AtomicFile, PathError, Root, Step, WalkEntry, file_clock_ns};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index_format;
use super::indexed_entry::IndexedEntry;

/// The facts of every entry of a tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatIndex {
    entries: Vec<IndexedEntry>,
}

/// In what a tree differs from its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Something is there that was not.
    Added(PathBuf),
    /// Something is not there that was.
    Removed(PathBuf),
    /// Something is another thing than it was, or cannot be told from one.
    Changed(PathBuf),
}

/// Why an index file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The file is not an index of this version, or was damaged. It is safe to remove.
    #[error("{} is not a stat index: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What is attached to the index is not what the caller expects.
    #[error("the payload of {} is malformed", .path.display())]
    Payload {
        /// The file.
        path: PathBuf,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
}

impl StatIndex {
    /// Records what `directory` looks like.
    ///
    /// If something in it was changed within the last tick of the file clock, waits for the next
    /// tick (some milliseconds) and looks once more, so that the next comparison can match.
    pub fn record(root: &Root, directory: &Path) -> Result<Self, PathError> {
        let index = Self::look(root, directory)?;
        let Some(latest) = index.entries.iter().filter(|entry| entry.racy).map(|entry| entry.ctime_ns).max() else {
            return Ok(index);
        };
        wait_for_tick_after(latest);
        Self::look(root, directory)
    }

    fn look(root: &Root, directory: &Path) -> Result<Self, PathError> {
        let now = file_clock_ns();
        let mut entries = Vec::new();
        root.walk(directory, |entry| {
            entries.push(IndexedEntry::of(entry, now));
            Ok::<_, PathError>(Step::Enter)
        })?;
        Ok(Self { entries })
    }

    /// Returns an index of entries, which are sorted.
    pub(super) fn of(mut entries: Vec<IndexedEntry>) -> Self {
        entries.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Self { entries }
    }

    /// Returns the entries, sorted by their paths' components.
    #[must_use]
    pub fn entries(&self) -> &[IndexedEntry] {
        &self.entries
    }

    /// Returns the entry of a path.
    #[must_use]
    pub fn entry(&self, path: &Path) -> Option<&IndexedEntry> {
        let position = self.entries.binary_search_by(|entry| entry.path.as_path().cmp(path)).ok()?;
        Some(&self.entries[position])
    }

    /// Tells whether `directory` is as it was recorded. A directory that is not there is not.
    pub fn matches(&self, root: &Root, directory: &Path) -> Result<bool, PathError> {
        Ok(self.difference(root, directory)?.is_none())
    }

    /// Returns the first difference between the index and `directory`. Stats every entry up to it; reads no file.
    pub fn difference(&self, root: &Root, directory: &Path) -> Result<Option<Difference>, PathError> {
        let mut expected = self.entries.iter();
        let mut difference = None;
        let walked = root.walk(directory, |found| {
            difference = compare(expected.next(), found);
            Ok::<_, PathError>(if difference.is_some() { Step::Stop } else { Step::Enter })
        });
        match walked {
            Err(error) if error.is_not_found() => return Ok(Some(Difference::Removed(PathBuf::new()))),
            other => other?,
        }
        Ok(difference.or_else(|| expected.next().map(|entry| Difference::Removed(entry.path.clone()))))
    }

    /// Writes the index and what belongs to it to a file, atomically.
    ///
    /// Syncs nothing: an index that a crash takes, or leaves torn, costs the next build time and is told by its checksum.
    pub fn save<T: Serialize>(&self, path: &Path, payload: &T) -> Result<(), IndexError> {
        let payload =
            serde_json::to_vec(payload).map_err(|source| IndexError::Payload { path: path.to_owned(), source })?;
        Ok(AtomicFile::replace_unsynced(path, &index_format::encode(&self.entries, &payload), 0o600)?)
    }

    /// Reads an index file and what belongs to it; `None` if there is no file.
    pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<(Self, T)>, IndexError> {
        let bytes = match Root::host().and_then(|root| root.read(path, index_format::LIMIT)) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let (entries, payload) =
            index_format::decode(&bytes).map_err(|reason| IndexError::Malformed { path: path.to_owned(), reason })?;
        let payload =
            serde_json::from_slice(payload).map_err(|source| IndexError::Payload { path: path.to_owned(), source })?;
        Ok(Some((Self { entries }, payload)))
    }
}

fn compare(expected: Option<&IndexedEntry>, found: &WalkEntry) -> Option<Difference> {
    let Some(expected) = expected else {
        return Some(Difference::Added(found.path.clone()));
    };
    match expected.path.cmp(&found.path) {
        std::cmp::Ordering::Less => Some(Difference::Removed(expected.path.clone())),
        std::cmp::Ordering::Greater => Some(Difference::Added(found.path.clone())),
        std::cmp::Ordering::Equal if expected.matches(found) => None,
        std::cmp::Ordering::Equal => Some(Difference::Changed(found.path.clone())),
    }
}

/// Waits until files would be stamped later than `stamp`. A stamp that lies far in the future is
/// not waited for: its entry stays racy.
fn wait_for_tick_after(stamp: i64) {
    for _ in 0..LONGEST_WAIT_MILLISECONDS {
        if file_clock_ns() > i128::from(stamp) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Two ticks of the slowest kernel clock (100 Hz).
const LONGEST_WAIT_MILLISECONDS: u32 = 20;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.create_directories(Path::new("/tree/sub"), 0o755).unwrap();
        root.write(Path::new("/tree/file"), b"one", 0o644).unwrap();
        root.write(Path::new("/tree/sub/file"), b"two", 0o644).unwrap();
        root.symlink(Path::new("file"), Path::new("/tree/link")).unwrap();
        (directory, root)
    }

    fn tree() -> &'static Path {
        Path::new("/tree")
    }

    #[test]
    fn an_untouched_tree_matches_even_right_after_it_was_written() {
        let (_directory, root) = scratch();
        let index = StatIndex::record(&root, tree()).unwrap();
        assert_eq!(index.difference(&root, tree()).unwrap(), None);
    }

    #[test]
    fn every_kind_of_change_is_seen() {
        type Change = fn(&Root);
        let changes: [(&str, Change, Difference); 8] = [
            (
                "content of the same size",
                |root| root.write(Path::new("/tree/file"), b"ONE", 0o644).unwrap(),
                Difference::Changed("file".into()),
            ),
            (
                "mode",
                |root| root.set_mode(Path::new("/tree/sub/file"), 0o600).unwrap(),
                Difference::Changed("sub/file".into()),
            ),
            (
                "mode of a directory",
                |root| root.set_mode(Path::new("/tree/sub"), 0o700).unwrap(),
                Difference::Changed("sub".into()),
            ),
            ("new file", |root| root.write(Path::new("/tree/a"), b"", 0o644).unwrap(), Difference::Added("a".into())),
            (
                "removed file",
                |root| root.remove_file(Path::new("/tree/sub/file")).unwrap(),
                Difference::Removed("sub/file".into()),
            ),
            ("removed tree", |root| root.remove_all(tree()).unwrap(), Difference::Removed(PathBuf::new())),
            (
                "other link",
                |root| {
                    root.remove_file(Path::new("/tree/link")).unwrap();
                    root.symlink(Path::new("sub/file"), Path::new("/tree/link")).unwrap();
                },
                Difference::Changed("link".into()),
            ),
            (
                "another file renamed over it",
                |root| {
                    root.write(Path::new("/other"), b"one", 0o644).unwrap();
                    root.rename(Path::new("/other"), Path::new("/tree/file")).unwrap();
                },
                Difference::Changed("file".into()),
            ),
        ];
        for (name, change, expected) in changes {
            let (_directory, root) = scratch();
            let index = StatIndex::record(&root, tree()).unwrap();
            change(&root);
            assert_eq!(index.difference(&root, tree()).unwrap(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_set_back_mtime_does_not_hide_a_change() {
        let (directory, root) = scratch();
        let file = directory.path().join("tree/file");
        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        let index = StatIndex::record(&root, tree()).unwrap();
        std::fs::write(&file, "ONE").unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
        assert_eq!(index.difference(&root, tree()).unwrap(), Some(Difference::Changed("file".into())));
    }

    #[test]
    fn a_racy_entry_never_matches() {
        let (_directory, root) = scratch();
        let mut index = StatIndex::record(&root, tree()).unwrap();
        index.entries.last_mut().unwrap().racy = true;
        assert_eq!(index.difference(&root, tree()).unwrap(), Some(Difference::Changed("sub/file".into())));
    }

    #[test]
    fn a_saved_index_is_read_back_with_its_payload() {
        let (directory, root) = scratch();
        let index = StatIndex::record(&root, tree()).unwrap();
        let path = directory.path().join("index");
        assert!(StatIndex::load::<String>(&path).unwrap().is_none());
        index.save(&path, &"payload").unwrap();
        assert_eq!(StatIndex::load::<String>(&path).unwrap(), Some((index, "payload".to_owned())));
        assert!(matches!(StatIndex::load::<u32>(&path), Err(IndexError::Payload { .. })));
    }

    #[test]
    fn entries_are_found_by_path() {
        let (_directory, root) = scratch();
        let index = StatIndex::record(&root, tree()).unwrap();
        assert_eq!(index.entry(Path::new("sub/file")).unwrap().size, 3);
        assert!(index.entry(Path::new("sub/none")).is_none());
    }
}
