//! What refers to an image, in layouts and archives, however that was recorded.
#![expect(clippy::disallowed_methods, reason = "tests look at files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::collections::BTreeMap;

use common::{Scratch, store_image, store_index, tag, work};
use dhow_oci::{Descriptor, Digest, Document, Image, Manifest, MediaType};
use dhow_store::{
    Archive, BlobSink, Completeness, Expected, Layout, Referrers, TagError, TagSink, Tags, archive, fallback_tag,
};

/// Stores an artifact about `subject`, and returns how a registry would list it.
fn artifact(layout: &Layout, subject: &Descriptor, kind: Option<&str>, note: &str) -> Descriptor {
    let config = layout.store(note.as_bytes(), "application/x.config".into()).unwrap();
    let annotations = BTreeMap::from([("note".to_owned(), note.to_owned())]);
    let manifest = Manifest {
        artifact_type: kind.map(str::to_owned),
        subject: Some(subject.clone().into()),
        annotations: annotations.clone(),
        ..Manifest::new(config, Vec::new())
    };
    let stored = layout.store(Document::of(manifest).bytes(), MediaType::OciManifest).unwrap();
    let artifact_type = Some(kind.unwrap_or("application/x.config").to_owned());
    Descriptor { artifact_type, annotations, ..stored }
}

fn bare(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size)
}

fn subject(layout: &Layout) -> Image {
    let image = store_image(layout, "linux/amd64", &["base"]);
    tag(layout, "app", &image);
    image
}

#[test]
fn what_refers_is_found_by_its_subject_and_by_the_fallback_tag_and_told_once() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = subject(&layout).descriptor();
    let (signature, nested) = (artifact(&layout, &image, Some("a/sig"), "1"), artifact(&layout, &image, None, "2"));
    let other = artifact(&layout, &signature, Some("a/sig"), "of the signature");
    let listed =
        Descriptor { artifact_type: Some("a/list".to_owned()), ..Descriptor::of(MediaType::OciManifest, b"x") };
    layout.tag("signature", bare(&signature), Completeness::Full).unwrap();
    layout.tag("of it", bare(&other), Completeness::Full).unwrap_err();
    layout.tag("of-it", bare(&other), Completeness::Full).unwrap();
    let index = store_index(&layout, MediaType::OciIndex, vec![bare(&nested)]);
    layout.tag("index", index, Completeness::Full).unwrap();
    let list = store_index(&layout, MediaType::OciIndex, vec![signature.clone(), listed.clone()]);
    layout.tag(&fallback_tag(&image.digest), list, Completeness::Sparse).unwrap();

    let places: &dyn Referrers = &layout;
    assert_eq!(places.referrers(&image.digest).unwrap(), [signature.clone(), nested, listed]);
    assert_eq!(places.referrers(&signature.digest).unwrap(), [other]);
    assert_eq!(places.referrers(&Digest::of(b"unknown")).unwrap(), []);

    let file = scratch.path("archive.tar");
    archive::write(&layout, &bare(&signature), Some("s"), Completeness::Full, &file).unwrap();
    assert_eq!(Archive::open(&file, &work()).unwrap().referrers(&image.digest).unwrap(), [signature]);
}

#[test]
fn an_index_refers_too_and_has_no_kind_unless_it_states_one() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = subject(&layout).descriptor();
    for (name, kind) in [("none", ""), ("stated", r#","artifactType":"a/app""#)] {
        let subject = serde_json::to_string(&image).unwrap();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"subject":{subject}{kind}}}"#,
            MediaType::OciIndex
        );
        let stored = layout.store(text.as_bytes(), MediaType::OciIndex).unwrap();
        layout.tag(name, stored, Completeness::Full).unwrap();
    }
    let found = layout.referrers(&image.digest).unwrap();
    let kinds: Vec<Option<&str>> = found.iter().map(|found| found.artifact_type.as_deref()).collect();
    assert_eq!(kinds, [None, Some("a/app")]);
}

#[test]
fn a_fallback_tag_that_names_no_index_lists_nothing() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = subject(&layout).descriptor();
    layout.tag(&fallback_tag(&image.digest), image.clone(), Completeness::Full).unwrap();
    assert_eq!(layout.referrers(&image.digest).unwrap(), []);
}

#[test]
fn tags_are_listed_given_and_taken_away_through_the_traits() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = subject(&layout).descriptor();
    let sink: &dyn TagSink = &layout;
    sink.tag_if("b", &Expected::Just(None), image.clone(), Completeness::Full).unwrap();
    let refused = sink.tag_if("b", &Expected::Just(None), image.clone(), Completeness::Full).unwrap_err();
    assert!(matches!(refused, TagError::Changed { expected: None, found: Some(digest), .. } if digest == image.digest));
    assert_eq!(Tags::tags(&layout).unwrap(), ["app", "b"]);
    assert!(sink.untag("b").unwrap() && !sink.untag("b").unwrap());
    let file = scratch.path("archive.tar");
    archive::write(&layout, &image, Some("x"), Completeness::Full, &file).unwrap();
    assert_eq!(Archive::open(&file, &work()).unwrap().tags().unwrap(), ["x"]);
    assert_eq!(Tags::tags(&layout).unwrap(), ["app"]);
}
