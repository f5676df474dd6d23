//! Descriptors (image-spec `descriptor.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Unknown, object};
use crate::{Digest, MediaType, Platform, annotation};

/// Points at content: what it is, how long it is, and its digest.
///
/// Serialised in the order `mediaType size digest data urls annotations platform artifactType`;
/// unknown fields follow, as they were read.
///
/// ```
/// use dhow_oci::{Descriptor, Digest, MediaType};
///
/// let descriptor = Descriptor::of(MediaType::OciConfig, b"{}");
/// assert_eq!(descriptor.size, 2);
/// assert_eq!(descriptor.digest, Digest::of(b"{}"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is; an index entry without one is read as [`MediaType::Other`] with empty text.
    #[serde(default = "unstated")]
    pub media_type: MediaType,
    /// The length in bytes. A claim, never to be trusted for an allocation.
    pub size: u64,
    /// The digest of the content.
    pub digest: Digest,
    /// The content itself, base64, if embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Other places that hold the content. dhow never follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::object::list")]
    pub urls: Vec<String>,
    /// Annotations, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "crate::object::map")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image, on entries of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact, on entries of an index and on referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(Descriptor);

impl Descriptor {
    /// Returns a descriptor with the three required fields.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            size,
            digest,
            data: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            unknown: Unknown::default(),
        }
    }

    /// Returns the descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Returns the tag under which the layout lists this descriptor.
    #[must_use]
    pub fn ref_name(&self) -> Option<&str> {
        self.annotations.get(annotation::REF_NAME).map(String::as_str)
    }
}

fn unstated() -> MediaType {
    MediaType::Other("".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_json;

    fn read(text: &str) -> Result<Descriptor, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn digest() -> String {
        Digest::of(b"x").to_string()
    }

    #[test]
    fn fields_are_written_in_the_order_of_the_reference_and_unknown_ones_last() {
        let digest = digest();
        let text = format!(
            r#"{{"z":1.0,"artifactType":"a","platform":{{"os":"linux","extra":1e400,"architecture":"amd64"}},"annotations":{{"k":"v"}},"urls":["u"],"data":"eA==","digest":"{digest}","size":1,"mediaType":"m"}}"#
        );
        let written = format!(
            r#"{{"mediaType":"m","size":1,"digest":"{digest}","data":"eA==","urls":["u"],"annotations":{{"k":"v"}},"platform":{{"architecture":"amd64","os":"linux","extra":1e400}},"artifactType":"a","z":1.0}}"#
        );
        assert_eq!(go_json::to_string(&read(&text).unwrap()), written);
    }

    #[test]
    fn a_descriptor_needs_a_digest_and_a_size() {
        assert!(read(&format!(r#"{{"digest":"{}","size":1}}"#, digest())).unwrap().media_type.as_str().is_empty());
        for text in [
            format!(r#"{{"digest":"{}"}}"#, digest()),
            format!(r#"{{"digest":"{}","size":null}}"#, digest()),
            format!(r#"{{"digest":"{}","size":-1}}"#, digest()),
            format!(r#"{{"digest":"{}","size":18446744073709551616}}"#, digest()),
            r#"{"size":1}"#.to_owned(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
