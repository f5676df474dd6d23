//! Exact bytes beside their meaning.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Descriptor, Digest, MediaType, go_json};

/// The largest manifest, index or config that is read into memory, in bytes.
pub const MANIFEST_LIMIT: Limit = Limit(8 * 1024 * 1024);

/// The most bytes that an operation may hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit(pub u64);

/// A JSON document: its bytes, their digest, and what they say.
///
/// The bytes of a document that was read are those that were read. Only [`Document::edited`]
/// and [`Document::of`] make new bytes.
#[derive(Clone, Debug)]
pub struct Document<T> {
    bytes: Vec<u8>,
    digest: Digest,
    value: T,
}

/// Why bytes are not the document that was expected.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The bytes are not JSON of the expected form.
    #[error("cannot parse {what} {digest}")]
    Malformed {
        /// The kind of document.
        what: &'static str,
        /// The digest of the bytes.
        digest: Digest,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// The document could be read as a manifest and as an index (CVE-2021-41190), or says that it is something else.
    #[error("{digest} is ambiguous: {reason}")]
    Ambiguous {
        /// The digest of the bytes.
        digest: Digest,
        /// What contradicts what.
        reason: String,
    },
}

impl<T: DeserializeOwned> Document<T> {
    /// Parses `bytes`; `what` names the kind of document in an error.
    pub fn parse(what: &'static str, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let digest = Digest::of(&bytes);
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self { bytes, digest, value }),
            Err(source) => Err(DocumentError::Malformed { what, digest, source }),
        }
    }
}

impl<T: Serialize> Document<T> {
    /// Returns the document of a new value, in Go's JSON.
    #[must_use]
    pub fn of(value: T) -> Self {
        let bytes = go_json::to_vec(&value);
        Self { digest: Digest::of(&bytes), bytes, value }
    }
}

impl<T: Serialize + Clone> Document<T> {
    /// Returns the document after `edit`. The bytes are new ones even if nothing was changed.
    #[must_use]
    pub fn edited(&self, edit: impl FnOnce(&mut T)) -> Self {
        let mut value = self.value.clone();
        edit(&mut value);
        Self::of(value)
    }
}

impl<T> Document<T> {
    /// Returns the exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns what the bytes say.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the descriptor of the bytes as `media_type`.
    #[must_use]
    pub fn descriptor(&self, media_type: MediaType) -> Descriptor {
        Descriptor::new(media_type, self.digest.clone(), self.bytes.len() as u64)
    }
}
