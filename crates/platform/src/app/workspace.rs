//! The copy of the app in the workspace: what is in it, and what is made and removed there.
//!
//! Everything in it has one time, whenever it was copied: compilers and archivers write times of files into what they
//! make, and the same source would give other bytes on another day.

use std::fs::File;
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root, Stat, Step, WalkEntry, Work};
use dhow_lifecycle::export::REPRODUCIBLE_TIME;

use super::error::CopyError;
use super::remarkable::Remarkable;
use super::stat_index::StatIndex;

/// Where the app's copy is, and how it is made.
pub(super) struct Workspace<'a> {
    /// The root that holds it.
    pub(super) root: &'a Root,
    /// The directory in that root.
    pub(super) path: &'a Path,
    /// A directory of the machine for the two index files.
    pub(super) state: &'a Path,
    /// Who owns the copy; the caller if `None`.
    pub(super) owner: Option<(u32, u32)>,
    /// Where copied files are counted.
    pub(super) work: &'a Work,
}

/// What was done to the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files, directories and links that were made or replaced.
    pub copied: u64,
    /// Those that were kept.
    pub kept: u64,
    /// Those that were removed, trees counted once.
    pub removed: u64,
    /// Entries of the source that are neither file, directory nor link, and were left out.
    pub skipped: Vec<PathBuf>,
    /// Entries of the source that were left out because the build writes there.
    pub apart: Vec<PathBuf>,
    /// Image layouts, and archives of them, that were left out.
    pub images: Vec<PathBuf>,
    /// What entered the workspace and might not be meant to.
    pub remarkable: Remarkable,
}

impl Workspace<'_> {
    /// Makes the directory, unless it is there.
    pub(super) fn prepare(&self) -> Result<(), PathError> {
        self.root.create_directories(self.path, 0o755)?;
        self.settle(self.path, 0o755)
    }

    /// Returns what is in the workspace. One that cannot be looked through is emptied.
    pub(super) fn present(&self, copied: &mut Copied) -> Result<Vec<WalkEntry>, PathError> {
        let mut present = Vec::new();
        let walked = self.root.walk(self.path, |entry| {
            if !entry.path.as_os_str().is_empty() {
                present.push(entry.clone());
            }
            Ok::<_, PathError>(Step::Enter)
        });
        if walked.is_err() {
            self.empty(copied)?;
            present.clear();
        }
        Ok(present)
    }

    /// Removes everything from the workspace.
    pub(super) fn empty(&self, copied: &mut Copied) -> Result<(), PathError> {
        for entry in self.root.read_directory(self.path)? {
            self.remove(Path::new(&entry.name), copied)?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, path: &Path, copied: &mut Copied) -> Result<(), PathError> {
        let path = self.path.join(path);
        if self.root.symlink_metadata(&path).is_ok() {
            self.root.remove_all(&path)?;
            copied.removed += 1;
        }
        Ok(())
    }

    pub(super) fn make_directory(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        self.root.create_directory(path, 0o700)?;
        self.settle(path, mode)
    }

    pub(super) fn make_link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        self.root.symlink(target, path)?;
        if let Some((uid, gid)) = self.owner {
            self.root.set_owner(path, uid, gid)?;
        }
        self.root.set_time(path, REPRODUCIBLE_TIME)
    }

    /// Makes a file that `write` fills; it returns how many bytes it wrote without counting them.
    pub(super) fn make_file<E: From<PathError>>(
        &self,
        path: &Path,
        mode: u32,
        write: impl FnOnce(&mut File) -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut file = self.root.create_new_file(path, 0o600)?;
        let bytes = write(&mut file)?;
        self.settle(path, mode)?;
        self.root.set_time(path, REPRODUCIBLE_TIME)?;
        self.work.source_files_copied.add(1);
        self.work.source_bytes_copied.add(bytes);
        Ok(())
    }

    /// Sets owner and mode, in this order: a change of owner clears the setuid bit.
    pub(super) fn settle(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        if let Some((uid, gid)) = self.owner {
            self.root.set_owner(path, uid, gid)?;
        }
        self.root.set_mode(path, mode)
    }

    /// Tells whether anything had to be set.
    pub(super) fn settle_directory(&self, entry: &WalkEntry, existing: &Stat) -> Result<bool, PathError> {
        let owner_is_right = self.owner.is_none_or(|owner| owner == (existing.uid, existing.gid));
        if owner_is_right && existing.mode == entry.stat.mode {
            return Ok(false);
        }
        self.settle(&self.path.join(&entry.path), entry.stat.mode)?;
        Ok(true)
    }

    /// Sets the time of every directory that has another: whatever is made or removed in one changes it.
    pub(super) fn settle_times(&self) -> Result<(), PathError> {
        let mut others = Vec::new();
        self.root.walk(self.path, |entry| {
            if has_other_time(&entry.stat) {
                others.push(entry.path.clone());
            }
            Ok::<_, PathError>(Step::Enter)
        })?;
        // Joined with nothing, the top would get a slash at its end.
        let path =
            |below: &PathBuf| if below.as_os_str().is_empty() { self.path.to_owned() } else { self.path.join(below) };
        others.iter().try_for_each(|below| self.root.set_time(&path(below), REPRODUCIBLE_TIME))
    }

    /// Returns the indexes of the last copy from `origin`. What cannot be used is as good as not there.
    pub(super) fn load_indexes(&self, origin: &str) -> Indexes {
        let origin = self.full_origin(origin);
        let of_same_source = |(index, of): (StatIndex, String)| (of == origin).then_some(index);
        let load = |name: &str| StatIndex::load(&self.state.join(name)).ok().flatten().and_then(of_same_source);
        Indexes { source: load(SOURCE_INDEX), workspace: load(WORKSPACE_INDEX) }
    }

    pub(super) fn save_indexes(&self, origin: &str, source: &StatIndex) -> Result<(), CopyError> {
        let origin = self.full_origin(origin);
        let workspace = StatIndex::record(self.root, self.path)?;
        workspace.save(&self.state.join(WORKSPACE_INDEX), &origin)?;
        source.save(&self.state.join(SOURCE_INDEX), &origin)?;
        Ok(())
    }

    /// Returns what a copy is of: one for another owner, or of other times, is another copy.
    fn full_origin(&self, origin: &str) -> String {
        format!("{origin} of {:?} at {REPRODUCIBLE_TIME}", self.owner)
    }
}

/// Tells whether a directory has another time than the app's files have.
pub(super) fn has_other_time(stat: &Stat) -> bool {
    stat.kind == FileKind::Directory && stat.mtime_ns != i128::from(REPRODUCIBLE_TIME) * 1_000_000_000
}

/// What was recorded after the last copy.
pub(super) struct Indexes {
    pub(super) source: Option<StatIndex>,
    pub(super) workspace: Option<StatIndex>,
}

impl Indexes {
    /// Tells whether `existing` is certainly an unchanged copy of the unchanged `entry`.
    pub(super) fn keeps(&self, entry: &WalkEntry, existing: &WalkEntry) -> bool {
        let unchanged = |index: &Option<StatIndex>, found: &WalkEntry| {
            index.as_ref().and_then(|index| index.entry(&found.path)).is_some_and(|entry| entry.matches(found))
        };
        entry.stat.kind == existing.stat.kind && unchanged(&self.source, entry) && unchanged(&self.workspace, existing)
    }
}

pub(super) const SOURCE_INDEX: &str = "source.index";
pub(super) const WORKSPACE_INDEX: &str = "workspace.index";
