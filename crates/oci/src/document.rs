//! Exact bytes beside their meaning.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Descriptor, Digest, MediaType, go_json, undecodable};

/// The largest manifest, index or config that is read into memory, in bytes.
pub const MANIFEST_LIMIT: Limit = Limit(8 * 1024 * 1024);

/// The most bytes that an operation may hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit(pub u64);

/// A JSON document: its bytes, their digest, and what they say.
///
/// A document that was read keeps the bytes that were read, and the digest by which it was asked for. Only
/// [`Document::edited`] and [`Document::of`] make new bytes, whose digest is a SHA-256.
///
/// ```
/// use dhow_oci::{Document, ImageConfig};
///
/// let bytes = br#"{"os":"linux","architecture":"arm64","com.example.note":"kept"}"#.to_vec();
/// let read = Document::<ImageConfig>::parse("config", bytes.clone())?;
/// assert_eq!(read.bytes(), bytes);
///
/// // An edit makes new bytes. Fields that dhow does not know stay.
/// let edited = read.edited(|config| config.os = "freebsd".into());
/// assert_ne!(edited.digest(), read.digest());
/// assert!(std::str::from_utf8(edited.bytes()).is_ok_and(|text| text.contains("com.example.note")));
/// # Ok::<(), dhow_oci::DocumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document<T> {
    bytes: Vec<u8>,
    digest: Digest,
    value: T,
    text: Text,
}

/// How the text of a value stands for the bytes of its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// It is the bytes.
    AsRead,
    /// By [`undecodable`].
    Undecodable,
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
    /// The bytes are not those that the digest names.
    #[error("{what} {expected} is corrupt: its bytes have the digest {found}")]
    OtherDigest {
        /// The kind of document.
        what: &'static str,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
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
    /// Parses `bytes`, which are known by no name: their digest is a SHA-256. `what` names the kind of document in an error.
    pub fn parse(what: &'static str, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let digest = Digest::of(&bytes);
        Self::read(what, digest, bytes)
    }

    /// Parses `bytes`, which must be those of `digest`. `what` names the kind of document in an error.
    pub fn parse_as(what: &'static str, digest: &Digest, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let found = digest.of_same_kind(&bytes);
        if found != *digest {
            return Err(DocumentError::OtherDigest { what, expected: digest.clone(), found });
        }
        Self::read(what, found, bytes)
    }

    fn read(what: &'static str, digest: Digest, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self { bytes, digest, value, text: Text::AsRead }),
            Err(source) => Err(DocumentError::Malformed { what, digest, source }),
        }
    }

    /// As [`Document::parse`], of bytes that need not be UTF-8: an edit keeps them. If they are not, `note` sees the value,
    /// in whose texts something else stands for such bytes.
    pub(crate) fn parse_any(
        what: &'static str,
        bytes: Vec<u8>,
        note: impl FnOnce(&mut T),
    ) -> Result<Self, DocumentError> {
        if std::str::from_utf8(&bytes).is_ok() {
            return Self::parse(what, bytes);
        }
        let digest = Digest::of(&bytes);
        match serde_json::from_str(&undecodable::to_text(&bytes)) {
            Ok(mut value) => {
                note(&mut value);
                Ok(Self { bytes, digest, value, text: Text::Undecodable })
            }
            Err(source) => Err(DocumentError::Malformed { what, digest, source }),
        }
    }
}

impl<T: Serialize> Document<T> {
    /// Returns the document of a new value, in Go's JSON.
    #[must_use]
    pub fn of(value: T) -> Self {
        let bytes = go_json::to_vec(&value);
        Self { digest: Digest::of(&bytes), bytes, value, text: Text::AsRead }
    }
}

impl<T: Serialize + Clone> Document<T> {
    /// Returns the document after `edit`. The bytes are new ones even if nothing was changed.
    #[must_use]
    pub fn edited(&self, edit: impl FnOnce(&mut T)) -> Self {
        let mut value = self.value.clone();
        edit(&mut value);
        match self.text {
            Text::AsRead => Self::of(value),
            Text::Undecodable => {
                let bytes = undecodable::to_bytes(&go_json::to_string(&value));
                Self { digest: Digest::of(&bytes), bytes, value, text: self.text }
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hasher, ImageConfig};

    #[test]
    fn what_was_read_keeps_its_bytes_and_what_is_edited_gets_new_ones() {
        let bytes = br#" { "os" : "linux" } "#.to_vec();
        let document = Document::<ImageConfig>::parse("config", bytes.clone()).unwrap();
        assert_eq!((document.bytes(), document.digest()), (bytes.as_slice(), &Digest::of(&bytes)));
        assert_eq!(document.descriptor(MediaType::OciConfig), Descriptor::of(MediaType::OciConfig, &bytes));
        let edited = document.edited(|config| config.architecture = "amd64".to_owned());
        assert_eq!(edited.digest(), &Digest::of(edited.bytes()));
        assert!(edited.bytes().starts_with(br#"{"architecture":"amd64","os":"linux","#));
    }

    #[test]
    fn a_document_keeps_the_digest_by_which_it_was_asked_for() {
        let mut hasher = Hasher::sha512();
        hasher.update(b"{}");
        let digest = hasher.finish();
        let document = Document::<ImageConfig>::parse_as("config", &digest, b"{}".to_vec()).unwrap();
        assert_eq!(document.descriptor(MediaType::OciConfig).digest, digest);
        let wrong = Document::<ImageConfig>::parse_as("config", &digest, b"{ }".to_vec());
        assert!(matches!(wrong, Err(DocumentError::OtherDigest { found, .. }) if found.algorithm() == "sha512"));
    }

    #[test]
    fn text_that_is_no_json_is_malformed() {
        for text in ["", "{", "{}x", "[]", "\u{feff}{}", "nul"] {
            let parsed = Document::<ImageConfig>::parse("config", text.as_bytes().to_vec());
            assert!(matches!(parsed, Err(DocumentError::Malformed { what: "config", .. })), "{text}");
        }
    }
}
