//! What is synced, and that nothing is synced twice.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failure to set a test up fails it")]

mod common;

use std::sync::Arc;

use common::{Scratch, blob, image, store_documents, store_image, tag, work};
use dhow_fs::Work;
use dhow_oci::{DiffId, LayerRef, MediaType};
use dhow_store::{Adopted, BlobSink, Completeness, Layout, Staging};

/// The index, and the directory of blobs.
const NAMES: u64 = 2;

fn open(scratch: &Scratch) -> (Layout, Arc<Work>) {
    let work = work();
    (Layout::open(&scratch.path("layout"), &work).unwrap(), work)
}

#[test]
fn what_was_stored_is_synced_once_before_it_is_named() {
    let scratch = Scratch::new();
    scratch.layout("layout");
    let (layout, work) = open(&scratch);
    let image = store_image(&layout, "linux/amd64", &["base", "app"]);
    assert_eq!(work.report().syncs, 0);
    tag(&layout, "one", &image);
    assert_eq!(work.report().syncs, 4 + NAMES, "two layers, config and manifest");
    tag(&layout, "two", &image);
    assert_eq!(work.report().syncs, 4 + NAMES + 1, "the index alone");
}

#[test]
fn an_unchanged_rebuild_syncs_nothing() {
    let scratch = Scratch::new();
    tag(&scratch.layout("layout"), "app", &store_image(&scratch.layout("layout"), "linux/amd64", &["base", "app"]));
    let (layout, work) = open(&scratch);
    tag(&layout, "app", &store_image(&layout, "linux/amd64", &["base", "app"]));
    assert_eq!(work.report().syncs, 0);
}

#[test]
fn a_changed_image_syncs_what_changed_and_not_what_the_index_led_to_before() {
    let scratch = Scratch::new();
    tag(&scratch.layout("layout"), "app", &store_image(&scratch.layout("layout"), "linux/amd64", &["base", "app"]));
    let (layout, work) = open(&scratch);
    tag(&layout, "app", &store_image(&layout, "linux/amd64", &["base", "app, changed"]));
    assert_eq!(work.report().syncs, 3 + NAMES, "a layer, config and manifest");
}

#[test]
fn what_another_writer_stored_but_did_not_name_is_synced_too() {
    let scratch = Scratch::new();
    let image = store_image(&scratch.layout("layout"), "linux/amd64", &["base", "app"]);
    let (layout, work) = open(&scratch);
    tag(&layout, "app", &image);
    assert_eq!(work.report().syncs, 4 + NAMES);
}

#[test]
fn a_linked_blob_is_synced() {
    let scratch = Scratch::new();
    let base = scratch.layout("base");
    let layer = base.store(b"base", MediaType::OciLayer).unwrap();
    scratch.layout("layout");
    let (layout, work) = open(&scratch);
    assert_eq!(layout.adopt(&base, &layer).unwrap(), Adopted::Linked);
    let diff_id = DiffId(layer.digest.clone());
    let image = image("linux/amd64", &[LayerRef { descriptor: layer, diff_id }]);
    store_documents(&layout, &image);
    tag(&layout, "app", &image);
    assert_eq!(work.report().syncs, 3 + NAMES);
}

#[test]
fn a_blob_that_replaces_another_is_synced_first_and_a_new_one_is_not() {
    let scratch = Scratch::new();
    let image = store_image(&scratch.layout("layout"), "linux/amd64", &["base"]);
    tag(&scratch.layout("layout"), "app", &image);
    let (layout, work) = open(&scratch);
    let store = |content: &[u8]| {
        let mut writer = layout.stage().unwrap();
        std::io::Write::write_all(&mut writer, content).unwrap();
        writer.finish().unwrap()
    };
    store(b"new");
    assert_eq!(work.report().syncs, 0);
    store(b"base");
    assert_eq!(work.report().syncs, 1, "the image that is named needs it");
}

#[test]
fn an_unchanged_tag_syncs_a_blob_that_was_healed() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    tag(&layout, "app", &image);
    std::fs::write(blob(layout.path(), &image.layers()[0].descriptor.digest), "ruin").unwrap();
    let (layout, work) = open(&scratch);
    tag(&layout, "app", &store_image(&layout, "linux/amd64", &["base"]));
    assert_eq!(work.report().syncs, 1 + 1 + 1, "as it took its place, and with its directory before the tag");
    assert_eq!(layout.check().unwrap().len(), 0);
}

#[test]
fn many_blobs_are_synced_with_their_file_system() {
    let scratch = Scratch::new();
    scratch.layout("layout");
    let (layout, work) = open(&scratch);
    let contents: Vec<String> = (0..100).map(|number| format!("layer {number}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let image = store_image(&layout, "linux/amd64", &contents);
    layout.tag("app", image.descriptor(), Completeness::Full).unwrap();
    assert_eq!(work.report().syncs, 2, "it and the index");
}
