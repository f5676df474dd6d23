//! A directory as the app's source: what changed is copied, what vanished is removed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, Operation, PathError, Root, Step, WalkEntry, file_clock_ns};

use super::error::{CopyError, LARGEST_APP};
use super::filter::{Filter, Verdict};
use super::images;
use super::indexed_entry::IndexedEntry;
use super::remarkable::Remarkable;
use super::stat_index::StatIndex;
use super::workspace::{Copied, Workspace, has_other_time};

/// How much of a file is copied at once, so that a large one shows its progress.
const PIECE: u64 = 64 * 1024 * 1024;

/// A directory that is to be copied.
pub(super) struct Directory<'a> {
    /// Where it is on the machine.
    pub(super) path: &'a Path,
    /// Which of its files are copied.
    pub(super) filter: &'a Filter,
    /// Paths of the machine that are no part of the app.
    pub(super) apart: &'a [PathBuf],
    /// Where the copy is.
    pub(super) workspace: &'a Workspace<'a>,
}

impl Directory<'_> {
    /// Brings the workspace up to date: copies what changed, removes what vanished.
    pub(super) fn copy(&self) -> Result<Copied, CopyError> {
        let (path, workspace) = (self.path, self.workspace);
        let fail = |source| CopyError::Source { path: path.to_owned(), source };
        let source = Root::open(path).map_err(fail)?;
        let now = file_clock_ns();
        let mut wanted = self.wanted(&source).map_err(fail)?;
        // A directory without files is an app: buildpacks may need none.
        if wanted.entries.is_empty() && wanted.something_left_out {
            return Err(CopyError::Filtered(path.to_owned()));
        }
        let images = match self.filter.lists_what_enters() {
            true => Vec::new(),
            false => images::among(&source, &wanted.entries),
        };
        wanted.entries.retain(|entry| !images.iter().any(|image| entry.path.starts_with(image)));
        let remarkable = Remarkable::of(&source, &wanted.entries);
        wanted.check_size()?;
        let origin = format!("{path:?}");
        let before = workspace.load_indexes(&origin);
        let mut copied =
            Copied { skipped: wanted.skipped, apart: wanted.apart, images, remarkable, ..Copied::default() };
        let present = workspace.present(&mut copied)?;
        let has_other_times = has_other_time(&workspace.root.metadata(workspace.path)?)
            || present.iter().any(|entry| has_other_time(&entry.stat));
        let mut present = present.into_iter().peekable();
        let mut closed = Vec::new();
        for entry in &wanted.entries {
            while let Some(extra) = present.next_if(|extra| extra.path < entry.path) {
                workspace.remove(&extra.path, &mut copied)?;
            }
            let existing = present.next_if(|existing| existing.path == entry.path);
            if is_directory(entry) && entry.stat.mode & 0o700 != 0o700 {
                closed.push(entry);
            }
            match existing {
                Some(existing) if before.keeps(entry, &existing) => copied.kept += 1,
                Some(existing) if is_directory(entry) && is_directory(&existing) => {
                    copied.copied += u64::from(workspace.settle_directory(entry, &existing.stat)?);
                }
                existing => {
                    if existing.is_some() {
                        workspace.root.remove_all(&workspace.path.join(&entry.path))?;
                    }
                    self.make(&source, entry).map_err(|failure| failure.of_source(path))?;
                    copied.copied += 1;
                }
            }
            if closed.last().is_some_and(|last| last.path == entry.path) {
                workspace.root.set_mode(&workspace.path.join(&entry.path), entry.stat.mode | 0o700)?;
            }
        }
        for extra in present {
            workspace.remove(&extra.path, &mut copied)?;
        }
        for directory in closed.iter().rev() {
            workspace.root.set_mode(&workspace.path.join(&directory.path), directory.stat.mode)?;
        }
        let has_changed = copied.copied + copied.removed > 0;
        if has_changed || has_other_times {
            workspace.settle_times()?;
        }
        if has_changed || before.source.is_none() {
            let entries = wanted.entries.iter().map(|entry| IndexedEntry::of(entry, now)).collect();
            workspace.save_indexes(&origin, &StatIndex::of(entries))?;
        }
        Ok(copied)
    }

    /// Returns the source's entries that pass the filter, with the directories above them.
    fn wanted(&self, source: &Root) -> Result<Wanted, PathError> {
        let own = self.workspace.root.metadata(Path::new("/"))?;
        let apart = self.apart_ids()?;
        let mut wanted = Wanted::default();
        let mut ancestors: Vec<WalkEntry> = Vec::new();
        source
            .walk(Path::new("/"), |entry| {
                if entry.path.as_os_str().is_empty() {
                    return Ok(Step::Enter);
                }
                // The workspace may lie inside of the source, when somebody builds a home directory.
                if entry.stat.identity() == own.identity() {
                    return Ok(Step::Skip);
                }
                ancestors.retain(|ancestor| entry.path.starts_with(&ancestor.path));
                match self.filter.verdict(&entry.path, is_directory(entry)) {
                    Verdict::Skip => {
                        wanted.something_left_out = true;
                        Ok(Step::Skip)
                    }
                    Verdict::Look => {
                        wanted.something_left_out = true;
                        ancestors.push(entry.clone());
                        Ok(Step::Enter)
                    }
                    Verdict::Keep if apart.contains(&entry.stat.identity()) => {
                        wanted.apart.push(entry.path.clone());
                        Ok(Step::Skip)
                    }
                    Verdict::Keep => {
                        match entry.stat.kind {
                            FileKind::File | FileKind::Directory | FileKind::Symlink => {
                                wanted.entries.append(&mut ancestors);
                                wanted.entries.push(entry.clone());
                            }
                            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => {
                                wanted.skipped.push(entry.path.clone());
                            }
                        }
                        Ok(Step::Enter)
                    }
                }
            })
            .map(|()| wanted)
    }

    /// Returns what the file system knows the paths apart by, as they may be named in many ways.
    fn apart_ids(&self) -> Result<Vec<(u64, u64)>, PathError> {
        let host = Root::host()?;
        let stats = self.apart.iter().filter_map(|path| host.metadata(path).ok());
        Ok(stats.map(|stat| stat.identity()).collect())
    }

    fn make(&self, source: &Root, entry: &WalkEntry) -> Result<(), SideError> {
        let workspace = self.workspace;
        let path = workspace.path.join(&entry.path);
        match (entry.stat.kind, &entry.target) {
            (FileKind::Directory, _) => workspace.make_directory(&path, entry.stat.mode)?,
            (FileKind::Symlink, Some(target)) => workspace.make_link(target, &path)?,
            _ => {
                let mut content = source.open_file_nofollow(&entry.path).map_err(SideError::Source)?;
                workspace.make_file(&path, entry.stat.mode, |file| {
                    let from = || source.host_path(&entry.path);
                    self.copy_content(&mut content, file).map_err(|cause| match is_of_writing(&cause) {
                        true => SideError::Workspace(PathError::new(
                            Operation::Write,
                            workspace.root.host_path(&path),
                            cause,
                        )),
                        false => SideError::Source(PathError::new(Operation::Copy, from(), cause)),
                    })
                })?;
            }
        }
        Ok(())
    }

    /// Copies in pieces, which are counted as they are done; returns that nothing is left to be counted.
    fn copy_content(&self, content: &mut File, file: &mut File) -> io::Result<u64> {
        loop {
            match io::copy(&mut content.take(PIECE), file)? {
                0 => return Ok(0),
                count => self.workspace.work.source_bytes_copied.add(count),
            }
        }
    }
}

#[derive(Default)]
struct Wanted {
    entries: Vec<WalkEntry>,
    skipped: Vec<PathBuf>,
    apart: Vec<PathBuf>,
    something_left_out: bool,
}

impl Wanted {
    /// Holes count as what they are read as.
    fn check_size(&self) -> Result<(), CopyError> {
        let files = || self.entries.iter().filter(|entry| entry.stat.kind == FileKind::File);
        let size = files().fold(0_u64, |sum, file| sum.saturating_add(file.stat.size));
        match files().max_by_key(|file| file.stat.size) {
            Some(largest) if size > LARGEST_APP => {
                Err(CopyError::TooLarge { size, largest: largest.path.clone(), largest_size: largest.stat.size })
            }
            _ => Ok(()),
        }
    }
}

/// On which side a copy failed.
enum SideError {
    Source(PathError),
    Workspace(PathError),
}

impl From<PathError> for SideError {
    fn from(error: PathError) -> Self {
        Self::Workspace(error)
    }
}

impl SideError {
    fn of_source(self, path: &Path) -> CopyError {
        match self {
            Self::Source(source) => CopyError::Source { path: path.to_owned(), source },
            Self::Workspace(error) => CopyError::Workspace(error),
        }
    }
}

/// The kernel copies, by one call that fails for either side; these failures no reading has.
fn is_of_writing(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem)
}

fn is_directory(entry: &WalkEntry) -> bool {
    entry.stat.kind == FileKind::Directory
}
