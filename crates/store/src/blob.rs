//! The narrow traits of content: something to read blobs from, something to put them into.

use std::io::{self, Read};
use std::path::PathBuf;

use dhow_fs::{FileKind, LockError, PathError};
use dhow_oci::{Descriptor, Digest, Limit, MediaType};

use crate::staging::BlobWriter;

/// Reads blobs, verified.
pub trait BlobSource: Send + Sync {
    /// Opens a blob. The reader yields at most `size` bytes and fails before the last of them when size
    /// or digest differ, so what was read to its end is what the descriptor names.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError>;

    /// Tells whether the blob is there with the right size. Opens and hashes nothing.
    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError>;

    /// Returns the path of the blob's file, where the source has one of its own for each blob.
    fn file(&self, descriptor: &Descriptor) -> Option<PathBuf>;
}

/// Takes blobs in.
pub trait BlobSink: Send + Sync {
    /// Begins a blob whose digest is not known yet.
    fn stage(&self) -> Result<BlobWriter, BlobError>;

    /// Stores `bytes`. Storing what is stored is success.
    fn store(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, BlobError>;

    /// Takes a blob over from `from` by the cheapest means: nothing if it is here, hard link, reflink, verified copy.
    ///
    /// Content that is linked is checked by size only; documents are always verified.
    fn adopt(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError>;

    /// As [`BlobSink::adopt`], but content that is linked is read once and verified before it has its name here.
    fn adopt_verified(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError>;
}

/// Whether a blob is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, with the size that its descriptor states.
    Present,
    /// It is not.
    Absent,
}

/// How a blob came into a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It was there already.
    Present,
    /// By hard link or reflink.
    Linked,
    /// By reading, verifying and writing it.
    Copied,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// Why a blob cannot be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The blob is not in the store.
    #[error("blob {digest} is not in {}: it is sparse there", .place.display())]
    Absent {
        /// The blob.
        digest: Digest,
        /// The layout or archive.
        place: PathBuf,
    },
    /// The blob is longer or shorter than its descriptor states.
    #[error("blob {digest} at {} has {found} bytes, but its descriptor states {expected}", .path.display())]
    Size {
        /// The blob.
        digest: Digest,
        /// Its file.
        path: PathBuf,
        /// The size that the descriptor states.
        expected: u64,
        /// The size found; at least that, where the end was not looked for.
        found: u64,
    },
    /// The blob's bytes have another digest than its name says.
    #[error("blob {expected} at {} is corrupt: its bytes have the digest {found}", .path.display())]
    Digest {
        /// The digest that was asked for.
        expected: Digest,
        /// The blob's file.
        path: PathBuf,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Something other than a regular file stands in the blob's place.
    #[error("blob {digest} at {} is not a regular file: {found:?}", .path.display())]
    NotAFile {
        /// The blob.
        digest: Digest,
        /// Its place.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// The blob is a document that is too large to be read into memory.
    #[error("blob {digest} states a size of {size} bytes; a document has at most {limit}")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// The size that its descriptor states.
        size: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// The blob's bytes cannot be read.
    #[error("cannot read blob {digest} at {}", .path.display())]
    Read {
        /// The blob.
        digest: Digest,
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or directory of the store cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The store's lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl BlobError {
    /// Tells whether the blob is just not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Returns the error of a blob's reader: the [`BlobError`] inside of `error`, if it is one.
    pub(crate) fn of_read(error: io::Error, digest: &Digest, path: PathBuf) -> Self {
        match error.downcast::<Self>() {
            Ok(blob_error) => blob_error,
            Err(source) => Self::Read { digest: digest.clone(), path, source },
        }
    }
}

/// Returns a whole document, verified. Memory is taken as bytes arrive, never by the claimed size.
pub fn read_document<S: BlobSource + ?Sized>(
    source: &S,
    descriptor: &Descriptor,
    limit: Limit,
) -> Result<Vec<u8>, BlobError> {
    if descriptor.size > limit.0 {
        let digest = descriptor.digest.clone();
        return Err(BlobError::TooLarge { digest, size: descriptor.size, limit: limit.0 });
    }
    let mut bytes = Vec::new();
    source
        .open(descriptor)?
        .read_to_end(&mut bytes)
        .map_err(|error| BlobError::of_read(error, &descriptor.digest, source.file(descriptor).unwrap_or_default()))?;
    Ok(bytes)
}

/// Tells whether blobs of this type are manifests, indexes or configs: small, and not counted as work.
pub(crate) fn is_document(media_type: &MediaType) -> bool {
    let is_config = matches!(media_type, MediaType::OciConfig | MediaType::DockerConfig | MediaType::OciEmpty);
    media_type.is_manifest() || media_type.is_index() || is_config
}
