//! OCI image layouts on disk (image-spec `image-layout.md`).
//!
//! At every instant a reader sees the old or the new `index.json` and, whole, everything that it names:
//! blobs appear by rename or link, are synced, and `index.json` is replaced last.
//! Writers take turns by a lock on the layout's directory; see [`session`] for what they leave.

mod abandoned;
mod adopt;
mod check;
mod create;
mod durable;
mod edit;
mod error;
mod gc;
mod instant;
mod names;
mod recover;
mod session;
mod unmake;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dhow_fs::{FileKind, PathError, Root, Work};
use dhow_oci::{Descriptor, Document, Image, Index, Limit, MediaType};

pub use check::Finding;
use create::{Made, VERSION};
pub(crate) use create::{marker, require_version};
pub use edit::SPARSE;
pub use error::LayoutError;
pub(crate) use error::or_nothing;
pub use gc::GcReport;
pub(crate) use session::{Session, exclude_gc};

use crate::blob::is_document;
use crate::staging::{blob_path, in_layout, write_error};
use crate::verified::Verified;
use crate::verify::VerifiedReader;
use crate::{Address, Adopted, BlobError, BlobSink, BlobSource, BlobWriter, Held, Presence, Staging};

/// The largest `index.json` that is read.
pub(crate) const INDEX_LIMIT: Limit = Limit(64 * 1024 * 1024);

/// How often an opening is tried when the layout vanishes meanwhile.
const ATTEMPTS: usize = 10;

/// An OCI image layout directory.
///
/// Its first write begins a session that lasts until the value and its writers are dropped; until then
/// the blobs that it stored or adopted survive a `gc` of any other process.
///
/// ```
/// use std::sync::Arc;
///
/// use dhow_fs::{TemporaryDirectory, Work};
/// use dhow_oci::MediaType;
/// use dhow_store::{BlobSink, BlobSource, Layout, Presence};
///
/// let directory = TemporaryDirectory::create_in(&std::env::temp_dir())?;
/// let layout = Layout::open_or_create(&directory.path().join("app"), &Arc::new(Work::default()))?;
/// let descriptor = layout.store(b"{}", MediaType::OciConfig)?;
/// assert_eq!(layout.presence(&descriptor)?, Presence::Present);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    root: Arc<Root>,
    work: Arc<Work>,
    verified: Arc<Verified>,
    session: Mutex<Option<Arc<Session>>>,
    made: Made,
}

impl Layout {
    /// Opens the layout at `path`; it must be there and of version 1.0.0.
    ///
    /// One that a killed command made for an image that it did not come to name is removed, and so is not there.
    pub fn open(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        let layout = Self::at(path, work)?;
        // One that cannot be removed is an empty layout, which does no harm.
        let _left = layout.remove_abandoned();
        create::require_layout(&layout.root, path)?;
        Ok(layout)
    }

    /// Opens the layout at `path`, or makes an empty one where nothing or an empty directory is.
    pub fn open_or_create(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        Self::remove_abandoned_at(path, work);
        create::ensure_layout(path, |_, _| Ok(()))?;
        Self::open(path, work)
    }

    /// Removes what a killed command left at `path`, so that a layout there is made anew by who needs it.
    fn remove_abandoned_at(path: &Path, work: &Arc<Work>) {
        if let Ok(layout) = Self::at(path, work) {
            let _left = layout.remove_abandoned();
        }
    }

    /// As [`Layout::open_or_create`], for an image that is going to be named: looks whether the index can be read, and
    /// begins the session as by [`Layout::hold`].
    ///
    /// A layout that this made is removed again when the value is dropped, with the directories above it that it made,
    /// unless an image was named in it or others wrote to it.
    pub fn prepare(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            match Self::prepare_once(path, work) {
                // Another process removed the empty layout that it had made, just when it was found here.
                Err(error) if error.is_gone() && attempts.next().is_some() => {}
                other => return other,
            }
        }
    }

    fn prepare_once(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        Self::remove_abandoned_at(path, work);
        let mut session = None;
        let made = create::ensure_layout(path, |root, directories| {
            session = Some(Arc::new(Session::begin_making(root, directories, work)?));
            Ok(())
        })?;
        let mut layout = Self::open(path, work)?;
        layout.made = made;
        layout.session = Mutex::new(session);
        layout.index()?;
        layout.hold()?;
        Ok(layout)
    }

    fn at(path: &Path, work: &Arc<Work>) -> Result<Self, LayoutError> {
        let root = Arc::new(create::open_root(path)?);
        Ok(Self {
            path: path.to_owned(),
            root,
            work: Arc::clone(work),
            verified: Arc::default(),
            session: Mutex::new(None),
            made: Made::default(),
        })
    }

    /// Returns this layout with a memory of what was verified, in place of one that lasts as long as this value.
    #[must_use]
    pub fn remembering(mut self, verified: &Arc<Verified>) -> Self {
        self.verified = Arc::clone(verified);
        self
    }

    /// Returns the layout's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `index.json`. An index that states a Docker manifest list's type, or none, is accepted.
    ///
    /// One that is missing, empty or cut is looked at again a few times, within some 50 ms: another tool may be writing it.
    pub fn index(&self) -> Result<Document<Index>, LayoutError> {
        self.index_after(instant::pauses())
    }

    /// As [`Layout::index`], with one more look after each pause.
    fn index_after(&self, mut pauses: impl Iterator<Item = ()>) -> Result<Document<Index>, LayoutError> {
        let bytes = loop {
            let last = match self.root.read(Path::new("/index.json"), INDEX_LIMIT.0) {
                Ok(bytes) if is_json(&bytes) => break bytes,
                Err(error) if !error.is_not_found() => return Err(error.into()),
                other => other,
            };
            if pauses.next().is_none() {
                break last.or_else(|error| match create::count_blobs(&self.root)? {
                    0 => Err(LayoutError::from(error)),
                    blobs => Err(LayoutError::NoIndex { path: self.path.clone(), blobs }),
                })?;
            }
        };
        Index::parse(bytes).map_err(|source| LayoutError::Index { path: self.path.join("index.json"), source })
    }

    /// Returns the blobs that `image` needs and that are not here, its manifest first. Looks at sizes only.
    pub fn missing(&self, image: &Image) -> Result<Vec<Descriptor>, BlobError> {
        let manifest = image.descriptor();
        let mut missing = Vec::new();
        for descriptor in std::iter::once(&manifest).chain(image.blobs()) {
            if self.presence(descriptor)? == Presence::Absent {
                missing.push(descriptor.clone());
            }
        }
        Ok(missing)
    }

    /// Begins the session of this writer, if it has not begun: call it before relying on a blob that was
    /// found present, so that no `gc` removes it in between. Storing and adopting do it by themselves.
    pub fn hold(&self) -> Result<(), LayoutError> {
        self.session()?;
        Ok(())
    }

    fn session(&self) -> Result<Arc<Session>, BlobError> {
        let mut slot = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*slot {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::begin(&self.root, &self.work)?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    fn own_session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn counted(&self, media_type: &MediaType) -> Option<Arc<Work>> {
        (!is_document(media_type)).then(|| Arc::clone(&self.work))
    }

    /// Marks a blob as in use, so that `gc` spares it while this writer lives, and tells whether it is here.
    /// Another user's blob cannot be marked; [`Layout::tag`] still notices when it is gone.
    fn claim(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.session()?;
        let _no_gc = exclude_gc(&self.root)?;
        let _foreign = self.root.touch(&in_layout(&descriptor.digest));
        // One of the wrong size is replaced by what is stored next.
        Ok(self.presence(descriptor).is_ok_and(|presence| presence == Presence::Present))
    }
}

impl BlobSource for Layout {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        if self.presence(descriptor)? == Presence::Absent {
            return Err(BlobError::Absent { digest: descriptor.digest.clone(), place: Address::from(self.path()) });
        }
        let file = self.root.open_file_nofollow(&in_layout(&descriptor.digest))?;
        let work = self.counted(&descriptor.media_type);
        if let Some(work) = &work {
            work.blobs_opened.add(1);
        }
        Ok(Box::new(VerifiedReader::new(file, descriptor, self.address(descriptor), work)))
    }

    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError> {
        let (digest, address) = (descriptor.digest.clone(), self.address(descriptor));
        match self.root.symlink_metadata(&in_layout(&descriptor.digest)) {
            Err(error) if error.is_not_found() => Ok(Presence::Absent),
            Err(error) => Err(error.into()),
            Ok(stat) if stat.kind != FileKind::File => Err(BlobError::NotAFile { digest, address, found: stat.kind }),
            Ok(stat) if stat.size != descriptor.size => {
                Err(BlobError::Size { digest, address, expected: descriptor.size, found: stat.size })
            }
            Ok(_) => Ok(Presence::Present),
        }
    }

    fn address(&self, descriptor: &Descriptor) -> Address {
        Address::Path(blob_path(&self.path, &descriptor.digest))
    }
}

impl BlobSink for Layout {
    fn held(&self, descriptor: &Descriptor) -> Result<Held, BlobError> {
        if !self.claim(descriptor)? {
            return Ok(Held::Absent);
        }
        // A document costs no more to compare than to ask about.
        let is_known = !is_document(&descriptor.media_type)
            && found(self.root.symlink_metadata(&in_layout(&descriptor.digest)))?
                .is_some_and(|stat| self.verified.knows(&stat, &descriptor.digest));
        Ok(if is_known { Held::Whole } else { Held::Unverified })
    }

    fn store(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, BlobError> {
        let descriptor = Descriptor::of(media_type, bytes);
        self.keep_bytes(&descriptor, bytes)?;
        Ok(descriptor)
    }

    fn adopt(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError> {
        self.take_over(from, descriptor)
    }
}

impl Staging for Layout {
    fn stage(&self) -> Result<BlobWriter, BlobError> {
        let writer = BlobWriter::create(&self.root, self.session()?, Some(Arc::clone(&self.work)))?;
        Ok(writer.noting(Some(Arc::clone(&self.verified))))
    }

    fn is_whole(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        let is_damage = |error: &BlobError| {
            matches!(error, BlobError::Size { .. } | BlobError::Digest { .. } | BlobError::NotAFile { .. })
        };
        match self.presence(descriptor) {
            Ok(Presence::Absent) => return Ok(false),
            Err(error) if is_damage(&error) => return Ok(false),
            other => other?,
        };
        let (path, shown) = (in_layout(&descriptor.digest), blob_path(&self.path, &descriptor.digest));
        match self.verify(&path, &shown, descriptor) {
            Err(error) if is_damage(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }
}

impl Layout {
    /// Stores `bytes`, which the caller knows to be those of `descriptor`.
    fn keep_bytes(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), BlobError> {
        if self.claim(descriptor)? && self.holds(descriptor, bytes) {
            return Ok(());
        }
        let work = self.counted(&descriptor.media_type);
        let verified = work.as_ref().map(|_| Arc::clone(&self.verified));
        let mut writer = BlobWriter::create(&self.root, self.session()?, work)?.noting(verified).without_hashing();
        std::io::Write::write_all(&mut writer, bytes).map_err(|error| write_error(&self.path, error))?;
        writer.finish_known(&descriptor.digest, descriptor.size)?;
        Ok(())
    }

    /// Tells whether the blob's bytes are these.
    fn holds(&self, descriptor: &Descriptor, bytes: &[u8]) -> bool {
        self.root.read(&in_layout(&descriptor.digest), descriptor.size).is_ok_and(|held| held == bytes)
    }
}

/// Tells whether the bytes are JSON of any kind.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Tells apart what is not there, or not any more, from other failures.
fn found<T>(result: Result<T, PathError>) -> Result<Option<T>, PathError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use dhow_fs::AtomicFile;

    use super::*;

    /// The other tool writes the rest exactly while this one pauses for the last time.
    #[test]
    fn an_index_that_is_missing_empty_or_cut_for_an_instant_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(&directory.path().join("layout"), &Arc::default()).unwrap();
        let path = layout.path().join("index.json");
        let whole = layout.index().unwrap();
        let host = Root::host().unwrap();
        for left in [None, Some(0), Some(whole.bytes().len() / 2)] {
            let number = Cell::new(0);
            let pauses = |most: u32| {
                (0..most).map(|pause| {
                    number.set(pause + 1);
                    if pause == 2 {
                        AtomicFile::replace(&path, whole.bytes(), 0o644).unwrap();
                    }
                })
            };
            match left {
                None => host.remove_file(&path).unwrap(),
                Some(length) => AtomicFile::replace(&path, &whole.bytes()[..length], 0o644).unwrap(),
            }
            assert!(layout.index_after(pauses(2)).is_err(), "nobody waits for ever");
            assert_eq!(layout.index_after(pauses(5)).unwrap().bytes(), whole.bytes());
            assert_eq!(number.get(), 3, "what is whole is not waited for");
        }
    }
}
