//! Entries of an index: exact text beside what it says.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::{Fields, Raw};
use crate::{Descriptor, Digest, annotation, undecodable};

/// An entry of an index, or what a document has as subject.
///
/// An entry that was read is written with the text that was read, whether it is understood or not. So an edit of one entry
/// leaves all others as their tools wrote them.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    text: Raw,
    reading: Reading,
}

/// What the text of an entry says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A descriptor.
    Descriptor(Box<Descriptor>),
    /// Something that this crate does not understand.
    Foreign(Foreign),
}

/// An entry that is no descriptor as this crate knows them, perhaps of a later specification.
///
/// Nobody here can tell what it stands for, so it is left alone, and so is whatever it may need.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    reason: String,
    name: Option<String>,
    digest: Option<Digest>,
}

impl Entry {
    /// Returns the exact text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.text()
    }

    /// Returns what the text says.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Returns the descriptor, if it is understood.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match &self.reading {
            Reading::Descriptor(descriptor) => Some(descriptor),
            Reading::Foreign(_) => None,
        }
    }

    /// Returns what can be told of an entry that is not understood.
    #[must_use]
    pub fn foreign(&self) -> Option<&Foreign> {
        match &self.reading {
            Reading::Descriptor(_) => None,
            Reading::Foreign(foreign) => Some(foreign),
        }
    }

    /// Returns the name under which a layout lists the entry, understood or not.
    #[must_use]
    pub fn ref_name(&self) -> Option<&str> {
        match &self.reading {
            Reading::Descriptor(descriptor) => descriptor.ref_name(),
            Reading::Foreign(foreign) => foreign.name.as_deref(),
        }
    }

    /// Notes that it is not understood, if something stands in its text for bytes that are no UTF-8.
    pub(crate) fn note_undecodable(&mut self) {
        if let Some(reason) = undecodable::problem(self.text.text()) {
            let mut foreign = Foreign::of(&self.text, reason);
            foreign.name = foreign.name.filter(|name| undecodable::problem(name).is_none());
            self.reading = Reading::Foreign(foreign);
        }
    }

    fn read(text: Raw) -> Self {
        let reading = match text.read() {
            Ok(descriptor) => Reading::Descriptor(Box::new(descriptor)),
            Err(error) => Reading::Foreign(Foreign::of(&text, error.to_string())),
        };
        Self { text, reading }
    }
}

impl Foreign {
    /// Returns why the entry is not understood.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the digest of what the entry names, if at least that is understood.
    ///
    /// Without it nobody can tell which blobs the entry needs.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns words for the entry: its name, else its digest, else its text, cut after 80 characters.
    #[must_use]
    pub fn label(&self, entry: &Entry) -> String {
        let text = || undecodable::shown(entry.text()).chars().take(80).collect();
        self.name.clone().or_else(|| self.digest.as_ref().map(Digest::to_string)).unwrap_or_else(text)
    }

    fn of(text: &Raw, reason: String) -> Self {
        let fields = text.read::<Fields>().ok();
        let field = |name: &str| fields.as_ref().and_then(|fields| fields.only(name));
        let annotations = field("annotations").and_then(|annotations| annotations.read::<Fields>().ok());
        let name = annotations.and_then(|annotations| annotations.only(annotation::REF_NAME)?.read().ok());
        Self { reason, name, digest: field("digest").and_then(|digest| digest.read().ok()) }
    }
}

impl From<Descriptor> for Entry {
    fn from(descriptor: Descriptor) -> Self {
        Self { text: Raw::of(&descriptor), reading: Reading::Descriptor(Box::new(descriptor)) }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(Raw::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MediaType;

    fn entry(text: &str) -> Entry {
        serde_json::from_str(text).unwrap()
    }

    fn digest() -> String {
        Digest::of(b"x").to_string()
    }

    #[test]
    fn an_entry_is_written_as_it_was_read_whatever_it_is() {
        let hex = "0".repeat(64);
        for text in [
            format!(r#"{{ "size" : 1e400, "digest": "{}" }}"#, digest()),
            format!(r#"{{"size":1,"digest":"blake3:{hex}","platform":null}}"#),
            format!(r#"{{"digest":"{}","size":1,"x":[1.0, 1180591620717411303424],"urls":null}}"#, digest()),
            "null".to_owned(),
            "[ 1 ]".to_owned(),
        ] {
            assert_eq!(crate::go_json::to_string(&entry(&text)), text);
        }
    }

    #[test]
    fn what_is_odd_but_clear_is_understood() {
        let text = format!(
            r#"{{"size":1,"digest":"{}","urls":null,"annotations":{{"a":null,"b":"c"}},"platform":{{"os":"linux","os.features":null}}}}"#,
            digest()
        );
        let descriptor = entry(&text).descriptor().unwrap().clone();
        assert_eq!(descriptor.annotations.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "c".to_owned())]);
        assert_eq!(descriptor.platform.unwrap().os, "linux");
    }

    #[test]
    fn of_a_foreign_entry_name_and_digest_are_read_if_they_are_clear() {
        let named = r#""annotations":{"n":1,"org.opencontainers.image.ref.name":"a"}"#;
        let known = entry(&format!(r#"{{"size":"x","digest":"{}",{named}}}"#, digest()));
        assert_eq!((known.ref_name(), known.descriptor()), (Some("a"), None));
        let foreign = known.foreign().unwrap();
        assert_eq!(foreign.digest(), Some(&Digest::of(b"x")));
        assert_eq!(foreign.reason(), r#"`size`: invalid type: string "x", expected u64"#);
        assert_eq!(foreign.label(&known), "a");
        let opaque = entry(r#"{"size":1,"digest":"blake3:00"}"#);
        assert_eq!((opaque.ref_name(), opaque.foreign().unwrap().digest()), (None, None));
        let twice = entry(&format!(r#"{{"digest":"{0}","digest":"{0}"}}"#, digest()));
        assert_eq!(twice.foreign().unwrap().digest(), None);
    }

    #[test]
    fn an_entry_of_a_descriptor_reads_back_as_itself() {
        let made = Entry::from(Descriptor::of(MediaType::OciManifest, b"x"));
        assert_eq!(entry(made.text()), made);
    }
}
