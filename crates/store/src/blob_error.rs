//! Why a blob cannot be read or stored.

use std::io;
use std::path::PathBuf;

use dhow_fs::{FileKind, LockError, PathError};
use dhow_oci::Digest;

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
