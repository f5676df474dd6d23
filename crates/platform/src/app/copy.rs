//! Copies the source into the workspace: what changed is copied, what vanished is removed.
//!
//! A file of the workspace is kept when its source is as it was when it was copied *and* the copy
//! is as it was left then, so what a buildpack did to the workspace is undone. Both are told by stat
//! indexes. They may be lost or stale at any time: then files are copied again, never kept wrongly.

use std::path::{Path, PathBuf};

use dhow_fs::{Root, Work};

use super::directory::Directory;
use super::error::CopyError;
use super::filter::Filter;
use super::source::Source;
use super::workspace::{Copied, Workspace};
use super::zip;

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

impl AppCopy<'_> {
    /// Brings the workspace up to date. The source is only read.
    ///
    /// Modes are those of the source whatever the umask is. Everything has one time,
    /// [`REPRODUCIBLE_TIME`](dhow_lifecycle::export::REPRODUCIBLE_TIME), whatever the source's times are.
    pub fn run(&self) -> Result<Copied, CopyError> {
        let &Self { root, workspace: path, state, owner, work, .. } = self;
        let workspace = Workspace { root, path, state, owner, work };
        workspace.prepare()?;
        match self.source {
            Source::Directory(path) => {
                Directory { path, filter: self.filter, apart: self.apart, workspace: &workspace }.copy()
            }
            Source::Zip(path) => zip::copy(&workspace, self.filter, path),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;
    use crate::app::StatIndex;
    use crate::app::workspace::{SOURCE_INDEX, WORKSPACE_INDEX};
    use dhow_fs::{FileKind, PathError, Step};
    use dhow_lifecycle::export::REPRODUCIBLE_TIME;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    struct Fixture {
        directory: tempfile::TempDir,
        root: Root,
        filter: Filter,
        apart: Vec<PathBuf>,
        owner: Option<(u32, u32)>,
        work: Work,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            for name in ["app/src", "build", "state"] {
                std::fs::create_dir_all(directory.path().join(name)).unwrap();
            }
            let root = Root::open(&directory.path().join("build")).unwrap();
            let (filter, work) = (Filter::default(), Work::default());
            let fixture = Self { directory, root, filter, apart: Vec::new(), owner: None, work };
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
                owner: self.owner,
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

    /// Returns what in the workspace has another time than an app's files have, its top first.
    fn other_times(fixture: &Fixture) -> Vec<PathBuf> {
        let root = Root::open(&fixture.workspace()).unwrap();
        let mut others = Vec::new();
        root.walk(Path::new("/"), |entry| {
            if entry.stat.mtime_ns != i128::from(REPRODUCIBLE_TIME) * 1_000_000_000 {
                others.push(entry.path.clone());
            }
            Ok::<_, PathError>(Step::Enter)
        })
        .unwrap();
        others
    }

    #[test]
    fn everything_has_one_time_after_each_copy() {
        let fixture = Fixture::new();
        fixture.write("deep/below/file", "x");
        fixture.settle();
        fixture.copy().unwrap();
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        let workspace = fixture.workspace();
        // What a build leaves without a trace in any name.
        std::fs::write(workspace.join("src/passing"), "x").unwrap();
        std::fs::remove_file(workspace.join("src/passing")).unwrap();
        assert_eq!(other_times(&fixture), [PathBuf::from("src")]);
        assert_eq!(fixture.copy().unwrap().copied, 0);
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        std::fs::write(workspace.join("passing"), "x").unwrap();
        std::fs::remove_file(workspace.join("passing")).unwrap();
        assert_eq!(other_times(&fixture), [PathBuf::new()]);
        assert_eq!(fixture.copy().unwrap().copied, 0);
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        std::fs::File::open(workspace.join("Cargo.toml")).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        assert_eq!(fixture.copy().unwrap().copied, 1);
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        fixture.write("src/main.rs", "fn main() { }");
        fixture.write("deep/new", "n");
        std::fs::remove_dir_all(fixture.app().join("deep/below")).unwrap();
        fixture.copy().unwrap();
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        fixture.assert_equal();
    }

    #[test]
    fn a_touched_source_is_copied_to_the_same_copy() {
        let fixture = Fixture::new();
        fixture.settle();
        fixture.copy().unwrap();
        let source = std::fs::File::open(fixture.app().join("Cargo.toml")).unwrap();
        source.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(fixture.copy().unwrap().copied, 1);
        assert_eq!(other_times(&fixture), Vec::<PathBuf>::new());
        fixture.assert_equal();
    }

    #[test]
    fn a_copy_for_another_owner_is_another_copy() {
        let mut fixture = Fixture::new();
        fixture.settle();
        let own = std::fs::metadata(fixture.app()).unwrap();
        fixture.owner = Some((own.uid(), own.gid()));
        fixture.copy().unwrap();
        assert_eq!(fixture.copy().unwrap().kept, 4);
        if own.uid() != 0 {
            // Only root gives files away.
            return;
        }
        fixture.owner = Some((4321, 1234));
        fixture.copy().unwrap();
        for path in ["", "Cargo.toml", "src", "src/main.rs", "link"] {
            let stat = fixture.root.symlink_metadata(&Path::new("/workspace").join(path)).unwrap();
            assert_eq!((stat.uid, stat.gid), (4321, 1234), "{path}");
        }
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
    fn an_empty_source_is_copied_and_empties_the_workspace() {
        let fixture = Fixture::new();
        fixture.copy().unwrap();
        std::fs::remove_dir_all(fixture.app()).unwrap();
        std::fs::create_dir(fixture.app()).unwrap();
        assert_eq!(fixture.copy().unwrap(), Copied { removed: 3, ..Copied::default() });
        assert_eq!(fixture.copy().unwrap(), Copied::default());
        fixture.assert_equal();
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
