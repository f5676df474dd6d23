//! Images whose blobs have SHA-512 digests.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::io::Write;

use common::{Scratch, blob, platform, sha512, store_sha512, work};
use dhow_oci::{Digest, Document, Image, ImageConfig, MediaType, Selector};
use dhow_store::{
    Archive, BlobError, BlobSource, Completeness, ImageSource, Layout, Presence, Query, Staging, archive, copy_graph,
};

#[test]
fn an_image_is_tagged_loaded_copied_checked_and_collected_by_its_sha512_digests() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let root = store_sha512(&from);
    let to = scratch.layout("to");
    let copied = copy_graph(&root, &from, &to, Completeness::Full).unwrap();
    assert_eq!((copied.copied, copied.linked, copied.missing), (2, 1, vec![]));
    assert_eq!(to.presence(&root).unwrap(), Presence::Present);
    assert!(std::fs::read_dir(to.path().join("blobs/sha256")).unwrap().next().is_none());
    to.tag("x", root.clone(), Completeness::Full).unwrap();
    let path = to.path().to_owned();
    drop(to);
    let to = Layout::open(&path, &work()).unwrap();
    assert_eq!(to.gc(std::time::Duration::ZERO).unwrap().kept, 3);
    assert!(to.check().unwrap().is_empty());
    for selector in [Selector::Tag("x".into()), Selector::Digest(root.digest.clone())] {
        let loaded = to.load(&Query::new(Some(&selector), &platform("linux/amd64"))).unwrap();
        assert_eq!(*loaded.image.manifest().digest(), root.digest);
        assert_eq!(loaded.image.descriptor().digest, root.digest);
        assert_eq!(to.missing(&loaded.image).unwrap(), []);
    }
}

#[test]
fn archives_hold_sha512_blobs() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let root = store_sha512(&from);
    let file = scratch.path("x.tar");
    archive::write(&from, &root, Some("x"), Completeness::Full, &file).unwrap();
    let archive = Archive::open(&file, &work()).unwrap();
    let loaded = archive.load(&Query::new(None, &platform("linux/amd64"))).unwrap();
    assert_eq!(*loaded.image.manifest().digest(), root.digest);
    let to = scratch.layout("to");
    copy_graph(&root, &archive, &to, Completeness::Full).unwrap();
    assert_eq!(to.missing(&loaded.image).unwrap(), []);
}

#[test]
fn a_blob_is_named_by_a_sha512_digest_only_if_it_has_it() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let staged = |bytes: &[u8]| {
        let mut writer = layout.stage().unwrap();
        writer.write_all(bytes).unwrap();
        writer
    };
    let right = sha512(b"content");
    let error = staged(b"contenT").finish_known(&right, 7).unwrap_err();
    assert!(
        matches!(error, BlobError::Digest { expected, found, .. } if expected == right && found == sha512(b"contenT"))
    );
    assert!(!blob(layout.path(), &right).exists());
    staged(b"content").finish_known(&right, 7).unwrap();
    assert_eq!(std::fs::read(blob(layout.path(), &right)).unwrap(), b"content");
}

#[test]
fn damaged_sha512_documents_and_layers_are_found() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let root = store_sha512(&from);
    let loaded = || from.load(&Query::new(Some(&Selector::Digest(root.digest.clone())), &platform("linux/amd64")));
    from.tag("x", root.clone(), Completeness::Full).unwrap();
    let image = loaded().unwrap().image;
    for descriptor in std::iter::once(&root).chain(image.blobs()) {
        let file = blob(from.path(), &descriptor.digest);
        let bytes = std::fs::read(&file).unwrap();
        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(from.check().unwrap().len(), 1, "{}", descriptor.media_type);
        assert_eq!(loaded().is_err(), descriptor.media_type != MediaType::OciLayer);
        std::fs::write(&file, bytes).unwrap();
    }
}

#[test]
fn a_manifest_and_its_config_may_have_digests_of_either_algorithm() {
    let config = Document::<ImageConfig>::parse_as("config", &sha512(b"{}"), b"{}".to_vec()).unwrap();
    let manifest = |digest: Digest| {
        let config = dhow_oci::Descriptor::new(MediaType::OciConfig, digest, 2);
        Document::of(dhow_oci::Manifest::new(config, vec![]))
    };
    assert!(Image::new(manifest(sha512(b"{}")), config.clone()).is_ok());
    assert!(Image::new(manifest(sha512(b"{ }")), config).is_err());
}
