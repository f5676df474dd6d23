//! Layouts whose `index.json` is missing, damaged or being written by another tool.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Scratch, blob, image, store_documents, store_image, tag, tree, work};
use dhow_oci::{Descriptor, Digest, ImageConfig, MediaType};
use dhow_store::{BlobSink, Completeness, Expected, Layout, LayoutError};

fn names(layout: &Layout) -> Vec<String> {
    let index = layout.index().unwrap();
    index.value().manifests.iter().filter_map(|entry| entry.ref_name().map(str::to_owned)).collect()
}

/// A layout with an image `app`, and the path of its index.
fn with_app(scratch: &Scratch) -> (Layout, std::path::PathBuf) {
    let layout = scratch.layout("layout");
    tag(&layout, "app", &store_image(&layout, "linux/amd64", &["base"]));
    let index = layout.path().join("index.json");
    (layout, index)
}

fn lost(result: Result<impl Sized, LayoutError>) -> Option<usize> {
    match result {
        Err(LayoutError::NoIndex { blobs, .. }) => Some(blobs),
        _ => None,
    }
}

#[test]
fn where_blobs_are_and_no_index_every_writer_refuses_and_nothing_changes() {
    let scratch = Scratch::new();
    let (layout, index) = with_app(&scratch);
    let path = layout.path().to_owned();
    std::fs::remove_file(&index).unwrap();
    let before: Vec<String> = tree(&path).into_iter().filter(|name| !name.starts_with(".dhow")).collect();
    let other = store_image(&scratch.layout("elsewhere"), "linux/amd64", &["other"]);
    assert_eq!(
        lost(layout.tag("app", other.descriptor(), Completeness::Sparse).map(drop).map_err(|error| match error {
            // What is asked for is not here either; the index is what counts.
            LayoutError::Graph(_) => LayoutError::NoIndex { path: path.clone(), blobs: 3 },
            other => other,
        })),
        Some(3)
    );
    assert_eq!(lost(layout.untag("app")), Some(3));
    assert_eq!(lost(layout.gc(Duration::ZERO)), Some(3));
    assert_eq!(lost(layout.drop_unneeded(&[Digest::of(b"base")])), Some(3));
    drop(layout);
    assert_eq!(lost(Layout::open(&path, &work())), Some(3));
    assert_eq!(lost(Layout::open_or_create(&path, &work())), Some(3));
    assert_eq!(lost(Layout::prepare(&path, &work())), Some(3));
    assert_eq!(lost(Layout::recover(&path, &work(), &|_| false)), Some(3));
    assert_eq!(tree(&path), before);
    // To start anew is to say so.
    std::fs::remove_dir_all(path.join("blobs")).unwrap();
    assert_eq!(names(&Layout::open_or_create(&path, &work()).unwrap()), [""; 0]);
}

#[test]
fn blobs_of_an_unknown_algorithm_count_as_blobs() {
    let scratch = Scratch::new();
    let path = scratch.layout("layout").path().to_owned();
    std::fs::create_dir(path.join("blobs/blake3")).unwrap();
    std::fs::write(path.join("blobs/blake3/x"), "content").unwrap();
    std::fs::remove_file(path.join("index.json")).unwrap();
    assert_eq!(lost(Layout::open_or_create(&path, &work())), Some(1));
}

#[test]
fn a_layout_whose_making_was_cut_short_is_finished() {
    let scratch = Scratch::new();
    let path = scratch.layout("layout").path().to_owned();
    std::fs::remove_file(path.join("index.json")).unwrap();
    assert_eq!(lost(Layout::open(&path, &work())), Some(0));
    assert_eq!(names(&Layout::prepare(&path, &work()).unwrap()), [""; 0]);
}

#[test]
fn a_tag_takes_the_place_of_what_is_expected_and_of_nothing_else() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let images: Vec<Descriptor> =
        ["1", "2", "3"].iter().map(|content| store_image(&layout, "linux/amd64", &[content]).descriptor()).collect();
    let of = |number: usize| Some(images[number].digest.clone());
    let set = |expected: Option<Digest>, number: usize| {
        layout.tag_if("app", &Expected::Just(expected), images[number].clone(), Completeness::Full)
    };
    let named = || layout.index().unwrap().value().descriptors().next().map(|entry| entry.digest.clone());
    set(None, 0).unwrap();
    match set(None, 1).unwrap_err() {
        LayoutError::Changed { name, expected, found, .. } => {
            assert_eq!((name.as_str(), expected, found), ("app", None, of(0)))
        }
        other => panic!("{other}"),
    }
    set(of(0), 1).unwrap();
    assert!(matches!(set(of(0), 2), Err(LayoutError::Changed { .. })));
    assert_eq!(named(), of(1));
    layout.untag("app").unwrap();
    assert!(matches!(set(of(1), 2), Err(LayoutError::Changed { found: None, .. })));
    assert_eq!(named(), None);
}

/// How a layout is damaged.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 5] = [
    ("index no JSON", |path| std::fs::write(path.join("index.json"), "nope").unwrap()),
    ("index cut", |path| std::fs::write(path.join("index.json"), r#"{"schemaVersion":2,"#).unwrap()),
    ("index missing", |path| std::fs::remove_file(path.join("index.json")).unwrap()),
    ("marker no JSON", |path| std::fs::write(path.join("oci-layout"), "nope").unwrap()),
    ("marker missing", |path| std::fs::remove_file(path.join("oci-layout")).unwrap()),
];

#[test]
fn a_damaged_layout_of_the_callers_own_is_recovered_and_keeps_what_is_whole() {
    for (name, damage) in DAMAGES {
        let scratch = Scratch::new();
        let (layout, _) = with_app(&scratch);
        damage(layout.path());
        let recovered = Layout::recover(layout.path(), &work(), &|config| config.os == "linux").unwrap();
        assert_eq!(names(&recovered).len(), usize::from(name.starts_with("marker")), "{name}");
    }
}

#[test]
fn what_is_not_the_callers_own_is_never_recovered_away() {
    let is_own = |config: &ImageConfig| config.os == "linux";
    type Others = fn(&Layout);
    let others: [Others; 5] = [
        |layout| drop(store_image(layout, "windows/amd64", &["other"])),
        |layout| drop(common::store_index(layout, MediaType::OciIndex, Vec::new())),
        |layout| {
            let whole = store_image(layout, "linux/amd64", &["torn"]);
            std::fs::remove_file(blob(layout.path(), whole.config().digest())).unwrap();
        },
        |layout| {
            let damaged = layout.store(br#"{"layers":[]}"#, MediaType::OciManifest).unwrap();
            std::fs::write(blob(layout.path(), &damaged.digest), r#"{"layers":()}"#).unwrap();
        },
        |layout| {
            std::fs::create_dir(layout.path().join("blobs/blake3")).unwrap();
            std::fs::write(layout.path().join("blobs/blake3/x"), "").unwrap();
        },
    ];
    for (number, other) in others.iter().enumerate() {
        for (name, damage) in &DAMAGES[..3] {
            let scratch = Scratch::new();
            let (layout, _) = with_app(&scratch);
            other(&layout);
            let path = layout.path().to_owned();
            drop(layout);
            damage(&path);
            let before = tree(&path);
            assert!(Layout::recover(&path, &work(), &is_own).is_err(), "{number} {name}");
            assert_eq!(tree(&path), before);
        }
    }
}

#[test]
fn what_is_json_is_never_recovered_away() {
    for content in ["[]", "{}", r#"{"schemaVersion":2,"manifests":{}}"#, "null"] {
        let scratch = Scratch::new();
        let (layout, index) = with_app(&scratch);
        std::fs::write(&index, content).unwrap();
        assert!(Layout::recover(layout.path(), &work(), &|_| true).is_err(), "{content}");
        assert_eq!(std::fs::read_to_string(&index).unwrap(), content);
    }
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    store_documents(&layout, &image("linux/amd64", &[]));
    std::fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(Layout::recover(layout.path(), &work(), &|_| true), Err(LayoutError::Version { .. })));
    std::fs::write(layout.path().join("oci-layout"), "nope").unwrap();
    std::fs::write(layout.path().join("document"), "of somebody").unwrap();
    assert!(Layout::recover(layout.path(), &work(), &|_| true).is_err());
    assert_eq!(std::fs::read_to_string(layout.path().join("oci-layout")).unwrap(), "nope");
}
