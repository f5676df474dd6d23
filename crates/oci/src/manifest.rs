//! Image manifests (image-spec `manifest.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Descriptor, Document, DocumentError, MediaType};

/// An image manifest, OCI or Docker. Fields are written in the reference's order, unknown ones last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type, if it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, base first.
    #[serde(deserialize_with = "crate::descriptor::null_as_default")]
    pub layers: Vec<Descriptor>,
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

impl Manifest {
    /// Returns an OCI manifest of `config` and `layers`.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            config,
            layers,
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
            unknown: Map::new(),
        }
    }

    /// Parses a manifest. Refuses bytes that say that they are something else, or that have `manifests` too.
    pub fn parse(bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        let document = Document::<Self>::parse("manifest", bytes)?;
        let ambiguous = |reason: String| DocumentError::Ambiguous { digest: document.digest().clone(), reason };
        let value = document.value();
        if value.unknown.contains_key("manifests") {
            return Err(ambiguous("it has both `layers` and `manifests`".to_owned()));
        }
        if let Some(media_type) = value.media_type.as_ref().filter(|media_type| !media_type.is_manifest()) {
            return Err(ambiguous(format!("it is listed as a manifest, but says `{media_type}`")));
        }
        Ok(document)
    }

    /// Returns the manifest's media type; OCI when it states none.
    #[must_use]
    pub fn media_type(&self) -> MediaType {
        self.media_type.clone().unwrap_or(MediaType::OciManifest)
    }
}
