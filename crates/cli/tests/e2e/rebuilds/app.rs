//! The source of a random app, on the disk as in memory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::random::Random;

/// A source tree; every directory above an entry is an entry.
pub(super) struct App {
    /// Where it is.
    pub(super) directory: PathBuf,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    File { content: String, mode: u32 },
    Directory { mode: u32 },
    Link { target: String },
}

const NAMES: &[&str] = &["a", "b.txt", "c.py", "lib", "static"];
const FILE_MODES: &[u32] = &[0o644, 0o755, 0o600, 0o444, 0o4755, 0o666];
const DIRECTORY_MODES: &[u32] = &[0o755, 0o700, 0o711, 0o775, 0o2755, 0o1777, 0o555];

impl App {
    pub(super) fn new(directory: PathBuf, random: &mut Random) -> Self {
        fs::create_dir(&directory).unwrap();
        let mut app = Self { directory, entries: BTreeMap::new() };
        app.set("always".to_owned(), Entry::File { content: "always".to_owned(), mode: 0o644 });
        for _ in 0..4 {
            app.add(random);
        }
        app
    }

    /// Adds something, or puts it in the place of what is there.
    pub(super) fn add(&mut self, random: &mut Random) -> String {
        let mut path = (*random.pick(NAMES)).to_owned();
        for _ in 0..random.below(3) {
            if !matches!(self.entries.get(&path), Some(Entry::Directory { .. })) {
                self.set(path.clone(), Entry::Directory { mode: 0o755 });
            }
            path = format!("{path}/{}", random.pick(NAMES));
        }
        let entry = match random.below(6) {
            0 => Entry::Directory { mode: *random.pick(DIRECTORY_MODES) },
            1 => Entry::Link { target: (*random.pick(&["a", "../always", "/nowhere", "lib"])).to_owned() },
            _ => Entry::File { content: content(random), mode: *random.pick(FILE_MODES) },
        };
        self.set(path.clone(), entry);
        format!("added {path}")
    }

    pub(super) fn change_file(&mut self, random: &mut Random) -> String {
        let Some(path) = self.choose(random, |entry| matches!(entry, Entry::File { .. })) else {
            return self.add(random);
        };
        let Some(Entry::File { mode, .. }) = self.entries.get(&path).cloned() else { unreachable!() };
        self.set(path.clone(), Entry::File { content: content(random), mode });
        format!("changed {path}")
    }

    pub(super) fn change_mode(&mut self, random: &mut Random) -> String {
        let Some(path) = self.choose(random, |entry| !matches!(entry, Entry::Link { .. })) else {
            return self.add(random);
        };
        let changed = match &self.entries[&path] {
            Entry::File { content, .. } => Entry::File { content: content.clone(), mode: *random.pick(FILE_MODES) },
            _ => Entry::Directory { mode: *random.pick(DIRECTORY_MODES) },
        };
        let mode = match &changed {
            Entry::File { mode, .. } | Entry::Directory { mode } => *mode,
            Entry::Link { .. } => 0,
        };
        // In place, so that the inode stays.
        fs::set_permissions(self.directory.join(&path), fs::Permissions::from_mode(mode)).unwrap();
        self.entries.insert(path.clone(), changed);
        format!("mode {mode:o} of {path}")
    }

    pub(super) fn remove(&mut self, random: &mut Random) -> String {
        let Some(path) = self.choose(random, |_| true).filter(|path| path != "always") else { return self.add(random) };
        self.take(&path);
        format!("removed {path}")
    }

    /// Gives files other times, and the same content.
    pub(super) fn touch(&mut self, random: &mut Random) -> String {
        let seconds = Duration::from_secs(random.below(2_000_000_000) as u64);
        let mut touched = Vec::new();
        for (path, entry) in &self.entries {
            if !matches!(entry, Entry::Link { .. }) && random.once_in(2) {
                let file = fs::File::open(self.directory.join(path)).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH + seconds).unwrap();
                touched.push(path.as_str());
            }
        }
        format!("touched {}", touched.join(" "))
    }

    /// Goes on with a copy that was made in another order.
    pub(super) fn copy(&mut self, to: PathBuf, random: &mut Random) -> String {
        fs::create_dir(&to).unwrap();
        let from = std::mem::replace(&mut self.directory, to);
        let mut entries: Vec<(String, Entry)> = std::mem::take(&mut self.entries).into_iter().collect();
        random.shuffle(&mut entries);
        for (path, entry) in entries {
            // A directory whose file came first is there already.
            if let (Entry::Directory { mode }, Some(_)) = (&entry, self.entries.get(&path)) {
                fs::set_permissions(self.directory.join(&path), fs::Permissions::from_mode(mode | 0o700)).unwrap();
                self.entries.insert(path, entry);
                continue;
            }
            let parents: Vec<&Path> = Path::new(&path).ancestors().skip(1).collect();
            for parent in parents.into_iter().rev().filter(|parent| !parent.as_os_str().is_empty()) {
                let parent = parent.to_str().unwrap();
                if !self.entries.contains_key(parent) {
                    self.set(parent.to_owned(), Entry::Directory { mode: 0o755 });
                }
            }
            self.set(path, entry);
        }
        for (path, entry) in &self.entries {
            if let Entry::Directory { mode } = entry {
                fs::set_permissions(self.directory.join(path), fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
        make_removable(&from);
        fs::remove_dir_all(from).unwrap();
        "copied in another order".to_owned()
    }

    fn choose(&self, random: &mut Random, is_meant: impl Fn(&Entry) -> bool) -> Option<String> {
        let paths: Vec<&String> =
            self.entries.iter().filter(|(_, entry)| is_meant(entry)).map(|(path, _)| path).collect();
        (!paths.is_empty()).then(|| random.pick(&paths).to_string())
    }

    fn take(&mut self, path: &str) {
        self.with_open_parent(path, |path| {
            if path.is_dir() && !path.is_symlink() {
                make_removable(path);
                fs::remove_dir_all(path).unwrap();
            } else if path.is_symlink() || path.exists() {
                fs::remove_file(path).unwrap();
            }
        });
        self.entries.retain(|name, _| name != path && !name.starts_with(&format!("{path}/")));
    }

    fn set(&mut self, path: String, entry: Entry) {
        self.take(&path);
        self.with_open_parent(&path, |path| match &entry {
            Entry::File { content, mode } => {
                fs::write(path, content).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Directory { mode } => {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Link { target } => symlink(target, path).unwrap(),
        });
        self.entries.insert(path, entry);
    }

    /// Does something below a directory that may deny it to its owner.
    fn with_open_parent(&self, path: &str, act: impl FnOnce(&Path)) {
        let path = self.directory.join(path);
        let parent = path.parent().unwrap();
        let mode = fs::metadata(parent).map(|found| found.permissions().mode()).ok();
        if mode.is_some() {
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
        }
        act(&path);
        if let Some(mode) = mode {
            fs::set_permissions(parent, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn content(random: &mut Random) -> String {
    // Of few sizes, so that a change often keeps the size.
    format!("content {:03}\n", random.below(1000)).repeat(1 + random.below(2))
}

fn make_removable(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            make_removable(&entry.path());
        }
    }
}
