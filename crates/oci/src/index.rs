//! Image indexes (image-spec `image-index.md`), `index.json` of a layout among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Unknown, object};
use crate::{Descriptor, Digest, Document, DocumentError, Entry, MediaType};

/// An index of manifests, OCI or Docker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type, if it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The entries, in order, understood or not.
    #[serde(default)]
    pub manifests: Vec<Entry>,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(Index);

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

impl Index {
    /// Returns an OCI index of `manifests`.
    #[must_use]
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        Self { manifests: manifests.into_iter().map(Entry::from).collect(), ..Self::default() }
    }

    /// Returns the entries that are understood, in order.
    pub fn descriptors(&self) -> impl DoubleEndedIterator<Item = &Descriptor> + Clone {
        self.manifests.iter().filter_map(Entry::descriptor)
    }

    /// Returns the kind of artifact that this is the index of; `None` for an index of images.
    #[must_use]
    pub fn artifact_type(&self) -> Option<String> {
        self.unknown.get("artifactType")?.read::<Option<String>>().ok()?.filter(|text| !text.is_empty())
    }

    /// Returns the annotations of the index itself. Those that are no text are left out.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let stated =
            self.unknown.get("annotations").and_then(|raw| raw.read::<BTreeMap<String, Option<String>>>().ok());
        stated.unwrap_or_default().into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
    }

    /// Parses an index whose own name does not matter, such as `index.json`; see [`Index::parse_as`].
    ///
    /// An entry that is no UTF-8 is not understood. Edits of the document keep its bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        let note = |index: &mut Self| index.manifests.iter_mut().for_each(Entry::note_undecodable);
        unambiguous(Document::parse_any("index", bytes, note)?)
    }

    /// Parses the index `digest`.
    ///
    /// # Errors
    /// If the bytes have another digest, are no index, say that they are something else, or have what a manifest has.
    /// An entry that is not understood is no error: see [`Entry`].
    pub fn parse_as(digest: &Digest, bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        unambiguous(Document::parse_as("index", digest, bytes)?)
    }
}

fn unambiguous(document: Document<Index>) -> Result<Document<Index>, DocumentError> {
    let ambiguous = |reason| Err(DocumentError::Ambiguous { digest: document.digest().clone(), reason });
    let value = document.value();
    if let Some(field) = value.unknown.like("layers").or_else(|| value.unknown.like("config")) {
        return ambiguous(format!("it has `manifests` and also `{field}`"));
    }
    if let Some(media_type) = value.media_type.as_ref().filter(|media_type| !media_type.is_index()) {
        return ambiguous(format!("it is listed as an index, but says `{media_type}`"));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document<Index>, DocumentError> {
        Index::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn an_index_that_could_be_a_manifest_is_refused() {
        for field in ["layers", "config", "Layers", "CONFIG"] {
            let text = format!(r#"{{"schemaVersion":2,"manifests":[],"{field}":null}}"#);
            assert!(matches!(parse(&text), Err(DocumentError::Ambiguous { .. })), "{field}");
        }
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, MediaType::OciManifest);
        assert!(matches!(parse(&text), Err(DocumentError::Ambiguous { .. })));
    }

    #[test]
    fn an_edit_changes_nothing_but_what_it_is_about() {
        let digest = Digest::of(b"x");
        let first = format!(r#"{{ "digest":"{digest}", "size":7, "new": 1180591620717411303424 }}"#);
        let second = format!(r#"{{"size":1,"digest":"blake3:{}"}}"#, "0".repeat(64));
        let rest = r#""annotations":{"b":"1","a":null},"subject":{"x":1.0},"artifactType":null"#;
        let index = parse(&format!(r#"{{"manifests":[{first},null,{second}],"schemaVersion":2,{rest}}}"#)).unwrap();
        assert_eq!(index.value().descriptors().count(), 1);
        let added = Descriptor::of(MediaType::OciManifest, b"y");
        let edited = index.edited(|index| index.manifests.push(added.clone().into()));
        let written = format!(
            r#"{{"schemaVersion":2,"manifests":[{first},null,{second},{}],{rest}}}"#,
            Entry::from(added).text()
        );
        assert_eq!(String::from_utf8_lossy(edited.bytes()), written);
    }

    #[test]
    fn an_index_that_is_no_utf8_keeps_its_bytes_and_its_other_entries() {
        let digest = Digest::of(b"x");
        let entry = |rest: &[u8]| [format!(r#"{{"digest":"{digest}","size":7"#).as_bytes(), rest, b"}"].concat();
        let name = |name: &[u8]| {
            [br#","annotations":{"org.opencontainers.image.ref.name":""#.as_slice(), name, b"\"}"].concat()
        };
        let odd = entry(&[name(b"odd"), b",\"x\":\"a\xffb\xf4\x8f\xbe\x80\"".to_vec()].concat());
        let entries = [entry(&name(b"good")), odd, entry(&name(b"\xfe"))].join(&b',');
        let bytes = [b"{\"schemaVersion\":2,\"manifests\":[".as_slice(), &entries, b"],\"y\":\"\xc0\"}"].concat();
        let index = Index::parse(bytes.clone()).unwrap();
        assert_eq!((index.bytes(), index.digest()), (bytes.as_slice(), &Digest::of(&bytes)));
        let names: Vec<Option<&str>> = index.value().manifests.iter().map(Entry::ref_name).collect();
        assert_eq!((names, index.value().descriptors().count()), (vec![Some("good"), Some("odd"), None], 1));
        let foreign = index.value().manifests[1].foreign().unwrap();
        assert_eq!(foreign.reason(), "it is no UTF-8: it has the byte 0xff and 4 more");
        assert_eq!(foreign.digest(), Some(&digest));
        // Once and again, as an edit is made on what an edit made.
        let edited = index.edited(|_| ()).edited(|_| ());
        assert_eq!(String::from_utf8_lossy(edited.bytes()), String::from_utf8_lossy(&bytes));
        assert_eq!((edited.bytes(), edited.digest()), (bytes.as_slice(), &Digest::of(&bytes)));
        assert!(Index::parse_as(&Digest::of(&bytes), bytes).is_err());
    }

    #[test]
    fn an_index_tells_of_which_artifact_it_is_and_its_annotations() {
        let index = |rest: &str| parse(&format!(r#"{{"schemaVersion":2,"manifests":[]{rest}}}"#)).unwrap();
        let stated = index(r#","artifactType":"application/x","annotations":{"a":"b","c":null}"#);
        assert_eq!(stated.value().artifact_type().as_deref(), Some("application/x"));
        assert_eq!(stated.value().annotations(), [("a".to_owned(), "b".to_owned())].into());
        for rest in ["", r#","artifactType":null,"annotations":null"#, r#","artifactType":"","annotations":7"#] {
            let index = index(rest);
            assert_eq!((index.value().artifact_type(), index.value().annotations().len()), (None, 0), "{rest}");
        }
    }

    #[test]
    fn an_index_without_entries_may_say_so_in_any_way() {
        for text in
            [r#"{"schemaVersion":2,"manifests":null}"#, r#"{"schemaVersion":2,"mediaType":null,"manifests":[]}"#]
        {
            assert!(parse(text).unwrap().value().manifests.is_empty());
        }
        for text in ["", "{}", "[]", "null", r#"{"schemaVersion":2,"manifests":{}}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_index_is_parsed_as_the_digest_that_was_asked_for() {
        let bytes = Document::of(Index::default()).bytes().to_vec();
        let mut hasher = crate::Hasher::sha512();
        hasher.update(&bytes);
        let digest = hasher.finish();
        assert_eq!(*Index::parse_as(&digest, bytes.clone()).unwrap().digest(), digest);
        let other = Index::parse_as(&Digest::of(b"x"), bytes);
        assert!(matches!(other, Err(DocumentError::OtherDigest { .. })));
    }
}
