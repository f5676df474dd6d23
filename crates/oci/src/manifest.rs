//! Image manifests (image-spec `manifest.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Unknown, object};
use crate::{Descriptor, Digest, Document, DocumentError, Entry, MediaType};

/// An image manifest, OCI or Docker. Fields are written in the reference's order, unknown ones last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type, if it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, base first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// Annotations, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "crate::object::map")]
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Entry>,
    /// The kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(Manifest);

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
            unknown: Unknown::default(),
        }
    }

    /// Parses a manifest whose own name does not matter; see [`Manifest::parse_as`].
    pub fn parse(bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        unambiguous(Document::parse("manifest", bytes)?)
    }

    /// Parses the manifest `digest`.
    ///
    /// # Errors
    /// If the bytes have another digest, are no manifest, say that they are something else, or have what an index has.
    pub fn parse_as(digest: &Digest, bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        unambiguous(Document::parse_as("manifest", digest, bytes)?)
    }

    /// Returns the manifest's media type; OCI when it states none.
    #[must_use]
    pub fn media_type(&self) -> MediaType {
        self.media_type.clone().unwrap_or(MediaType::OciManifest)
    }
}

fn unambiguous(document: Document<Manifest>) -> Result<Document<Manifest>, DocumentError> {
    let ambiguous = |reason| Err(DocumentError::Ambiguous { digest: document.digest().clone(), reason });
    let value = document.value();
    if let Some(field) = value.unknown.like("manifests") {
        return ambiguous(format!("it has both `layers` and `{field}`"));
    }
    if let Some(media_type) = value.media_type.as_ref().filter(|media_type| !media_type.is_manifest()) {
        return ambiguous(format!("it is listed as a manifest, but says `{media_type}`"));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(more: &str) -> String {
        let config = crate::go_json::to_string(&Descriptor::of(MediaType::OciConfig, b"{}"));
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":null{more}}}"#)
    }

    fn parse(more: &str) -> Result<Document<Manifest>, DocumentError> {
        Manifest::parse(text(more).into_bytes())
    }

    #[test]
    fn a_manifest_that_could_be_an_index_is_refused() {
        for more in [r#","manifests":[]"#, r#","manifests":null"#, r#","Manifests":[]"#] {
            assert!(matches!(parse(more), Err(DocumentError::Ambiguous { .. })), "{more}");
        }
        for media_type in [MediaType::OciIndex, MediaType::DockerManifestList, MediaType::OciConfig] {
            let stated = format!(r#","mediaType":"{media_type}""#);
            assert!(matches!(parse(&stated), Err(DocumentError::Ambiguous { .. })), "{media_type}");
        }
        for media_type in [MediaType::OciManifest, MediaType::DockerManifest] {
            assert!(parse(&format!(r#","mediaType":"{media_type}""#)).is_ok(), "{media_type}");
        }
    }

    #[test]
    fn a_manifest_keeps_a_subject_that_is_not_understood_and_fields_that_are_not_known() {
        let odd = r#","subject":{"digest":"blake3:00", "size":1},"annotations":{"a":"b"},"n":{"b":1e400,"a":[1.0]}"#;
        let written = String::from_utf8(parse(odd).unwrap().edited(|_| {}).bytes().to_vec()).unwrap();
        let expected = r#","layers":[],"annotations":{"a":"b"},"subject":{"digest":"blake3:00", "size":1},"n":{"b":1e400,"a":[1.0]}}"#;
        assert!(written.ends_with(expected), "{written}");
    }

    #[test]
    fn a_manifest_is_parsed_as_the_digest_that_was_asked_for() {
        let bytes = text("").into_bytes();
        assert!(Manifest::parse_as(&Digest::of(&bytes), bytes.clone()).is_ok());
        let other = Manifest::parse_as(&Digest::of(b"x"), bytes);
        assert!(matches!(other, Err(DocumentError::OtherDigest { what: "manifest", .. })));
    }
}
