//! Random stacks of layers: from a seed, always the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dhow_layer::{Entry, EntryKind, FileSource, Owner};

const NAMES: &[&str] = &["a", "b", "c", "d"];
const TARGETS: &[&str] = &["a", "b", "/a", "/b/c", "../b", "c/d", ".", "..", "/", "/d/a", "../../c", "a/../b"];
const DIRECTORY_MODES: &[u32] = &[0o755, 0o755, 0o700, 0o1777, 0o775, 0o555, 0o500, 0o711, 0o000];
const FILE_MODES: &[u32] = &[0o644, 0o600, 0o755, 0o4755, 0o2711, 0o444, 0o000];
const OWNERS: &[Owner] = &[Owner::ROOT, Owner { uid: 1000, gid: 1000 }, Owner { uid: 33, gid: 0 }];

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// What an entry was that was made at a path, as far as it matters for what may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Directory,
    Link,
    File,
}

/// Makes stacks that are mostly such as umoci takes: no file is used as a directory, and hard links name files.
struct Maker {
    random: Random,
    made: BTreeMap<String, Made>,
    files: u32,
}

/// Returns the layers of a seed, the lowest first.
pub(super) fn stack(seed: u64) -> Vec<Vec<Entry>> {
    let mut maker = Maker { random: Random(seed), made: BTreeMap::new(), files: 0 };
    let layers = 2 + maker.random.below(4);
    (0..layers)
        .map(|layer| {
            let entries = 1 + maker.random.below(if layer == 0 { 14 } else { 8 });
            (0..entries).filter_map(|_| maker.entry(layer > 0)).collect()
        })
        .collect()
}

impl Maker {
    fn entry(&mut self, has_lower: bool) -> Option<Entry> {
        let path = self.path()?;
        let owner = self.random.of(OWNERS);
        match self.random.below(if has_lower { 20 } else { 12 }) {
            0..=2 => {
                let mode = self.random.of(DIRECTORY_MODES);
                self.note(&path, Made::Directory);
                Some(Entry::directory(path, mode, owner))
            }
            3..=6 => {
                self.files += 1;
                let (content, mode) = (format!("content {}", self.files), self.random.of(FILE_MODES));
                self.note(&path, Made::File);
                Some(Entry::file(path, content.into_bytes(), mode, owner))
            }
            7..=8 => {
                let target = self.random.of(TARGETS);
                self.note(&path, Made::Link);
                Some(Entry::symlink(path, target, 0o777, owner))
            }
            9..=10 => {
                let files: Vec<&String> =
                    self.made.iter().filter(|(_, made)| **made == Made::File).map(|(path, _)| path).collect();
                let target = (!files.is_empty()).then(|| files[self.random.below(files.len())].clone())?;
                if path == target || target.starts_with(&format!("{path}/")) {
                    return None;
                }
                self.note(&path, Made::File);
                Some(Entry { path: path.into(), kind: EntryKind::HardLink(target.into()), mode: 0o644, owner })
            }
            11 => {
                self.note(&path, Made::File);
                Some(Entry { path: path.into(), kind: EntryKind::Fifo, mode: self.random.of(FILE_MODES), owner })
            }
            12..=16 => {
                self.forget(&path);
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
                Some(whiteout(parent, &format!(".wh.{name}")))
            }
            _ => {
                self.made.retain(|made, _| !made.starts_with(&format!("{path}/")));
                let directory = if self.random.below(12) == 0 { "" } else { &path };
                if directory.is_empty() {
                    self.made.clear();
                }
                Some(whiteout(directory, ".wh..wh..opq"))
            }
        }
    }

    /// Returns a path whose directories are no files, as far as is known, and mostly no links.
    fn path(&mut self) -> Option<String> {
        let depth = 1 + self.random.below(4);
        let path = (0..depth).map(|_| self.random.of(NAMES)).collect::<Vec<_>>().join("/");
        if self.leads_through(&path, Made::File) || self.leads_through(&path, Made::Link) && self.random.below(3) > 0 {
            return None;
        }
        Some(path)
    }

    fn leads_through(&self, path: &str, made: Made) -> bool {
        path.match_indices('/').any(|(end, _)| self.made.get(&path[..end]) == Some(&made))
    }

    fn note(&mut self, path: &str, made: Made) {
        if self.leads_through(path, Made::Link) {
            return;
        }
        if made != Made::Directory {
            self.forget(path);
        }
        self.made.insert(path.to_owned(), made);
    }

    fn forget(&mut self, path: &str) {
        self.made.retain(|made, _| made != path && !made.starts_with(&format!("{path}/")));
    }
}

fn whiteout(directory: &str, name: &str) -> Entry {
    let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    Entry::file(path, *b"", 0o644, Owner::ROOT)
}

/// Returns the layers as text.
pub(super) fn shown(layers: &[Vec<Entry>]) -> String {
    let mut text = String::new();
    for (number, entries) in layers.iter().enumerate() {
        writeln!(text, "layer {number}").unwrap();
        for Entry { path, kind, mode, owner } in entries {
            let kind = match kind {
                EntryKind::File(FileSource::Bytes(bytes)) => format!("file {:?}", String::from_utf8_lossy(bytes)),
                other => format!("{other:?}"),
            };
            writeln!(text, "    {} {mode:o} {}:{} {kind}", path.display(), owner.uid, owner.gid).unwrap();
        }
    }
    text
}
