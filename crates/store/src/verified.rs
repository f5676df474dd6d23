//! Which files have been read and were found to hold what their names say.
//!
//! A blob is named by its digest, and still may hold other bytes: a disk may fail, a tool may write into it. Reading each
//! blob for each image would cost more than making the image. So a file that was read once is remembered, by its device,
//! inode, size and time of modification. A file's time of change is no part of it, because every hard link moves that,
//! and blobs are shared by hard links.
//!
//! A file that is modified in the tick of the clock in which it was read may bear the same time afterwards. What was
//! modified so recently is trusted by this process alone, and not remembered (as in git's index).
//!
//! ```text
//! dhow verified blobs 1
//! DEVICE INODE SIZE MTIME_NS DIGEST        one line for each file, the least recently used first
//! ```

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dhow_fs::{AtomicFile, PathError, Root, Stat};
use dhow_oci::Digest;

const HEADER: &str = "dhow verified blobs 1";
/// How many files are remembered.
const MOST: usize = 2000;
/// More than that many lines of the longest kind.
const LIMIT: u64 = 1024 * 1024;
const SECOND_NS: i128 = 1_000_000_000;

/// The files that were read and found whole, shared by all layouts of a process.
#[derive(Debug, Default)]
pub struct Verified {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Identity, Entry>,
    /// Grows with each use, so that the least recently used are found.
    uses: u64,
    is_changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime_ns: i128,
}

#[derive(Clone, Debug)]
struct Entry {
    digest: Digest,
    last_use: u64,
    /// Whether a later change would show in the identity.
    is_settled: bool,
}

impl Verified {
    /// Returns what `file` remembers. One that is missing or damaged remembers nothing, or less.
    #[must_use]
    pub fn load(file: PathBuf) -> Self {
        let text = Root::host().and_then(|host| host.read(&file, LIMIT)).unwrap_or_default();
        let mut known = Known::default();
        for (identity, digest) in parse(&String::from_utf8_lossy(&text)) {
            known.insert(identity, digest, true);
        }
        Self { file: Some(file), known: Mutex::new(known) }
    }

    /// Writes what is remembered, if there is anything new: atomically, and not synced, since it can be found out again.
    ///
    /// Another process that does so at the same time may be overwritten, which costs another reading.
    pub fn save(&self) -> Result<(), PathError> {
        let mut known = self.lock();
        let Some(file) = self.file.as_ref().filter(|_| known.is_changed) else { return Ok(()) };
        let mut settled: Vec<(&Identity, &Entry)> =
            known.entries.iter().filter(|(_, entry)| entry.is_settled).collect();
        settled.sort_unstable_by_key(|(_, entry)| entry.last_use);
        let mut text = format!("{HEADER}\n");
        for (identity, entry) in &settled[settled.len().saturating_sub(MOST)..] {
            let Identity { device, inode, size, mtime_ns } = identity;
            text += &format!("{device} {inode} {size} {mtime_ns} {}\n", entry.digest);
        }
        AtomicFile::replace_unsynced(file, text.as_bytes(), 0o600)?;
        known.is_changed = false;
        Ok(())
    }

    /// Tells whether the file with these facts was read and had this digest.
    pub(crate) fn knows(&self, stat: &Stat, digest: &Digest) -> bool {
        let mut known = self.lock();
        let uses = known.uses;
        let Some(entry) = known.entries.get_mut(&Identity::of(stat)) else { return false };
        entry.last_use = uses;
        let is_same = entry.digest == *digest;
        known.uses += 1;
        is_same
    }

    /// Notes that a file with these facts has this digest. `clock_ns` is what the file clock showed before it was read.
    pub(crate) fn note(&self, stat: &Stat, digest: &Digest, clock_ns: i128) {
        let mut known = self.lock();
        known.insert(Identity::of(stat), digest.clone(), is_settled(stat.mtime_ns, clock_ns));
        known.is_changed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn insert(&mut self, identity: Identity, digest: Digest, is_settled: bool) {
        let entry = Entry { digest, last_use: self.uses, is_settled };
        self.entries.insert(identity, entry);
        self.uses += 1;
    }
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.device, inode: stat.inode, size: stat.size, mtime_ns: stat.mtime_ns }
    }
}

/// Tells whether a modification after `clock_ns` would bear another time. Some file systems know whole seconds only.
fn is_settled(mtime_ns: i128, clock_ns: i128) -> bool {
    match mtime_ns % SECOND_NS {
        0 => clock_ns - mtime_ns > 2 * SECOND_NS,
        _ => clock_ns > mtime_ns,
    }
}

fn parse(text: &str) -> impl Iterator<Item = (Identity, Digest)> {
    let mut lines = text.lines();
    let lines = (lines.next() == Some(HEADER)).then_some(lines);
    lines.into_iter().flatten().filter_map(|line| {
        let [device, inode, size, mtime_ns, digest] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let identity = Identity {
            device: device.parse().ok()?,
            inode: inode.parse().ok()?,
            size: size.parse().ok()?,
            mtime_ns: mtime_ns.parse().ok()?,
        };
        Some((identity, digest.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn stat(inode: u64, mtime_ns: i128) -> Stat {
        let stat = Root::host().unwrap().metadata(Path::new("/")).unwrap();
        Stat { inode, mtime_ns, ..stat }
    }

    #[test]
    fn what_is_noted_is_known_by_the_next_process_unless_it_was_modified_too_recently() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("verified");
        let digest = Digest::of(b"x");
        let verified = Verified::load(file.clone());
        let cases = [(1, 5, 6, true), (2, 6, 6, false), (3, 7, 6, false), (4, SECOND_NS, 2 * SECOND_NS, false)];
        for (inode, mtime, clock, _) in cases {
            verified.note(&stat(inode, mtime), &digest, clock);
        }
        verified.save().unwrap();
        let next = Verified::load(file);
        for (inode, mtime, _, is_kept) in cases {
            assert!(verified.knows(&stat(inode, mtime), &digest));
            assert_eq!(next.knows(&stat(inode, mtime), &digest), is_kept, "{inode}");
        }
        assert!(!next.knows(&stat(1, 4), &digest), "another time");
        assert!(!next.knows(&stat(9, 5), &digest), "another file");
        assert!(!next.knows(&stat(1, 5), &Digest::of(b"y")), "another content");
    }

    #[test]
    fn the_least_recently_used_are_forgotten_and_damage_forgets_what_it_hits() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("verified");
        let digest = Digest::of(b"x");
        let verified = Verified::load(file.clone());
        let most = MOST as u64;
        (0..=most).for_each(|inode| verified.note(&stat(inode, 5), &digest, 6));
        assert!(verified.knows(&stat(0, 5), &digest));
        verified.save().unwrap();
        let next = Verified::load(file.clone());
        assert!(next.knows(&stat(0, 5), &digest) && next.knows(&stat(most, 5), &digest));
        assert!(!next.knows(&stat(1, 5), &digest));
        let text = Root::host().unwrap().read_to_string(&file, LIMIT).unwrap();
        AtomicFile::replace(&file, &text.as_bytes()[..text.len() - 2], 0o600).unwrap();
        let cut = Verified::load(file.clone());
        assert!(!cut.knows(&stat(0, 5), &digest) && cut.knows(&stat(2, 5), &digest));
        AtomicFile::replace(&file, b"other\n", 0o600).unwrap();
        assert!(!Verified::load(file).knows(&stat(2, 5), &digest));
    }
}
