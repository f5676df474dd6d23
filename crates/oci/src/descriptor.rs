//! Descriptors (image-spec `descriptor.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, MediaType, Platform, annotation};

/// Points at content: what it is, how long it is, and its digest.
///
/// Serialised in the order `mediaType size digest data urls annotations platform artifactType`;
/// unknown fields follow, as they were read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image, on entries of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact, on entries of an index and on referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

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
            unknown: Map::new(),
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

pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
