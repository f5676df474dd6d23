//! Layouts that others wrote: recorded bytes, and what skopeo and umoci make and read.
//!
//! The tests of the second kind need `skopeo` and `umoci` on the `PATH`.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Scratch, image, platform, store_documents, store_image, store_index, tag, work};
use dhow_oci::{DiffId, Digest, LayerRef, MediaType, Selector};
use dhow_store::{
    Archive, BlobSink, Completeness, ImageSource, Layout, Query, ResolveError, Wanted, archive, copy_graph, normalise,
};

fn recorded(scratch: &Scratch, name: &str) -> Layout {
    let fixtures: serde_json::Value = serde_json::from_str(include_str!("fixtures/run-images.json")).unwrap();
    let recorded = &fixtures["layouts"][name];
    let path = scratch.path(name);
    std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
    std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(path.join("index.json"), recorded["index.json"].as_str().unwrap()).unwrap();
    for hex in recorded["blobs"].as_array().unwrap() {
        let hex = hex.as_str().unwrap();
        std::fs::write(path.join("blobs/sha256").join(hex), fixtures["blobs"][hex].as_str().unwrap()).unwrap();
    }
    Layout::open(&path, &work()).unwrap()
}

#[test]
fn run_images_of_every_recorded_shape_are_found() {
    let scratch = Scratch::new();
    let amd64 = platform("linux/amd64");
    let latest = Selector::Tag("latest".into());
    for (name, is_tagged) in [
        ("sparse", true),
        ("two", true),
        ("two-noplatform", true),
        ("nested", false),
        ("docker", true),
        ("docker-nested", false),
        ("no-os", true),
    ] {
        let layout = recorded(&scratch, name);
        let loaded = layout.load(&Query::new(None, &amd64)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.image.layers().len(), 2, "{name}");
        assert_eq!(layout.missing(&loaded.image).unwrap().len(), 2, "{name}: sparse");
        assert_eq!(layout.find(&Query::new(Some(&latest), &amd64)).is_ok(), is_tagged, "{name}");
        let preferred = Query { wanted: Wanted::Preferably("latest"), platform: Some(&amd64) };
        assert_eq!(layout.find(&preferred).unwrap().descriptor.digest, *loaded.image.manifest().digest(), "{name}");
        let normal = normalise(loaded.image);
        assert!(normal.blobs().iter().all(|blob| blob.media_type.as_str().contains(".oci.")), "{name}");
    }
    assert!(matches!(recorded(&scratch, "empty-index").load(&Query::new(None, &amd64)), Err(ResolveError::Empty(_))));
    let arm = recorded(&scratch, "arm64");
    let error = arm.load(&Query::new(None, &amd64)).unwrap_err().to_string();
    assert!(error.ends_with("has no image for linux/amd64; it has `linux/arm64/v8`"), "{error}");
    assert!(arm.load(&Query { wanted: Wanted::Only, platform: None }).is_ok());
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("this test needs `{program}` (Debian: apt-get install {program}): {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

fn skopeo(arguments: &[&str]) -> String {
    run("skopeo", &[&["--insecure-policy"], arguments].concat())
}

fn oci(path: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", path.display())
}

/// An image with one layer that is a tar without entries.
fn unpackable(layout: &Layout, platform_text: &str) -> dhow_oci::Image {
    let tar = vec![0; 1024];
    let descriptor = layout.store(&tar, MediaType::OciLayer).unwrap();
    let image = image(platform_text, &[LayerRef { descriptor, diff_id: DiffId(Digest::of(&tar)) }]);
    store_documents(layout, &image);
    image
}

#[test]
fn skopeo_reads_what_was_written_and_what_it_copies_is_read() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let ours = unpackable(&layout, "linux/amd64");
    tag(&layout, "v1", &ours);
    tag(&layout, "v2", &unpackable(&layout, "linux/arm64"));
    let inspected = skopeo(&["inspect", "--raw", &oci(layout.path(), "v1")]);
    assert_eq!(inspected.as_bytes(), ours.manifest().bytes());

    let theirs = scratch.path("theirs");
    skopeo(&["copy", "--preserve-digests", &oci(layout.path(), "v1"), &oci(&theirs, "copied")]);
    let theirs = Layout::open(&theirs, &work()).unwrap();
    let loaded = theirs.load(&Query::new(Some(&Selector::Tag("copied".into())), &platform("linux/amd64"))).unwrap();
    assert_eq!(loaded.image.manifest().digest(), ours.manifest().digest());
    assert!(theirs.check().unwrap().is_empty());

    // Their tags stay when one is added here, and the other way round.
    tag(&theirs, "ours", &unpackable(&theirs, "linux/arm64"));
    skopeo(&["copy", &oci(layout.path(), "v1"), &oci(theirs.path(), "again")]);
    let index = theirs.index().unwrap();
    let names: Vec<_> = index.value().manifests.iter().filter_map(dhow_oci::Entry::ref_name).collect();
    assert_eq!(names, ["copied", "ours", "again"]);
}

#[test]
fn names_with_colons_and_slashes_are_found_and_survive_a_rewrite_for_skopeo() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let ours = unpackable(&layout, "linux/amd64");
    tag(&layout, "v1", &ours);
    let theirs = scratch.path("theirs");
    let names = ["centos:8.3", "app/org.x/y", "docker.io/library/x:1"];
    for name in names {
        skopeo(&["copy", "--preserve-digests", &oci(layout.path(), "v1"), &oci(&theirs, name)]);
    }
    let theirs = Layout::open(&theirs, &work()).unwrap();
    tag(&theirs, "sha/other:1", &unpackable(&theirs, "linux/arm64"));
    tag(&theirs, "centos:8.3", &unpackable(&theirs, "linux/s390x"));
    for name in names.into_iter().chain(["sha/other:1"]) {
        let resolved =
            theirs.find(&Query { wanted: Wanted::Exactly(&Selector::Tag(name.into())), platform: None }).unwrap();
        let seen = skopeo(&["inspect", "--raw", &oci(theirs.path(), name)]);
        assert_eq!(resolved.descriptor.digest, Digest::of(seen.as_bytes()), "{name}");
    }
}

#[test]
fn skopeo_reads_a_layout_of_sha512_digests_that_was_copied_here() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let root = common::store_sha512(&layout);
    let to = scratch.layout("to");
    copy_graph(&root, &layout, &to, Completeness::Full).unwrap();
    to.tag("x", root.clone(), Completeness::Full).unwrap();
    let seen = skopeo(&["inspect", "--raw", &oci(to.path(), "x")]);
    assert_eq!(root.digest.of_same_kind(seen.as_bytes()), root.digest);
}

#[test]
fn an_index_that_skopeo_copied_whole_is_resolved_by_platform() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let images = ["linux/amd64", "linux/arm64/v8"].map(|platform| unpackable(&layout, platform));
    let manifests = images.iter().map(dhow_oci::Image::descriptor).collect();
    let index = store_index(&layout, MediaType::OciIndex, manifests);
    layout.tag("all", index.clone(), Completeness::Full).unwrap();
    let theirs = scratch.path("theirs");
    skopeo(&["copy", "--all", "--preserve-digests", &oci(layout.path(), "all"), &oci(&theirs, "all")]);
    let theirs = Layout::open(&theirs, &work()).unwrap();
    let resolved = theirs.find(&Query::new(None, &platform("linux/arm64"))).unwrap();
    assert_eq!((&resolved.named.digest, &resolved.descriptor.digest), (&index.digest, images[1].manifest().digest()));
}

#[test]
fn archives_go_both_ways_with_skopeo() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let ours = unpackable(&layout, "linux/amd64");
    tag(&layout, "v1", &ours);
    let written = scratch.path("ours.tar");
    archive::write(&layout, &ours.descriptor(), Some("v1"), Completeness::Full, &written).unwrap();
    let location = |path: &Path, tag: &str| format!("oci-archive:{}:{tag}", path.display());
    let inspected = skopeo(&["inspect", "--raw", &location(&written, "v1")]);
    assert_eq!(inspected.as_bytes(), ours.manifest().bytes());

    let theirs = scratch.path("theirs.tar");
    let name = "example.org/app:v9";
    skopeo(&["copy", "--preserve-digests", &oci(layout.path(), "v1"), &location(&theirs, name)]);
    let theirs = Archive::open(&theirs, &work()).unwrap();
    let loaded = theirs.load(&Query::new(Some(&Selector::Tag("v9".into())), &platform("linux/amd64"))).unwrap();
    assert_eq!(loaded.image.manifest().digest(), ours.manifest().digest());
    assert_eq!(loaded.resolved.known_name(), Some(name));
    let to = scratch.layout("to");
    copy_graph(&loaded.resolved.descriptor, &theirs, &to, Completeness::Full).unwrap();
    assert_eq!(to.missing(&ours).unwrap(), []);
}

#[test]
fn umoci_lists_unpacks_and_collects_what_was_written() {
    let scratch = Scratch::new();
    let layout = scratch.layout("ours");
    let ours = unpackable(&layout, "linux/amd64");
    tag(&layout, "v1", &ours);
    store_image(&layout, "linux/amd64", &["garbage"]);
    let path = layout.path().display().to_string();
    assert_eq!(run("umoci", &["ls", "--layout", &path]), "v1\n");
    let bundle = scratch.path("bundle").display().to_string();
    run("umoci", &["unpack", "--rootless", "--image", &format!("{path}:v1"), &bundle]);
    assert!(scratch.path("bundle/rootfs").is_dir());
    run("umoci", &["tag", "--image", &format!("{path}:v1"), "v2"]);
    run("umoci", &["gc", "--layout", &path]);
    drop(layout);
    let layout = Layout::open(Path::new(&path), &work()).unwrap();
    assert_eq!(layout.missing(&ours).unwrap(), []);
    assert!(layout.check().unwrap().is_empty());
    assert_eq!(layout.gc(Duration::ZERO).unwrap().removed, [], "umoci found the same garbage");
    let resolved = layout.find(&Query::new(Some(&Selector::Tag("v2".into())), &platform("linux/amd64"))).unwrap();
    assert_eq!(resolved.descriptor.digest, *ours.manifest().digest());
}
