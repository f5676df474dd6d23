//! A layout that was made for nothing is removed; anything else stays.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failure to set a test up fails it")]

mod common;

use std::fs;

use common::{Scratch, store_image, tag, work};
use dhow_oci::MediaType;
use dhow_store::{BlobSink, Layout, Staging};

fn prepare(scratch: &Scratch) -> Layout {
    Layout::prepare(&scratch.path("above/layout"), &work()).unwrap()
}

#[test]
fn a_layout_made_for_no_image_is_removed_with_what_was_stored_for_it_and_the_directories_above() {
    let scratch = Scratch::new();
    let layout = prepare(&scratch);
    store_image(&layout, "linux/amd64", &["base"]);
    let unfinished = layout.stage().unwrap();
    drop(unfinished);
    drop(layout);
    assert!(!scratch.path("above").exists());
}

#[test]
fn a_layout_with_a_named_image_stays() {
    let scratch = Scratch::new();
    let layout = prepare(&scratch);
    let image = store_image(&layout, "linux/amd64", &["base"]);
    tag(&layout, "app", &image);
    drop(layout);
    assert_eq!(prepare(&scratch).missing(&image).unwrap(), []);
}

#[test]
fn an_empty_layout_or_directory_of_somebody_else_stays() {
    let scratch = Scratch::new();
    drop(Layout::open_or_create(&scratch.path("above/layout"), &work()).unwrap());
    drop(prepare(&scratch));
    Layout::open(&scratch.path("above/layout"), &work()).unwrap();

    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("above/layout")).unwrap();
    drop(prepare(&scratch));
    assert_eq!(fs::read_dir(scratch.path("above/layout")).unwrap().count(), 0);
}

#[test]
fn what_others_put_into_it_stays_and_the_layout_with_it() {
    for foreign in ["README", "blobs/sha256/unfinished", "blobs/sha512/unfinished", "blobs/other"] {
        let scratch = Scratch::new();
        let layout = prepare(&scratch);
        let file = scratch.path("above/layout").join(foreign);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "content").unwrap();
        drop(layout);
        assert!(file.exists(), "{foreign}");
        Layout::open(&scratch.path("above/layout"), &work()).unwrap();
    }
    let scratch = Scratch::new();
    let layout = prepare(&scratch);
    let digest = dhow_oci::Digest::of(b"foreign");
    let file = common::blob(layout.path(), &digest);
    fs::write(&file, "foreign").unwrap();
    drop(layout);
    assert!(file.exists());
}

#[test]
fn a_layout_at_which_another_writer_is_at_work_stays() {
    let scratch = Scratch::new();
    let layout = prepare(&scratch);
    let other = prepare(&scratch);
    let stored = other.store(b"of the other", MediaType::OciLayer).unwrap();
    drop(layout);
    assert!(common::blob(other.path(), &stored.digest).exists());
    tag(&other, "app", &store_image(&other, "linux/amd64", &["base"]));
    drop(other);
    assert_eq!(prepare(&scratch).index().unwrap().value().manifests.len(), 1);
}

#[test]
fn writers_of_whom_some_fail_leave_the_images_of_the_others() {
    let scratch = Scratch::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let scratch = &scratch;
            scope.spawn(move || {
                for round in 0..10 {
                    let layout = prepare(scratch);
                    let image = store_image(&layout, "linux/amd64", &[&format!("{number} {round}")]);
                    if round == 9 && number % 2 == 0 {
                        tag(&layout, &format!("tag{number}"), &image);
                    }
                }
            });
        }
    });
    let layout = prepare(&scratch);
    assert_eq!(layout.index().unwrap().value().manifests.len(), 4);
    assert_eq!(layout.check().unwrap().len(), 0);
}
