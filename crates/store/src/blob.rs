//! The narrow traits of content: something to read blobs from, something to put them into.

use std::io::Read;

use dhow_oci::{Descriptor, Limit, MediaType};

use crate::address::Address;
use crate::blob_error::BlobError;
use crate::staging::BlobWriter;

/// Reads blobs, verified.
pub trait BlobSource: Send + Sync {
    /// Opens a blob. The reader yields at most `size` bytes and fails before the last of them when size
    /// or digest differ, so what was read to its end is what the descriptor names.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError>;

    /// Tells whether the blob is there with the right size. Opens and hashes nothing.
    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError>;

    /// Returns where the blob is, or would be. Looks at nothing.
    ///
    /// One with a [path](Address::path) may be taken over as a file, by link or reflink, instead of being read from here.
    fn address(&self, descriptor: &Descriptor) -> Address;
}

/// Takes in blobs whose digests are known.
pub trait BlobSink: Send + Sync {
    /// Tells whether the blob is here, reading and hashing nothing. What is, is kept from being collected while this value
    /// lives, where there is such a thing.
    fn held(&self, descriptor: &Descriptor) -> Result<Held, BlobError>;

    /// Stores `bytes`. Storing what is stored is success.
    fn store(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, BlobError>;

    /// Takes a blob over from `from` by the cheapest means: nothing if it is here; hard link or reflink of its file, or a
    /// mount from another repository, by the [address](BlobSource::address) that `from` gives; verified copy.
    ///
    /// What is here afterwards has been read, now or earlier, and is what `descriptor` names. A damaged blob that was here
    /// is replaced. Called by several threads at once, never for one blob.
    fn adopt(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError>;
}

/// Takes in what is being made: a layout, where every export begins.
pub trait Staging: BlobSink {
    /// Begins a blob whose digest is not known yet.
    fn stage(&self) -> Result<BlobWriter, BlobError>;

    /// Tells whether the blob is here and is what `descriptor` names. Reads it if that is not known.
    fn is_whole(&self, descriptor: &Descriptor) -> Result<bool, BlobError>;
}

/// Whether a blob is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, with the size that its descriptor states.
    Present,
    /// It is not.
    Absent,
}

/// Whether a sink has a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is here and known to be what its descriptor names: nothing has to be done.
    Whole,
    /// It seems to be here. Adopting it finds out, and replaces it if it is damaged.
    Unverified,
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
    /// From another repository of the same registry, which moved it by itself.
    Mounted,
    /// By reading, verifying and writing it.
    Copied,
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
        .map_err(|error| BlobError::of_read(error, &descriptor.digest, source.address(descriptor)))?;
    Ok(bytes)
}

/// Tells whether blobs of this type are manifests, indexes or configs: small, and not counted as work.
pub(crate) fn is_document(media_type: &MediaType) -> bool {
    let is_config = matches!(media_type, MediaType::OciConfig | MediaType::DockerConfig | MediaType::OciEmpty);
    media_type.is_manifest() || media_type.is_index() || is_config
}
