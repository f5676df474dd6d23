//! Zip archives as the app's source.
//!
//! An archive is hostile until shown otherwise: every name is checked before anything is written, and nothing is written
//! through a link, wherever that leads. Of one that did not change since its files were unpacked, none is unpacked again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use ::zip::read::ZipFile;
use ::zip::{System, ZipArchive};
use dhow_fs::{Operation, PathError, Root, WalkEntry, file_clock_ns};

use super::error::{CopyError, LARGEST_APP, ZipSourceError};
use super::filter::{Filter, Verdict};
use super::indexed_entry::IndexedEntry;
use super::stat_index::StatIndex;
use super::workspace::{Copied, Workspace};

/// What is to be made of an entry of the archive.
struct Planned {
    position: usize,
    kind: Kind,
    mode: u32,
}

enum Kind {
    Directory,
    File,
    Symlink(PathBuf),
}

/// Why one entry could not be written.
enum EntryError {
    Zip(ZipSourceError),
    Workspace(PathError),
}

impl From<PathError> for EntryError {
    fn from(error: PathError) -> Self {
        Self::Workspace(error)
    }
}

/// Unpacks the archive at `path` into the workspace, unless the workspace is what the same archive gave before.
pub(super) fn copy(workspace: &Workspace<'_>, filter: &Filter, path: &Path) -> Result<Copied, CopyError> {
    let fail = |source: ZipSourceError| CopyError::Zip { path: path.to_owned(), source };
    let now = file_clock_ns();
    let archive_entry = archive_entry(path).map_err(|error| fail(error.into()))?;
    let origin = format!("{path:?} {}", filter.as_written());
    if let Some(kept) = kept(workspace, &origin, &archive_entry)? {
        workspace.settle_times()?;
        return Ok(Copied { kept, ..Copied::default() });
    }
    let file = Root::host().and_then(|root| root.open_file(path)).map_err(|error| fail(error.into()))?;
    let mut archive = ZipArchive::new(file)
        .map_err(|source| fail(ZipSourceError::Malformed { what: "the archive".to_owned(), source }))?;
    refuse_overlap(&mut archive).map_err(fail)?;
    let every = plan(&mut archive).map_err(fail)?;
    let holds_something = !every.is_empty();
    let planned: BTreeMap<_, _> = every
        .into_iter()
        .filter(|(path, entry)| filter.verdict(path, matches!(entry.kind, Kind::Directory)) == Verdict::Keep)
        .collect();
    if planned.is_empty() && holds_something {
        return Err(CopyError::Filtered(path.to_owned()));
    }
    let mut copied = Copied::default();
    workspace.empty(&mut copied)?;
    let mut left = LARGEST_APP;
    for (entry_path, entry) in &planned {
        write(workspace, &mut archive, entry_path, entry, &mut left).map_err(|error| match error {
            EntryError::Zip(source) => fail(source),
            EntryError::Workspace(error) => CopyError::Workspace(error),
        })?;
        copied.copied += 1;
    }
    workspace.settle_times()?;
    let closed = planned.iter().rev().filter(|(_, entry)| matches!(entry.kind, Kind::Directory));
    for (entry_path, entry) in closed {
        workspace.settle(&workspace.path.join(entry_path), entry.mode)?;
    }
    workspace.save_indexes(&origin, &StatIndex::of(vec![IndexedEntry::of(&archive_entry, now)]))?;
    Ok(copied)
}

/// Returns the text of an entry of at most `limit` bytes; `None` if there is none of this name. As when the archive is
/// unpacked, the last of several counts.
pub(super) fn read_to_string(path: &Path, name: &Path, limit: u64) -> Result<Option<String>, ZipSourceError> {
    let file = Root::host().and_then(|root| root.open_file(path))?;
    let malformed = |what: &str| {
        let what = what.to_owned();
        |source| ZipSourceError::Malformed { what, source }
    };
    let mut archive = ZipArchive::new(file).map_err(malformed("the archive"))?;
    let is_meant = |position: &usize| {
        let found = archive.name_for_index(*position).and_then(Result::ok);
        let found = found.and_then(|found| checked_path(found.as_bytes()));
        found.is_some_and(|found| found == name)
    };
    let Some(position) = (0..archive.len()).rev().find(is_meant) else { return Ok(None) };
    let shown = name.display().to_string();
    let entry = archive.by_index(position).map_err(malformed(&format!("entry `{shown}`")))?;
    if entry.is_symlink() {
        return Err(ZipSourceError::Linked(shown));
    }
    let mut text = String::new();
    let content = |source| ZipSourceError::Content { entry: shown.clone(), source };
    entry.take(limit + 1).read_to_string(&mut text).map_err(content)?;
    match text.len() as u64 > limit {
        true => Err(ZipSourceError::Long { entry: shown, limit }),
        false => Ok(Some(text)),
    }
}

fn refuse_overlap(archive: &mut ZipArchive<File>) -> Result<(), ZipSourceError> {
    match archive.has_overlapping_files() {
        Ok(false) => Ok(()),
        Ok(true) => Err(ZipSourceError::Overlap),
        Err(source) => Err(ZipSourceError::Malformed { what: "the archive".to_owned(), source }),
    }
}

/// Returns the archive's file as the one entry of its source index.
fn archive_entry(path: &Path) -> Result<WalkEntry, PathError> {
    let stat = Root::host()?.metadata(path)?;
    Ok(WalkEntry { path: PathBuf::new(), stat, target: None })
}

/// Returns the number of entries in the workspace if it is what the unchanged archive was unpacked to.
fn kept(workspace: &Workspace<'_>, origin: &str, archive: &WalkEntry) -> Result<Option<u64>, CopyError> {
    let before = workspace.load_indexes(origin);
    let (Some(source), Some(copy)) = (before.source, before.workspace) else { return Ok(None) };
    let archive_is_same = source.entry(Path::new("")).is_some_and(|entry| entry.matches(archive));
    if archive_is_same && copy.matches(workspace.root, workspace.path)? {
        return Ok(Some(copy.entries().len().saturating_sub(1) as u64));
    }
    Ok(None)
}

/// Returns what the archive holds, checked. Of entries with the same path the last counts.
fn plan(archive: &mut ZipArchive<File>) -> Result<BTreeMap<PathBuf, Planned>, ZipSourceError> {
    let mut planned = BTreeMap::new();
    for position in 0..archive.len() {
        let mut entry = archive
            .by_index(position)
            .map_err(|source| ZipSourceError::Malformed { what: format!("entry {position}"), source })?;
        let shown = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let path = checked_path(entry.name_raw()).ok_or_else(|| ZipSourceError::Name(shown.clone()))?;
        let mode = mode(&entry);
        let kind = match (entry.is_dir(), entry.is_symlink()) {
            (true, _) => Kind::Directory,
            (_, true) => Kind::Symlink(link_target(&mut entry, &shown)?),
            _ => Kind::File,
        };
        if !path.as_os_str().is_empty() {
            planned.insert(path, Planned { position, kind, mode });
        }
    }
    for path in planned.keys() {
        for parent in path.ancestors().skip(1) {
            if planned.get(parent).is_some_and(|entry| !matches!(entry.kind, Kind::Directory)) {
                let (entry, parent) = (path.display().to_string(), parent.display().to_string());
                return Err(ZipSourceError::BelowFile { entry, parent });
            }
        }
    }
    Ok(planned)
}

fn write(
    workspace: &Workspace<'_>,
    archive: &mut ZipArchive<File>,
    entry_path: &Path,
    entry: &Planned,
    left: &mut u64,
) -> Result<(), EntryError> {
    let path = workspace.path.join(entry_path);
    if let Some(parent) = entry_path.parent() {
        let missing: Vec<_> = parent
            .ancestors()
            .filter(|ancestor| !ancestor.as_os_str().is_empty())
            .map(|ancestor| workspace.path.join(ancestor))
            .take_while(|ancestor| !workspace.root.exists(ancestor))
            .collect();
        for ancestor in missing.iter().rev() {
            workspace.make_directory(ancestor, 0o755)?;
        }
    }
    match &entry.kind {
        Kind::Directory => workspace.make_directory(&path, entry.mode | 0o700)?,
        Kind::Symlink(target) => workspace.make_link(target, &path)?,
        Kind::File => {
            let shown = entry_path.display().to_string();
            let content = archive.by_index(entry.position).map_err(|source| {
                EntryError::Zip(ZipSourceError::Malformed { what: format!("entry `{shown}`"), source })
            })?;
            let target = workspace.root.host_path(&path);
            workspace.make_file(&path, entry.mode, |file| write_content(content, &shown, left, file, &target))?;
        }
    }
    Ok(())
}

/// Writes the content of an entry; `left` is how much may still be written, and goes down.
fn write_content(
    mut content: impl Read,
    entry: &str,
    left: &mut u64,
    file: &mut File,
    target: &Path,
) -> Result<u64, EntryError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let count = content
            .read(&mut buffer)
            .map_err(|source| EntryError::Zip(ZipSourceError::Content { entry: entry.to_owned(), source }))?;
        if count == 0 {
            return Ok(total);
        }
        *left = left
            .checked_sub(count as u64)
            .ok_or_else(|| EntryError::Zip(ZipSourceError::TooLarge { entry: entry.to_owned(), limit: LARGEST_APP }))?;
        file.write_all(&buffer[..count]).map_err(|source| PathError::new(Operation::Write, target, source))?;
        total += count as u64;
    }
}

/// Returns the name as a path below the app directory: `None` for an absolute one, one with `..` or NUL.
fn checked_path(name: &[u8]) -> Option<PathBuf> {
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) if !part.as_bytes().contains(&0) => path.push(part),
            Component::CurDir => {}
            Component::Normal(_) | Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// Returns what a link says; where it leads is its own affair, as in an app directory.
fn link_target(entry: &mut ZipFile<'_, File>, shown: &str) -> Result<PathBuf, ZipSourceError> {
    let mut target = Vec::new();
    entry
        .take(LONGEST_LINK + 1)
        .read_to_end(&mut target)
        .map_err(|source| ZipSourceError::Content { entry: shown.to_owned(), source })?;
    if target.len() as u64 > LONGEST_LINK || target.is_empty() || target.contains(&0) {
        return Err(ZipSourceError::Link(shown.to_owned()));
    }
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&target)))
}

/// Returns the permission bits. An archive made where there are none gives its files those of a
/// program, since it cannot say which are.
fn mode(entry: &ZipFile<'_, File>) -> u32 {
    match (entry.system(), entry.unix_mode()) {
        (System::Unix | System::OsDarwin, Some(mode)) if mode & 0o7777 != 0 => mode & 0o7777,
        _ => 0o755,
    }
}

const LONGEST_LINK: u64 = 4095;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]
mod tests {
    use super::*;
    use crate::app::{AppCopy, Source};
    use ::zip::write::{SimpleFileOptions, ZipWriter};
    use dhow_fs::Work;
    use dhow_lifecycle::export::REPRODUCIBLE_TIME;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    struct Fixture {
        directory: tempfile::TempDir,
        root: Root,
        filter: Filter,
        work: Work,
    }

    enum Made<'a> {
        File(&'a str, &'a str, u32),
        Directory(&'a str),
        Link(&'a str, &'a str),
    }
    use Made::{Directory, Link};

    fn file<'a>(name: &'a str, content: &'a str) -> Made<'a> {
        Made::File(name, content, 0o644)
    }

    impl Fixture {
        fn new(entries: &[Made<'_>]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for name in ["build", "state"] {
                std::fs::create_dir(directory.path().join(name)).unwrap();
            }
            let root = Root::open(&directory.path().join("build")).unwrap();
            let fixture = Self { directory, root, filter: Filter::default(), work: Work::default() };
            fixture.make(entries);
            fixture
        }

        fn make(&self, entries: &[Made<'_>]) {
            let mut writer = ZipWriter::new(File::create(self.directory.path().join("app.zip")).unwrap());
            let options = SimpleFileOptions::default();
            for entry in entries {
                match entry {
                    Made::File(name, content, mode) => {
                        writer.start_file(*name, options.unix_permissions(*mode)).unwrap();
                        writer.write_all(content.as_bytes()).unwrap();
                    }
                    Directory(name) => writer.add_directory(*name, options.unix_permissions(0o755)).unwrap(),
                    Link(name, target) => writer.add_symlink(*name, *target, options).unwrap(),
                }
            }
            writer.finish().unwrap();
        }

        fn copy(&self) -> Result<Copied, CopyError> {
            let source = Source::open(&self.directory.path().join("app.zip")).unwrap();
            let state = self.directory.path().join("state");
            AppCopy {
                source: &source,
                filter: &self.filter,
                apart: &[],
                root: &self.root,
                workspace: Path::new("/workspace"),
                state: &state,
                owner: None,
                work: &self.work,
            }
            .run()
        }

        fn refusal(entries: &[Made<'_>]) -> ZipSourceError {
            let fixture = Self::new(entries);
            match fixture.copy() {
                Err(CopyError::Zip { source, .. }) => {
                    let written = std::fs::read_dir(fixture.directory.path().join("build/workspace")).unwrap();
                    assert_eq!(written.count(), 0);
                    source
                }
                other => panic!("{other:?}"),
            }
        }

        /// Waits until the archive's file is older than the file clock.
        fn settle(&self) {
            StatIndex::record(&Root::open(self.directory.path()).unwrap(), Path::new("/")).unwrap();
        }
    }

    #[test]
    fn an_archive_is_unpacked_with_modes_and_links_and_only_once() {
        let fixture = Fixture::new(&[
            Directory("bin/"),
            Made::File("bin/run", "#!/bin/sh", 0o755),
            file("deep/below/file", "x"),
            Link("deep/run", "../bin/run"),
        ]);
        fixture.settle();
        assert_eq!(fixture.copy().unwrap().copied, 4);
        let workspace = fixture.directory.path().join("build/workspace");
        assert_eq!(std::fs::metadata(workspace.join("deep/run")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read(workspace.join("deep/below/file")).unwrap(), b"x");
        let times = || -> Vec<i64> {
            let paths = ["", "bin", "bin/run", "deep", "deep/below", "deep/below/file"];
            paths.iter().map(|path| std::fs::metadata(workspace.join(path)).unwrap().mtime()).collect()
        };
        assert_eq!(times(), [REPRODUCIBLE_TIME; 6]);
        // What a build leaves without a trace in any name.
        std::fs::write(workspace.join("deep/passing"), "x").unwrap();
        std::fs::remove_file(workspace.join("deep/passing")).unwrap();
        let before = fixture.work.report();
        assert_eq!(fixture.copy().unwrap(), Copied { kept: 6, ..Copied::default() });
        assert_eq!(fixture.work.report(), before);
        assert_eq!(times(), [REPRODUCIBLE_TIME; 6]);
        std::fs::write(workspace.join("extra"), "").unwrap();
        assert_eq!(fixture.copy().unwrap().copied, 4);
        assert!(!workspace.join("extra").exists());
    }

    #[test]
    fn another_archive_or_filter_replaces_everything() {
        let mut fixture = Fixture::new(&[file("a", "1"), file("b", "2")]);
        fixture.settle();
        fixture.copy().unwrap();
        fixture.filter = Filter::new(&[], &["b".to_owned()]).unwrap();
        fixture.copy().unwrap();
        let workspace = fixture.directory.path().join("build/workspace");
        assert!(workspace.join("a").exists() && !workspace.join("b").exists());
        fixture.make(&[file("c", "3")]);
        fixture.copy().unwrap();
        assert!(workspace.join("c").exists() && !workspace.join("a").exists());
    }

    #[test]
    fn names_that_lead_out_are_refused_before_anything_is_written() {
        for name in ["../x", "/abs", "a/../../x", "a/.."] {
            assert!(matches!(Fixture::refusal(&[file("ok", ""), file(name, "")]), ZipSourceError::Name(_)), "{name}");
        }
    }

    #[test]
    fn links_lead_where_they_say_as_in_an_app_directory() {
        for target in ["/etc/passwd", "..", "../x", "a/../../x", "a/.."] {
            let fixture = Fixture::new(&[file("ok", ""), Link("link", target)]);
            fixture.copy().unwrap();
            let link = fixture.directory.path().join("build/workspace/link");
            assert_eq!(std::fs::read_link(link).unwrap(), Path::new(target));
        }
        assert!(matches!(Fixture::refusal(&[file("ok", ""), Link("link", "")]), ZipSourceError::Link(_)));
    }

    #[test]
    fn entries_that_share_their_data_are_refused() {
        let fixture = Fixture::new(&[file("a", "content"), file("b", "content")]);
        let path = fixture.directory.path().join("app.zip");
        let mut bytes = std::fs::read(&path).unwrap();
        // The second entry of the directory at the end is made to begin where the first does.
        let signature = b"PK\x01\x02";
        let positions: Vec<usize> =
            (0..bytes.len() - 4).filter(|&position| bytes[position..].starts_with(signature)).collect();
        bytes.copy_within(positions[0] + 42..positions[0] + 46, positions[1] + 42);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(fixture.copy(), Err(CopyError::Zip { source: ZipSourceError::Overlap, .. })));
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let refusal = Fixture::refusal(&[Link("dir", "other"), file("dir/file", "x"), Directory("other")]);
        assert!(matches!(refusal, ZipSourceError::BelowFile { .. }));
    }

    #[test]
    fn an_empty_archive_is_an_empty_app() {
        let empty = Fixture::new(&[]);
        assert_eq!((empty.copy().unwrap(), empty.copy().unwrap()), (Copied::default(), Copied::default()));
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let fixture = Fixture::new(&[file("a", &"content ".repeat(100))]);
        let path = fixture.directory.path().join("app.zip");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(fixture.copy(), Err(CopyError::Zip { source: ZipSourceError::Content { .. }, .. })));
        bytes.truncate(bytes.len() / 2);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(fixture.copy(), Err(CopyError::Zip { source: ZipSourceError::Malformed { .. }, .. })));
    }
}
