//! Writers at work, and what dead ones left.
//!
//! ```text
//! LAYOUT/.dhow-<unique>/        one for each writer, mode 0700, removed when the writer is done
//!                       lock    locked (flock) while the writer lives; its ctime is when the writer began
//!                       .dhow-… blobs that are being written
//!                       made    if the writer made the layout: how many directories it made for it
//!                       wrote-… in that case, one for each blob that it was about to name
//! LAYOUT/.dhow-<unique>         index.json or oci-layout being written, under the layout's lock
//! ```
//! The layout's own lock is an flock on its directory, so that no file tells of it; other tools ignore all of this.
//! A session begins and ends its first steps under that lock, therefore whoever holds it sees whole sessions only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dhow_fs::{FileKind, Lock, LockError, LockMode, PathError, Root, TemporaryDirectory, Work, is_unfinished};

use dhow_oci::Digest;

use super::found;

const LOCK_FILE: &str = "lock";
const MADE_FILE: &str = "made";
const WROTE: &str = "wrote-";
const NOTE_MODE: u32 = 0o600;

/// A writer's hold on its layout: while it lives, `gc` spares every blob that was stored or touched since it began.
#[derive(Debug)]
pub(crate) struct Session {
    path: PathBuf,
    _directory: TemporaryDirectory,
    _lock: Lock,
    /// The blobs that were stored or linked.
    written: Mutex<BTreeMap<Digest, Durability>>,
    /// Whether this writer made the layout, and notes what it puts there, in case that it is killed.
    is_maker: bool,
    /// Where syncs are counted.
    work: Arc<Work>,
}

/// Whether a blob's name is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Unsynced,
    Synced,
}

/// What a [`sweep`] found.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The number of dead writers whose files were removed.
    pub(crate) reclaimed: usize,
    /// When the oldest live writer began, as the file system's clock has it (ctime, nanoseconds).
    pub(crate) oldest_live: Option<i128>,
}

impl Session {
    /// Begins a session and removes what dead ones left.
    pub(crate) fn begin(root: &Root, work: &Arc<Work>) -> Result<Self, LockError> {
        let _layout_lock = lock(root, LockMode::Exclusive)?;
        Self::begin_locked(root, work)
    }

    /// Begins the session of a writer that is about to make the layout, for which it made so many directories. The caller
    /// holds the layout's lock.
    pub(crate) fn begin_making(root: &Root, directories: usize, work: &Arc<Work>) -> Result<Self, LockError> {
        let session = Self::begin_locked(root, work)?;
        root.write(&session.path.join(MADE_FILE), directories.to_string().as_bytes(), NOTE_MODE)?;
        Ok(Self { is_maker: true, ..session })
    }

    fn begin_locked(root: &Root, work: &Arc<Work>) -> Result<Self, LockError> {
        sweep(root, None)?;
        let directory = TemporaryDirectory::create_at(root, Path::new("/"))?;
        let path = Path::new("/").join(directory.name());
        let lock = Lock::take_file(root, &path.join(LOCK_FILE), LockMode::Exclusive, || holder(root))?;
        let (written, work) = (Mutex::default(), Arc::clone(work));
        Ok(Self { path, _directory: directory, _lock: lock, written, is_maker: false, work })
    }

    /// Returns the directory for unfinished files, as the layout's root has it.
    pub(crate) fn directory(&self) -> &Path {
        &self.path
    }

    /// Notes on the disk that a blob is about to get its name, if that may be wanted.
    pub(crate) fn announce(&self, root: &Root, digest: &Digest) -> Result<(), PathError> {
        match self.is_maker {
            true => root.write(&self.path.join(format!("{WROTE}{digest}")), b"", NOTE_MODE),
            false => Ok(()),
        }
    }

    /// Notes that a blob got its name, which is to be synced even if the blob is.
    pub(crate) fn note_written(&self, digest: &Digest, blob_is_synced: bool) {
        self.work.syncs.add(u64::from(blob_is_synced));
        self.lock_written().insert(digest.clone(), Durability::Unsynced);
    }

    /// Returns the blobs that were noted and not synced yet.
    pub(crate) fn unsynced(&self) -> BTreeSet<Digest> {
        let written = self.lock_written();
        let unsynced = written.iter().filter(|(_, durability)| **durability == Durability::Unsynced);
        unsynced.map(|(digest, _)| digest.clone()).collect()
    }

    /// Notes that these are on the disk.
    pub(crate) fn note_synced(&self, digests: &BTreeSet<Digest>) {
        self.lock_written().extend(digests.iter().map(|digest| (digest.clone(), Durability::Synced)));
    }

    /// Tells whether this session stored or linked the blob.
    pub(crate) fn has_written(&self, digest: &Digest) -> bool {
        self.lock_written().contains_key(digest)
    }

    fn lock_written(&self) -> MutexGuard<'_, BTreeMap<Digest, Durability>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the layout's lock. It is taken of the directory that was opened, whatever its name leads to by now.
pub(crate) fn lock(root: &Root, mode: LockMode) -> Result<Lock, LockError> {
    Lock::take(root, Path::new("/"), mode, || holder(root))
}

fn holder(root: &Root) -> String {
    format!("another writer of {}", root.location().display())
}

/// Keeps `gc` away while a blob gets its name or is found present: between its look at a blob's age and the
/// removal, the name must not come to mean a younger one.
pub(crate) fn exclude_gc(root: &Root) -> Result<Lock, LockError> {
    lock(root, LockMode::Shared)
}

/// Removes what dead writers left and finds the oldest live one but `except`. The caller holds the layout's lock.
pub(crate) fn sweep(root: &Root, except: Option<&Path>) -> Result<Sweep, LockError> {
    let mut sweep = Sweep::default();
    for entry in root.read_directory(Path::new("/"))? {
        if !is_unfinished(&entry.name) {
            continue;
        }
        let path = Path::new("/").join(&entry.name);
        if except.is_some_and(|except| except.file_name() == Some(&entry.name)) {
            continue;
        }
        match state(root, &path)? {
            State::Live(began) => sweep.oldest_live = Some(sweep.oldest_live.map_or(began, |oldest| oldest.min(began))),
            State::Dead => {
                found(root.remove_all(&path))?;
                sweep.reclaimed += 1;
            }
            State::Gone => {}
        }
    }
    Ok(sweep)
}

/// What a writer left that made its layout and died.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    /// Its files, and those of others that died.
    pub(crate) sessions: Vec<PathBuf>,
    /// How many directories it made: the layout's, and those above.
    pub(crate) directories: usize,
    /// The blobs that it may have named.
    pub(crate) written: BTreeSet<Digest>,
}

/// Returns what the dead maker of the layout left, if nobody is at work there. The caller holds the layout's lock.
///
/// Where nothing but dead writers' files is, one was killed before it could note that it is the maker.
pub(crate) fn abandoned(root: &Root) -> Result<Option<Abandoned>, LockError> {
    let entries = root.read_directory(Path::new("/"))?;
    let (mut all, mut is_made) = (Abandoned::default(), entries.iter().all(|entry| is_unfinished(&entry.name)));
    for entry in entries {
        if !is_unfinished(&entry.name) {
            continue;
        }
        let path = Path::new("/").join(&entry.name);
        match state(root, &path)? {
            State::Live(_) => return Ok(None),
            State::Gone => continue,
            State::Dead => {}
        }
        if let Ok(count) = root.read_to_string(&path.join(MADE_FILE), 20) {
            is_made = true;
            // A process that was killed while it wrote the number made nothing else yet.
            all.directories = all.directories.max(count.parse().unwrap_or(0));
            let names = root.read_directory(&path)?;
            all.written.extend(names.iter().filter_map(|entry| entry.name.to_str()?.strip_prefix(WROTE)?.parse().ok()));
        }
        all.sessions.push(path);
    }
    Ok(is_made.then_some(all))
}

/// What has become of a writer.
enum State {
    /// It is at work, and began at this time.
    Live(i128),
    /// It died.
    Dead,
    /// It ended while it was looked at; ending needs no lock.
    Gone,
}

/// Another user's session, into which one cannot look, counts as live since ever.
fn state(root: &Root, path: &Path) -> Result<State, LockError> {
    match found(root.symlink_metadata(path))?.map(|stat| stat.kind) {
        None => return Ok(State::Gone),
        Some(FileKind::Directory) => {}
        // An index that was not renamed; whoever writes one holds the lock that our caller holds now.
        Some(_) => return Ok(State::Dead),
    }
    let lock: PathBuf = path.join(LOCK_FILE);
    let stat = match root.symlink_metadata(&lock) {
        Ok(stat) => stat,
        Err(error) if error.is_not_found() => return Ok(State::Dead),
        Err(error) if is_denied(&error) => return Ok(State::Live(i128::MIN)),
        Err(error) => return Err(error.into()),
    };
    if stat.kind != FileKind::File {
        return Ok(State::Dead);
    }
    match Lock::attempt(root, &lock, LockMode::Exclusive) {
        Ok(_free) => Ok(State::Dead),
        Err(LockError::Held(_)) => Ok(State::Live(stat.ctime_ns)),
        Err(LockError::Path(error)) if is_denied(&error) => Ok(State::Live(i128::MIN)),
        Err(LockError::Path(error)) if error.is_not_found() => Ok(State::Gone),
        Err(error) => Err(error),
    }
}

fn is_denied(error: &PathError) -> bool {
    error.source.kind() == std::io::ErrorKind::PermissionDenied
}
