//! A repository as a place where images live: the traits of `store`, one request or two for each call.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dhow_fs::Work;
use dhow_oci::{Descriptor, Digest, MANIFEST_LIMIT, MediaType, Name, Selector};
use dhow_store::verify::VerifiedReader;
use dhow_store::{
    Address, Adopted, BlobError, BlobSink, BlobSource, Completeness, Expected, Held, ImageSource, Named, Presence,
    Referrers, ResolveError, TagError, TagSink, Tags, Wanted, read_document, referrer,
};

use crate::error::{Reason, RegistryError};
use crate::repository::{Repository, Uploaded};

/// The most bytes of manifests that are remembered.
const REMEMBERED: usize = 32 * 1024 * 1024;
const DEFAULT_TAG: &str = "latest";

/// A repository, read and written as any other place.
///
/// Manifests that were read are remembered: what has a digest does not change.
#[derive(Debug)]
pub struct RegistryPlace {
    repository: Repository,
    work: Arc<Work>,
    manifests: Mutex<HashMap<Digest, Arc<Vec<u8>>>>,
}

impl RegistryPlace {
    /// Asks nothing yet. `work` counts what is read.
    #[must_use]
    pub fn new(repository: Repository, work: &Arc<Work>) -> Self {
        Self { repository, work: Arc::clone(work), manifests: Mutex::default() }
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    fn place(&self) -> Address {
        Address::repository(self.repository.name().to_string())
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Vec<u8>>>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, digest: &Digest, bytes: Vec<u8>) -> Arc<Vec<u8>> {
        let bytes = Arc::new(bytes);
        let mut manifests = self.remembered();
        let present: usize = manifests.values().map(|bytes| bytes.len()).sum();
        if present + bytes.len() > REMEMBERED {
            manifests.clear();
        }
        manifests.insert(digest.clone(), Arc::clone(&bytes));
        bytes
    }

    /// Returns a manifest or index by its digest.
    fn manifest(&self, digest: &Digest) -> Result<Arc<Vec<u8>>, BlobError> {
        if let Some(known) = self.remembered().get(digest) {
            return Ok(Arc::clone(known));
        }
        match self.repository.manifest(&Selector::Digest(digest.clone())) {
            Ok(fetched) => Ok(self.remember(digest, fetched.bytes)),
            Err(error) if error.is_not_found() => Err(self.absent(digest)),
            Err(error) => Err(self.remote(digest, error)),
        }
    }

    fn absent(&self, digest: &Digest) -> BlobError {
        BlobError::Absent { digest: digest.clone(), place: self.place() }
    }

    fn remote(&self, digest: &Digest, error: RegistryError) -> BlobError {
        BlobError::Remote { address: self.place().at_digest(digest), source: error.into() }
    }

    fn of_look_up(&self, error: RegistryError) -> ResolveError {
        ResolveError::Remote { place: self.place(), source: error.into() }
    }

    fn no_such(&self, selector: &Selector) -> ResolveError {
        let place = self.place();
        match selector {
            // The tags that exist help; if they cannot be had, the error is the same without.
            Selector::Tag(tag) => {
                let tags = self.repository.tags().unwrap_or_default();
                ResolveError::NoSuchTag { place, wanted: tag.clone(), tags }
            }
            Selector::Digest(digest) => {
                ResolveError::NoSuchDigest { place, wanted: digest.clone(), digests: Vec::new() }
            }
        }
    }

    /// Stores a manifest or index, and makes sure that it is found from its subject.
    fn put(&self, selector: &Selector, bytes: &[u8], media_type: &MediaType) -> Result<(), RegistryError> {
        self.repository.put(selector, bytes, media_type)?;
        let Some(subject) = subject_of(bytes) else { return Ok(()) };
        match referrer(&Descriptor::of(media_type.clone(), bytes), bytes) {
            Some(referrer) => self.repository.note_referrer(&referrer, &subject).map(drop),
            None => Ok(()),
        }
    }

    fn upload(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError> {
        let source = from.address(descriptor);
        let mount_from = repository_of(&source).filter(|name| name.registry == self.repository.name().registry);
        let open = || from.open(descriptor);
        match self.repository.upload(descriptor, mount_from.as_ref(), &open) {
            Ok(Uploaded::Mounted) => Ok(Adopted::Mounted),
            Ok(Uploaded::Sent) => Ok(Adopted::Copied),
            Err(error) => Err(match *error.reason {
                // What could not be read is told as if it were read for any other place.
                Reason::Input(source) => BlobError::of_read(source, &descriptor.digest, from.address(descriptor)),
                _ => self.remote(&descriptor.digest, error),
            }),
        }
    }
}

impl BlobSource for RegistryPlace {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        let (digest, address) = (&descriptor.digest, self.address(descriptor));
        if is_manifest(&descriptor.media_type) {
            let bytes = self.manifest(digest)?;
            let reader = io::Cursor::new(bytes.as_ref().clone());
            return Ok(Box::new(VerifiedReader::new(reader, descriptor, address, None)));
        }
        let reader = match self.repository.open_blob(descriptor) {
            Err(error) if error.is_not_found() => return Err(self.absent(digest)),
            other => other.map_err(|error| self.remote(digest, error))?,
        };
        self.work.blobs_opened.add(1);
        Ok(Box::new(VerifiedReader::new(reader, descriptor, address, Some(Arc::clone(&self.work)))))
    }

    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError> {
        let (digest, expected) = (&descriptor.digest, descriptor.size);
        let size = match is_manifest(&descriptor.media_type) {
            true if self.remembered().contains_key(digest) => return Ok(Presence::Present),
            true => self.repository.look_up(&Selector::Digest(digest.clone())).map(|found| found.map(|it| it.size)),
            false => self.repository.blob_size(digest),
        };
        match size.map_err(|error| self.remote(digest, error))? {
            None => Ok(Presence::Absent),
            Some(found) if found == expected => Ok(Presence::Present),
            Some(found) => {
                Err(BlobError::Size { digest: digest.clone(), address: self.address(descriptor), expected, found })
            }
        }
    }

    fn address(&self, descriptor: &Descriptor) -> Address {
        self.place().at_digest(&descriptor.digest)
    }
}

impl BlobSink for RegistryPlace {
    /// A registry checks what it takes in, so what is there is whole.
    fn held(&self, descriptor: &Descriptor) -> Result<Held, BlobError> {
        Ok(match self.presence(descriptor)? {
            Presence::Present => Held::Whole,
            Presence::Absent => Held::Absent,
        })
    }

    fn store(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, BlobError> {
        let descriptor = Descriptor::of(media_type, bytes);
        let stored = match is_manifest(&descriptor.media_type) {
            true => self.put(&Selector::Digest(descriptor.digest.clone()), bytes, &descriptor.media_type),
            false => {
                let open = || Ok(Box::new(io::Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>);
                self.repository.upload(&descriptor, None, &open).map(drop)
            }
        };
        stored.map_err(|error| self.remote(&descriptor.digest, error))?;
        Ok(descriptor)
    }

    fn adopt(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError> {
        if self.presence(descriptor)? == Presence::Present {
            return Ok(Adopted::Present);
        }
        if !is_manifest(&descriptor.media_type) {
            return self.upload(from, descriptor);
        }
        let bytes = read_document(from, descriptor, MANIFEST_LIMIT)?;
        let selector = Selector::Digest(descriptor.digest.clone());
        self.put(&selector, &bytes, &descriptor.media_type).map_err(|error| self.remote(&descriptor.digest, error))?;
        self.remember(&descriptor.digest, bytes);
        Ok(Adopted::Copied)
    }
}

impl ImageSource for RegistryPlace {
    fn location(&self) -> Address {
        self.place()
    }

    fn named(&self, wanted: Wanted<'_>) -> Result<Vec<Named>, ResolveError> {
        let selector = match wanted {
            Wanted::Only => Selector::Tag(DEFAULT_TAG.to_owned()),
            Wanted::Exactly(selector) => selector.clone(),
            Wanted::Preferably(tag) => Selector::Tag(tag.to_owned()),
        };
        let fetched = match self.repository.manifest(&selector) {
            Err(error) if error.is_not_found() => return Err(self.no_such(&selector)),
            other => other.map_err(|error| self.of_look_up(error))?,
        };
        self.remember(&fetched.descriptor.digest, fetched.bytes);
        Ok(vec![Named::by_itself(&fetched.descriptor)])
    }
}

impl Tags for RegistryPlace {
    fn tags(&self) -> Result<Vec<String>, ResolveError> {
        match self.repository.tags() {
            // A repository without anything in it is not there.
            Err(error) if error.is_not_found() => Err(ResolveError::Empty(self.place())),
            other => other.map_err(|error| self.of_look_up(error)),
        }
    }
}

impl TagSink for RegistryPlace {
    fn tag_if(
        &self,
        name: &str,
        expected: &Expected,
        descriptor: Descriptor,
        _completeness: Completeness,
    ) -> Result<Descriptor, TagError> {
        let selector = Selector::Tag(name.to_owned());
        let fail = |error: RegistryError| TagError::Remote { place: self.place(), source: error.into() };
        if let Expected::Just(expected) = expected {
            let found = self.repository.look_up(&selector).map_err(fail)?.map(|found| found.digest);
            if found != *expected {
                let (place, name, expected) = (self.place(), name.to_owned(), expected.clone());
                return Err(TagError::Changed { place, name, expected, found });
            }
        }
        let fail_read = |error: BlobError| TagError::Remote { place: self.place(), source: error.into() };
        let bytes = self.manifest(&descriptor.digest).map_err(fail_read)?;
        self.put(&selector, &bytes, &descriptor.media_type).map_err(fail)?;
        Ok(descriptor)
    }

    fn untag(&self, name: &str) -> Result<bool, TagError> {
        match self.repository.remove(&Selector::Tag(name.to_owned())) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => match *error.reason {
                // A registry that removes manifests by digest alone would take the other tags along.
                Reason::Status { status: 400 | 405 | 501, .. } => Err(TagError::Unsupported {
                    place: self.place(),
                    name: name.to_owned(),
                    reason: error.reason.to_string(),
                }),
                _ => Err(TagError::Remote { place: self.place(), source: error.into() }),
            },
        }
    }
}

impl Referrers for RegistryPlace {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        let found = self.repository.referrers(subject).map_err(|error| self.of_look_up(error))?;
        Ok(found.iter().filter_map(|entry| entry.descriptor().cloned()).collect())
    }
}

/// Returns what a manifest or index says that it refers to.
fn subject_of(bytes: &[u8]) -> Option<Digest> {
    #[derive(serde::Deserialize)]
    struct Referring {
        subject: Option<Descriptor>,
    }
    serde_json::from_slice::<Referring>(bytes).ok()?.subject.map(|subject| subject.digest)
}

fn is_manifest(media_type: &MediaType) -> bool {
    media_type.is_manifest() || media_type.is_index()
}

/// Returns the repository that an address is in.
fn repository_of(address: &Address) -> Option<Name> {
    let Address::Repository { name, .. } = address else { return None };
    name.parse::<dhow_oci::Reference>().ok().map(|reference| reference.name)
}
