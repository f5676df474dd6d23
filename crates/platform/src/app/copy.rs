//! Copies the source into the workspace: what changed is copied, what vanished is removed.
//!
//! A file of the workspace is kept when its source is as it was when it was copied *and* the copy
//! is as it was left then, so what a buildpack did to the workspace is undone. Both are told by stat
//! indexes. They may be lost or stale at any time: then files are copied again, never kept wrongly.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, Operation, PathError, Root, Stat, Step, WalkEntry, Work, file_clock_ns};
use dhow_layer::Limits;

use super::filter::{Filter, Verdict};
use super::source::Source;
use super::stat_index::{IndexError, IndexedEntry, StatIndex};
use super::zip::{self, ZipSourceError};

/// How much of a file is copied at once, so that a large one shows its progress.
const PIECE: u64 = 64 * 1024 * 1024;

/// How many bytes all files of an app together may have: as many as a layer, which they become.
pub(super) const LARGEST_APP: u64 = Limits::DEFAULT.bytes;

/// A copy of the app that is to be brought up to date.
#[derive(Debug)]
pub struct AppCopy<'a> {
    /// Where the app comes from.
    pub source: &'a Source,
    /// Which of its files are copied.
    pub filter: &'a Filter,
    /// Paths of the machine that are no part of the app if they lie inside of its directory: what the build itself
    /// writes. Those that do not exist are no matter.
    pub apart: &'a [PathBuf],
    /// The root that holds the workspace, presenting owners as they are on disk.
    pub root: &'a Root,
    /// The workspace in that root, made if it is not there.
    pub workspace: &'a Path,
    /// A directory of the machine for the two index files, outside of the workspace.
    pub state: &'a Path,
    /// Who owns the copy; the caller if `None`.
    pub owner: Option<(u32, u32)>,
    /// Where copied files are counted.
    pub work: &'a Work,
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
}

/// Why the app's source could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing in the source.
    #[error("the app directory {} is empty", .0.display())]
    Empty(PathBuf),
    /// The filter leaves nothing.
    #[error("no file of {} passes the `include` and `exclude` of its project descriptor", .0.display())]
    Filtered(PathBuf),
    /// The app is larger than a layer may be. Nothing of it was copied.
    #[error(
        "the app has {size} bytes, more than the {LARGEST_APP} that a layer may have; its largest file is {}, which has \
         {largest_size}",
        .largest.display()
    )]
    TooLarge {
        /// The sizes of all files together.
        size: u64,
        /// The file with the most bytes, below the app's directory.
        largest: PathBuf,
        /// Its size.
        largest_size: u64,
    },
    /// The source cannot be read.
    #[error("cannot read the app's source {}", .path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// Why.
        source: PathError,
    },
    /// The zip archive is malformed or hostile.
    #[error("cannot unpack the app's source {}", .path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ZipSourceError,
    },
    /// The workspace cannot be written.
    #[error("cannot write the workspace")]
    Workspace(#[from] PathError),
    /// The indexes cannot be written.
    #[error("cannot record the state of the workspace")]
    Index(#[from] IndexError),
}

impl AppCopy<'_> {
    /// Brings the workspace up to date. The source is only read.
    ///
    /// Modes are those of the source whatever the umask is; times are those of the copying, which is
    /// what tools that compare times need to see a change.
    pub fn run(&self) -> Result<Copied, CopyError> {
        self.root.create_directories(self.workspace, 0o755)?;
        self.settle(self.workspace, 0o755)?;
        match self.source {
            Source::Directory(path) => self.copy_directory(path),
            Source::Zip(path) => zip::copy(self, path),
        }
    }

    fn copy_directory(&self, path: &Path) -> Result<Copied, CopyError> {
        let fail = |source| CopyError::Source { path: path.to_owned(), source };
        let source = Root::open(path).map_err(fail)?;
        let now = file_clock_ns();
        let wanted = self.wanted(&source).map_err(fail)?;
        if wanted.entries.is_empty() {
            return Err(match wanted.something_left_out {
                true => CopyError::Filtered(path.to_owned()),
                false => CopyError::Empty(path.to_owned()),
            });
        }
        wanted.check_size()?;
        let origin = format!("{path:?}");
        let before = self.load_indexes(&origin);
        let mut copied = Copied { skipped: wanted.skipped, apart: wanted.apart, ..Copied::default() };
        let mut present = self.present(&mut copied)?.into_iter().peekable();
        let mut closed = Vec::new();
        for entry in &wanted.entries {
            while let Some(extra) = present.next_if(|extra| extra.path < entry.path) {
                self.remove(&extra.path, &mut copied)?;
            }
            let existing = present.next_if(|existing| existing.path == entry.path);
            if is_directory(entry) && entry.stat.mode & 0o700 != 0o700 {
                closed.push(entry);
            }
            match existing {
                Some(existing) if before.keeps(entry, &existing) => copied.kept += 1,
                Some(existing) if is_directory(entry) && is_directory(&existing) => {
                    copied.copied += u64::from(self.settle_directory(entry, &existing.stat)?);
                }
                existing => {
                    if existing.is_some() {
                        self.root.remove_all(&self.workspace.join(&entry.path))?;
                    }
                    self.make(&source, entry).map_err(|failure| failure.of_source(path))?;
                    copied.copied += 1;
                }
            }
            if closed.last().is_some_and(|last| last.path == entry.path) {
                self.root.set_mode(&self.workspace.join(&entry.path), entry.stat.mode | 0o700)?;
            }
        }
        for extra in present {
            self.remove(&extra.path, &mut copied)?;
        }
        for directory in closed.iter().rev() {
            self.root.set_mode(&self.workspace.join(&directory.path), directory.stat.mode)?;
        }
        if copied.copied + copied.removed > 0 || before.source.is_none() {
            let entries = wanted.entries.iter().map(|entry| IndexedEntry::of(entry, now)).collect();
            self.save_indexes(&origin, &StatIndex::of(entries))?;
        }
        Ok(copied)
    }

    /// Returns the source's entries that pass the filter, with the directories above them.
    fn wanted(&self, source: &Root) -> Result<Wanted, PathError> {
        let own = self.root.metadata(Path::new("/"))?;
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

    /// Returns what is in the workspace. One that cannot be looked through is emptied.
    fn present(&self, copied: &mut Copied) -> Result<Vec<WalkEntry>, PathError> {
        let mut present = Vec::new();
        let walked = self.root.walk(self.workspace, |entry| {
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
        for entry in self.root.read_directory(self.workspace)? {
            self.remove(Path::new(&entry.name), copied)?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path, copied: &mut Copied) -> Result<(), PathError> {
        let path = self.workspace.join(path);
        if self.root.symlink_metadata(&path).is_ok() {
            self.root.remove_all(&path)?;
            copied.removed += 1;
        }
        Ok(())
    }

    fn make(&self, source: &Root, entry: &WalkEntry) -> Result<(), SideError> {
        let path = self.workspace.join(&entry.path);
        match (entry.stat.kind, &entry.target) {
            (FileKind::Directory, _) => self.make_directory(&path, entry.stat.mode)?,
            (FileKind::Symlink, Some(target)) => self.make_link(target, &path)?,
            _ => {
                let mut content = source.open_file_nofollow(&entry.path).map_err(SideError::Source)?;
                self.make_file(&path, entry.stat.mode, |file| {
                    let from = || source.host_path(&entry.path);
                    self.copy_content(&mut content, file).map_err(|cause| match is_of_writing(&cause) {
                        true => {
                            SideError::Workspace(PathError::new(Operation::Write, self.root.host_path(&path), cause))
                        }
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
                count => self.work.source_bytes_copied.add(count),
            }
        }
    }

    pub(super) fn make_directory(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        self.root.create_directory(path, 0o700)?;
        self.settle(path, mode)
    }

    pub(super) fn make_link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        self.root.symlink(target, path)?;
        match self.owner {
            Some((uid, gid)) => self.root.set_owner(path, uid, gid),
            None => Ok(()),
        }
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
    fn settle_directory(&self, entry: &WalkEntry, existing: &Stat) -> Result<bool, PathError> {
        let owner_is_right = self.owner.is_none_or(|owner| owner == (existing.uid, existing.gid));
        if owner_is_right && existing.mode == entry.stat.mode {
            return Ok(false);
        }
        self.settle(&self.workspace.join(&entry.path), entry.stat.mode)?;
        Ok(true)
    }

    /// Returns the indexes of the last copy from `origin`. What cannot be used is as good as not there.
    pub(super) fn load_indexes(&self, origin: &str) -> Indexes {
        let of_same_source = |(index, of): (StatIndex, String)| (of == origin).then_some(index);
        let load = |name: &str| StatIndex::load(&self.state.join(name)).ok().flatten().and_then(of_same_source);
        Indexes { source: load(SOURCE_INDEX), workspace: load(WORKSPACE_INDEX) }
    }

    pub(super) fn save_indexes(&self, origin: &str, source: &StatIndex) -> Result<(), CopyError> {
        let workspace = StatIndex::record(self.root, self.workspace)?;
        workspace.save(&self.state.join(WORKSPACE_INDEX), &origin)?;
        source.save(&self.state.join(SOURCE_INDEX), &origin)?;
        Ok(())
    }
}

/// What was recorded after the last copy.
pub(super) struct Indexes {
    pub(super) source: Option<StatIndex>,
    pub(super) workspace: Option<StatIndex>,
}

impl Indexes {
    /// Tells whether `existing` is certainly an unchanged copy of the unchanged `entry`.
    fn keeps(&self, entry: &WalkEntry, existing: &WalkEntry) -> bool {
        let unchanged = |index: &Option<StatIndex>, found: &WalkEntry| {
            index.as_ref().and_then(|index| index.entry(&found.path)).is_some_and(|entry| entry.matches(found))
        };
        entry.stat.kind == existing.stat.kind && unchanged(&self.source, entry) && unchanged(&self.workspace, existing)
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

const SOURCE_INDEX: &str = "source.index";
const WORKSPACE_INDEX: &str = "workspace.index";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Fixture {
        directory: tempfile::TempDir,
        root: Root,
        filter: Filter,
        apart: Vec<PathBuf>,
        work: Work,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            for name in ["app/src", "build", "state"] {
                std::fs::create_dir_all(directory.path().join(name)).unwrap();
            }
            let root = Root::open(&directory.path().join("build")).unwrap();
            let fixture = Self { directory, root, filter: Filter::default(), apart: Vec::new(), work: Work::default() };
            fixture.write("Cargo.toml", "[package]");
            fixture.write("src/main.rs", "fn main() {}");
            std::os::unix::fs::symlink("src/main.rs", fixture.app().join("link")).unwrap();
            fixture
        }

        fn app(&self) -> PathBuf {
            self.directory.path().join("app")
        }

        fn workspace(&self) -> PathBuf {
            self.directory.path().join("build/workspace")
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.app().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        fn copy(&self) -> Result<Copied, CopyError> {
            let source = Source::open(&self.app()).unwrap();
            let state = self.directory.path().join("state");
            AppCopy {
                source: &source,
                filter: &self.filter,
                apart: &self.apart,
                root: &self.root,
                workspace: Path::new("/workspace"),
                state: &state,
                owner: None,
                work: &self.work,
            }
            .run()
        }

        /// Waits until a change would bear another time than everything so far.
        fn settle(&self) {
            StatIndex::record(&Root::open(&self.app()).unwrap(), Path::new("/")).unwrap();
        }

        fn listing(&self, path: &Path) -> Vec<(PathBuf, u32, Option<PathBuf>, Vec<u8>)> {
            let root = Root::open(path).unwrap();
            let mut entries = Vec::new();
            root.walk(Path::new("/"), |entry| {
                let content = match entry.stat.kind {
                    FileKind::File => root.read(&entry.path, 1 << 20)?,
                    _ => Vec::new(),
                };
                if !entry.path.as_os_str().is_empty() {
                    entries.push((entry.path.clone(), entry.stat.mode, entry.target.clone(), content));
                }
                Ok::<_, PathError>(Step::Enter)
            })
            .unwrap();
            entries
        }

        fn assert_equal(&self) {
            assert_eq!(self.listing(&self.workspace()), self.listing(&self.app()));
        }
    }

    #[test]
    fn a_copy_is_equal_and_the_second_copies_nothing() {
        let fixture = Fixture::new();
        std::fs::set_permissions(fixture.app().join("src"), PermissionsExt::from_mode(0o2775)).unwrap();
        std::fs::set_permissions(fixture.app().join("Cargo.toml"), PermissionsExt::from_mode(0o606)).unwrap();
        fixture.settle();
        let first = fixture.copy().unwrap();
        assert_eq!(first, Copied { copied: 4, ..Copied::default() });
        fixture.assert_equal();
        let before = fixture.work.report();
        assert_eq!(fixture.copy().unwrap(), Copied { kept: 4, ..Copied::default() });
        assert_eq!(fixture.work.report(), before);
    }

    #[test]
    fn where_the_build_writes_is_no_part_of_the_app() {
        let mut fixture = Fixture::new();
        fixture.write("out/layout/index.json", "{}");
        fixture.write("out/other", "");
        std::os::unix::fs::symlink(fixture.app().join("out/layout"), fixture.directory.path().join("named")).unwrap();
        fixture.apart = vec![fixture.directory.path().join("named"), fixture.app().join("none"), fixture.app()];
        fixture.settle();
        let first = fixture.copy().unwrap();
        assert_eq!((first.copied, first.apart), (6, vec![PathBuf::from("out/layout")]));
        assert!(fixture.workspace().join("out/other").exists() && !fixture.workspace().join("out/layout").exists());
        fixture.write("out/layout/blobs/more", "");
        fixture.settle();
        assert_eq!(fixture.copy().unwrap().kept, 6);
    }

    #[test]
    fn only_what_changed_is_copied_and_what_vanished_is_removed() {
        let fixture = Fixture::new();
        fixture.write("old/deep/file", "x");
        fixture.settle();
        fixture.copy().unwrap();
        fixture.write("src/main.rs", "fn main() { }");
        fixture.write("new", "n");
        std::fs::remove_dir_all(fixture.app().join("old")).unwrap();
        fixture.settle();
        assert_eq!(fixture.copy().unwrap(), Copied { copied: 2, kept: 3, removed: 1, ..Copied::default() });
        fixture.assert_equal();
    }

    #[test]
    fn what_a_buildpack_did_to_the_workspace_is_undone() {
        let fixture = Fixture::new();
        fixture.settle();
        fixture.copy().unwrap();
        let workspace = fixture.workspace();
        std::fs::write(workspace.join("Cargo.toml"), "[PACKAGE]").unwrap();
        std::fs::write(workspace.join("built"), "x").unwrap();
        std::fs::remove_dir_all(workspace.join("src")).unwrap();
        std::fs::write(workspace.join("src"), "a file now").unwrap();
        std::fs::remove_file(workspace.join("link")).unwrap();
        std::fs::create_dir(workspace.join("link")).unwrap();
        std::fs::write(workspace.join("link/file"), "").unwrap();
        fixture.copy().unwrap();
        fixture.assert_equal();
    }

    #[test]
    fn lost_or_damaged_indexes_cost_a_copy_and_no_truth() {
        let fixture = Fixture::new();
        fixture.settle();
        fixture.copy().unwrap();
        for index in [SOURCE_INDEX, WORKSPACE_INDEX] {
            std::fs::write(fixture.directory.path().join("state").join(index), "junk").unwrap();
            let copied = fixture.copy().unwrap();
            assert_eq!((copied.copied, copied.removed), (3, 0), "{index}");
            fixture.assert_equal();
            assert_eq!(fixture.copy().unwrap().copied, 0, "{index}");
        }
    }

    #[test]
    fn directories_that_deny_writing_are_copied_and_updated() {
        let fixture = Fixture::new();
        let mode = |mode| std::fs::set_permissions(fixture.app().join("src"), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o555);
        fixture.settle();
        fixture.copy().unwrap();
        fixture.assert_equal();
        mode(0o755);
        fixture.write("src/lib.rs", "");
        std::fs::remove_file(fixture.app().join("src/main.rs")).unwrap();
        mode(0o555);
        fixture.copy().unwrap();
        fixture.assert_equal();
        mode(0o755);
    }

    #[test]
    fn a_filter_leaves_out_files_and_their_copies() {
        let mut fixture = Fixture::new();
        fixture.write("target/debug/app", "x");
        fixture.settle();
        fixture.copy().unwrap();
        fixture.filter = Filter::new(&[], &["target".to_owned()]).unwrap();
        assert_eq!(fixture.copy().unwrap(), Copied { kept: 4, removed: 1, ..Copied::default() });
        fixture.filter = Filter::new(&["*.rs".to_owned()], &[]).unwrap();
        fixture.copy().unwrap();
        let paths: Vec<_> = fixture.listing(&fixture.workspace()).into_iter().map(|entry| entry.0).collect();
        assert_eq!(paths, [PathBuf::from("src"), PathBuf::from("src/main.rs")]);
        fixture.filter = Filter::new(&["none".to_owned()], &[]).unwrap();
        assert!(matches!(fixture.copy(), Err(CopyError::Filtered(_))));
    }

    #[test]
    fn an_empty_source_is_refused() {
        let fixture = Fixture::new();
        std::fs::remove_dir_all(fixture.app()).unwrap();
        std::fs::create_dir(fixture.app()).unwrap();
        assert!(matches!(fixture.copy(), Err(CopyError::Empty(_))));
    }

    #[test]
    fn the_source_is_not_changed() {
        let fixture = Fixture::new();
        fixture.settle();
        let source = Root::open(&fixture.app()).unwrap();
        let before = StatIndex::record(&source, Path::new("/")).unwrap();
        fixture.copy().unwrap();
        fixture.copy().unwrap();
        assert_eq!(before.difference(&source, Path::new("/")).unwrap(), None);
    }

    #[test]
    fn sockets_are_left_out_by_name() {
        let fixture = Fixture::new();
        let _listener = std::os::unix::net::UnixListener::bind(fixture.app().join("socket")).unwrap();
        assert_eq!(fixture.copy().unwrap().skipped, [PathBuf::from("socket")]);
    }

    #[test]
    fn an_app_larger_than_a_layer_may_be_is_refused_before_it_is_copied() {
        let fixture = Fixture::new();
        let sparse = |name: &str, size: u64| {
            std::fs::File::create(fixture.app().join(name)).unwrap().set_len(size).unwrap();
        };
        sparse("src/hole", 1 << 40);
        sparse("other", 1 << 20);
        let error = fixture.copy().unwrap_err();
        let CopyError::TooLarge { size, largest, largest_size } = error else { panic!("{error}") };
        assert_eq!((largest.as_path(), largest_size), (Path::new("src/hole"), 1 << 40));
        assert_eq!(size, (1 << 40) + (1 << 20) + 21);
        assert!(!fixture.workspace().join("Cargo.toml").exists());
    }
}
