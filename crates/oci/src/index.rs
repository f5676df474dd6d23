//! Image indexes (image-spec `image-index.md`), `index.json` of a layout among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Descriptor, Document, DocumentError, MediaType};

/// An index of manifests, OCI or Docker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type, if it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The entries, in order.
    #[serde(deserialize_with = "crate::descriptor::null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// Annotations, sorted by key.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "crate::descriptor::null_as_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// The kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
            unknown: Map::new(),
        }
    }
}

impl Index {
    /// Parses an index. Refuses bytes that say that they are something else, or that have `layers` too.
    pub fn parse(bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        let document = Document::<Self>::parse("index", bytes)?;
        let ambiguous = |reason: String| DocumentError::Ambiguous { digest: document.digest().clone(), reason };
        let value = document.value();
        if value.unknown.contains_key("layers") || value.unknown.contains_key("config") {
            return Err(ambiguous("it has `manifests` and also `layers` or `config`".to_owned()));
        }
        if let Some(media_type) = value.media_type.as_ref().filter(|media_type| !media_type.is_index()) {
            return Err(ambiguous(format!("it is listed as an index, but says `{media_type}`")));
        }
        Ok(document)
    }
}
