//! Why a blob cannot be read or stored.

use std::error::Error;
use std::io;

use dhow_fs::{FileKind, LockError, PathError};
use dhow_oci::Digest;

use crate::Address;

/// Why a blob cannot be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The blob is not in the store.
    #[error("blob {digest} is not in {place}{}", sparse(.place))]
    Absent {
        /// The blob.
        digest: Digest,
        /// The layout, archive or repository.
        place: Address,
    },
    /// The blob is longer or shorter than its descriptor states.
    #[error("blob {digest} at {address} has {found} bytes, but its descriptor states {expected}")]
    Size {
        /// The blob.
        digest: Digest,
        /// Where it is.
        address: Address,
        /// The size that the descriptor states.
        expected: u64,
        /// The size found; at least that, where the end was not looked for.
        found: u64,
    },
    /// The blob's bytes have another digest than its name says.
    #[error("blob {expected} at {address} is corrupt: its bytes have the digest {found}")]
    Digest {
        /// The digest that was asked for.
        expected: Digest,
        /// Where the blob is.
        address: Address,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Something other than a regular file stands in the blob's place.
    #[error("blob {digest} at {address} is not a regular file: {found:?}")]
    NotAFile {
        /// The blob.
        digest: Digest,
        /// Its place.
        address: Address,
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
    #[error("cannot read blob {digest} at {address}")]
    Read {
        /// The blob.
        digest: Digest,
        /// Where it is.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// A place that is no file, such as a registry, failed: it cannot be reached, refuses, or answers what it must not.
    #[error("cannot use {address}")]
    Remote {
        /// The repository, or what was asked of it.
        address: Address,
        /// Why, in the words and the type of whoever speaks to it.
        source: Box<dyn Error + Send + Sync>,
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
    #[must_use]
    pub fn of_read(error: io::Error, digest: &Digest, address: Address) -> Self {
        match error.downcast::<Self>() {
            Ok(blob_error) => blob_error,
            Err(source) => Self::Read { digest: digest.clone(), address, source },
        }
    }
}

/// Layouts and archives may leave blobs out; a repository that has a manifest has what it names.
fn sparse(place: &Address) -> &'static str {
    match place {
        Address::Path(_) | Address::Member { .. } | Address::Memory => ": it is sparse there",
        Address::Repository { .. } => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_place_says_is_kept_as_the_cause_and_is_no_absence() {
        let digest = Digest::of(b"x");
        let address = Address::repository("localhost:5000/app").at_digest(&digest);
        let remote = BlobError::Remote { address: address.clone(), source: "403 Forbidden".into() };
        let read = BlobError::of_read(io::Error::other(remote), &digest, address.clone());
        assert_eq!(read.to_string(), format!("cannot use localhost:5000/app@{digest}"));
        assert_eq!(read.source().map(ToString::to_string).as_deref(), Some("403 Forbidden"));
        assert!(!read.is_absent());
        let absent = |place| BlobError::Absent { digest: digest.clone(), place };
        assert_eq!(
            absent(Address::repository("localhost:5000/app")).to_string(),
            format!("blob {digest} is not in localhost:5000/app")
        );
        let layout = absent(Address::Path("/layout".into()));
        assert!(layout.is_absent());
        assert_eq!(layout.to_string(), format!("blob {digest} is not in /layout: it is sparse there"));
    }
}
