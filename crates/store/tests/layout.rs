//! Writing and reading a layout.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use common::{Scratch, blob, image, platform, store_documents, store_image, tag, tree, work};
use dhow_fs::{Lock, LockMode, Root};
use dhow_oci::{Descriptor, DiffId, Digest, Index, LayerRef, MediaType, Selector};
use dhow_store::{
    Adopted, BlobError, BlobSink, BlobSource, Completeness, ImageSource, Layout, LayoutError, Presence, Query, SPARSE,
    Staging, copy_graph,
};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_layout_is_the_three_things_of_the_specification() {
    let scratch = Scratch::new();
    let layout = scratch.layout("deep/layout");
    assert_eq!(tree(layout.path()), ["index.json", "oci-layout"]);
    assert_eq!(std::fs::read(layout.path().join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    assert!(layout.index().unwrap().value().manifests.is_empty());
    assert_eq!(mode(&layout.path().join("index.json")), 0o644);
    assert_eq!(mode(&layout.path().join("blobs/sha256")), 0o755);
}

#[test]
fn what_is_tagged_resolves_to_the_same_image() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let stored = store_image(&layout, "linux/arm64/v8", &["base", "app"]);
    tag(&layout, "latest", &stored);
    let loaded = layout.load(&Query::new(Some(&Selector::Tag("latest".into())), &platform("linux/arm64"))).unwrap();
    assert_eq!(loaded.image.manifest().bytes(), stored.manifest().bytes());
    assert_eq!(loaded.resolved.descriptor.platform, Some(platform("linux/arm64/v8")));
    assert_eq!(loaded.resolved.completeness(), Completeness::Full);
    assert_eq!(layout.missing(&stored).unwrap(), []);
}

#[test]
fn a_writer_that_is_done_leaves_only_the_layout() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let mut writer = layout.stage().unwrap();
    writer.write_all(b"content").unwrap();
    let stored = writer.finish().unwrap();
    drop(layout.stage().unwrap());
    let path = layout.path().to_owned();
    assert_eq!(stored.digest, Digest::of(b"content"));
    assert_eq!(mode(&blob(&path, &stored.digest)), 0o644);
    drop(layout);
    assert_eq!(
        tree(&path),
        [format!("blobs/sha256/{}", stored.digest.hex()), "index.json".into(), "oci-layout".into()]
    );
}

#[test]
fn a_digest_that_the_caller_computed_is_checked_against_what_was_written() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let finish = |content: &[u8], digest: &Digest, size| {
        let mut writer = layout.stage().unwrap();
        writer.write_all(content).unwrap();
        writer.finish_known(digest, size)
    };
    let digest = Digest::of(b"content");
    assert!(matches!(finish(b"content", &digest, 8), Err(BlobError::Size { .. })));
    assert!(matches!(finish(b"Content", &digest, 7), Err(BlobError::Digest { .. })));
    assert!(!blob(layout.path(), &digest).exists());
    assert_eq!(finish(b"content", &digest, 7).unwrap().digest, digest);
}

#[test]
fn storing_again_heals_a_corrupt_blob() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let descriptor = layout.store(b"content", MediaType::OciLayer).unwrap();
    std::fs::write(blob(layout.path(), &descriptor.digest), b"CONTENT").unwrap();
    layout.store(b"content", MediaType::OciLayer).unwrap();
    let mut text = String::new();
    BlobSource::open(&layout, &descriptor).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
}

#[test]
fn tagging_keeps_other_entries_and_unknown_fields() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let other = store_image(&layout, "linux/amd64", &["other"]);
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","size":{},"digest":"{}","x":{{"b":1,"a":2}}}}],"z":[1.5]}}"#,
        MediaType::OciManifest,
        other.manifest().bytes().len(),
        other.manifest().digest()
    );
    std::fs::write(layout.path().join("index.json"), &index).unwrap();
    let new = store_image(&layout, "linux/amd64", &["new"]);
    tag(&layout, "v1", &new);
    let written = std::fs::read_to_string(layout.path().join("index.json")).unwrap();
    let (kept, rest) = written.split_at(index.find(r#"],"z""#).unwrap());
    assert!(index.starts_with(kept));
    assert!(rest.ends_with(r#"],"z":[1.5]}"#), "{rest}");
    tag(&layout, "v1", &new);
    assert_eq!(std::fs::read_to_string(layout.path().join("index.json")).unwrap(), written);
}

#[test]
fn an_image_that_is_not_all_there_gets_no_name_but_a_sparse_one() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let absent =
        LayerRef { descriptor: Descriptor::of(MediaType::OciLayer, b"base"), diff_id: DiffId(Digest::of(b"base")) };
    let image = image("linux/amd64", std::slice::from_ref(&absent));
    let name = |completeness| layout.tag("app", image.descriptor(), completeness);
    assert!(name(Completeness::Sparse).is_err(), "without its manifest not even a sparse one");
    store_documents(&layout, &image);
    let error = name(Completeness::Full).unwrap_err();
    assert!(
        matches!(&error, LayoutError::Incomplete { missing, .. } if *missing == [absent.descriptor.digest.clone()])
    );
    assert_eq!(layout.index().unwrap().value().manifests, []);

    let entry = name(Completeness::Sparse).unwrap();
    assert_eq!(entry.annotations[SPARSE], "true");
    assert_eq!(layout.missing(&image).unwrap(), std::slice::from_ref(&absent.descriptor));
    assert!(matches!(BlobSource::open(&layout, &absent.descriptor).err().unwrap(), BlobError::Absent { .. }));

    layout.store(b"base", MediaType::OciLayer).unwrap();
    assert_eq!(name(Completeness::Full).unwrap().annotations.get(SPARSE), None);
    assert_eq!(layout.index().unwrap().value().manifests.len(), 1);
}

#[test]
fn a_copied_graph_is_linked_and_each_layer_is_read_once() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let image = store_image(&from, "linux/amd64", &["base", "app"]);
    tag(&from, "latest", &image);
    let counters = work();
    let to = Layout::open_or_create(&scratch.path("to"), &counters).unwrap();
    let copied = copy_graph(&image.descriptor(), &from, &to, Completeness::Full).unwrap();
    assert_eq!((copied.linked, copied.copied, copied.present), (2, 2, 0));
    let layer = &image.manifest().value().layers[0].digest;
    let inode = |layout: &Layout| std::fs::metadata(blob(layout.path(), layer)).unwrap().ino();
    assert_eq!(inode(&from), inode(&to));
    let again = copy_graph(&image.descriptor(), &from, &to, Completeness::Full).unwrap();
    assert_eq!((again.linked, again.present), (0, 2));
    let report = counters.report();
    assert_eq!((report.blobs_linked, report.blobs_opened, report.bytes_hashed, report.blob_bytes_copied), (2, 2, 7, 0));
}

#[test]
fn a_blob_that_others_could_write_is_copied_and_verified() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let to = scratch.layout("to");
    for (content, corrupt) in [("good", false), ("evil", true)] {
        let descriptor = from.store(content.as_bytes(), MediaType::OciLayer).unwrap();
        let path = blob(from.path(), &descriptor.digest);
        if corrupt {
            std::fs::write(&path, "EVIL").unwrap();
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        match to.adopt(&from, &descriptor) {
            Ok(Adopted::Copied) if !corrupt => assert_eq!(mode(&blob(to.path(), &descriptor.digest)), 0o644),
            Ok(Adopted::Linked) => assert_eq!(mode(&blob(to.path(), &descriptor.digest)), 0o644, "by reflink"),
            Err(BlobError::Digest { .. }) if corrupt => assert!(!blob(to.path(), &descriptor.digest).exists()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn absent_blobs_stop_a_copy_unless_it_may_be_sparse() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let to = scratch.layout("to");
    let image = store_image(&from, "linux/amd64", &["base", "app"]);
    let base = image.manifest().value().layers[0].clone();
    std::fs::remove_file(blob(from.path(), &base.digest)).unwrap();
    let error = copy_graph(&image.descriptor(), &from, &to, Completeness::Full).unwrap_err();
    assert!(error.to_string().contains(base.digest.as_str()), "{error}");
    assert_eq!(tree(&to.path().join("blobs")).len(), 0);
    let copied = copy_graph(&image.descriptor(), &from, &to, Completeness::Sparse).unwrap();
    assert_eq!(copied.missing, std::slice::from_ref(&base));
    assert_eq!(to.presence(&base).unwrap(), Presence::Absent);
    let error = to.adopt(&from, &base).unwrap_err();
    assert!(error.is_absent());
    assert!(error.to_string().contains(&*from.path().to_string_lossy()));
}

#[test]
fn what_is_no_layout_is_refused_by_what_it_is() {
    let scratch = Scratch::new();
    let open = |name: &str| Layout::open(&scratch.path(name), &work()).unwrap_err().to_string();
    let place = |name: &str| scratch.path(name).display().to_string();
    assert_eq!(open("absent"), format!("no OCI layout at {}: nothing is there", place("absent")));
    std::fs::create_dir(scratch.path("empty")).unwrap();
    assert_eq!(open("empty"), format!("no OCI layout at {}: nothing is there", place("empty")));
    std::fs::create_dir_all(scratch.path("app/src")).unwrap();
    std::fs::write(scratch.path("app/Cargo.toml"), "").unwrap();
    assert!(open("app").ends_with("it has no `oci-layout` file; it holds `Cargo.toml`, `src`"));
    assert!(Layout::open_or_create(&scratch.path("app"), &work()).is_err());
    assert_eq!(tree(&scratch.path("app")), ["Cargo.toml"]);
    std::fs::write(scratch.path("file"), "").unwrap();
    assert!(open("file").contains("a file is there"));
    for version in [r#"{"imageLayoutVersion":"2.0.0"}"#, "{}", "nonsense"] {
        let layout = scratch.layout("version");
        std::fs::write(layout.path().join("oci-layout"), version).unwrap();
        assert!(open("version").contains("expected `1.0.0`"), "{version}");
        assert!(Layout::open_or_create(layout.path(), &work()).is_err());
        std::fs::remove_dir_all(layout.path()).unwrap();
    }
    let layout = scratch.layout("linked");
    std::fs::remove_dir(layout.path().join("blobs/sha256")).unwrap();
    std::os::unix::fs::symlink("/etc", layout.path().join("blobs/sha256")).unwrap();
    assert!(open("linked").ends_with("its `blobs/sha256` is a Symlink"));
}

#[test]
fn a_read_only_layout_can_be_read() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    tag(&layout, "latest", &image);
    let path = layout.path().to_owned();
    drop(layout);
    let before = tree(&path);
    let layout = Layout::open(&path, &work()).unwrap();
    layout.load(&Query::new(None, &platform("linux/amd64"))).unwrap();
    assert_eq!(tree(&path), before);
}

#[test]
fn untagging_removes_the_name_and_keeps_the_blobs() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    tag(&layout, "a", &image);
    tag(&layout, "b", &image);
    assert!(layout.untag("a").unwrap());
    assert!(!layout.untag("a").unwrap());
    let Index { manifests, .. } = layout.index().unwrap().value().clone();
    assert_eq!(manifests.iter().map(dhow_oci::Entry::ref_name).collect::<Vec<_>>(), [Some("b")]);
    assert_eq!(layout.missing(&image).unwrap(), []);
}

#[test]
fn whoever_waits_for_another_writer_says_so_once() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    let (told, waits) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let here = format!("another writer of {}", layout.path().display());
    dhow_fs::announce_waits(move |holder| {
        if holder == here {
            told.lock().unwrap().send(()).unwrap();
        }
    });
    let hold = || Lock::attempt(&Root::host().unwrap(), layout.path(), LockMode::Exclusive).unwrap();
    let other = hold();
    std::thread::scope(|scope| {
        scope.spawn(|| layout.tag("x", image.descriptor(), Completeness::Full).unwrap());
        waits.recv().unwrap();
        assert!(layout.index().unwrap().value().manifests.is_empty());
        drop(other);
    });
    let other = hold();
    std::thread::scope(|scope| {
        scope.spawn(|| layout.tag("y", image.descriptor(), Completeness::Full).unwrap());
        drop(other);
    });
    assert!(waits.try_recv().is_err());
}

#[test]
fn a_layout_that_is_replaced_while_it_is_open_gets_nothing_and_no_success_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path("layout");
    let (layout, work) = (scratch.layout("layout"), work());
    let image = store_image(&layout, "linux/amd64", &["old"]);
    std::fs::rename(&path, scratch.path("moved")).unwrap();
    let new = Layout::open_or_create(&path, &work).unwrap();
    tag(&new, "new", &store_image(&new, "linux/amd64", &["new"]));
    drop(new);
    let before = tree(&path);
    layout.store(b"later", MediaType::OciLayer).unwrap();
    assert!(matches!(layout.tag("old", image.descriptor(), Completeness::Full), Err(LayoutError::Moved(_))));
    assert!(matches!(layout.untag("new"), Err(LayoutError::Moved(_))));
    drop(layout);
    assert_eq!(tree(&path), before);
    assert_eq!(Layout::open(&path, &work).unwrap().check().unwrap().len(), 0);
    assert_eq!(tree(&scratch.path("moved")).iter().filter(|name| name.starts_with(".dhow")).count(), 0);
}

#[test]
fn where_a_layout_vanished_nothing_is_made() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    std::fs::remove_dir_all(layout.path()).unwrap();
    assert!(layout.store(b"later", MediaType::OciLayer).is_err());
    assert!(layout.stage().is_err());
    assert!(layout.gc(Duration::ZERO).is_err());
    assert!(layout.drop_unneeded(&[]).is_err());
    assert!(matches!(layout.tag("x", image.descriptor(), Completeness::Full), Err(LayoutError::Moved(_))));
    let path = layout.path().to_owned();
    drop(layout);
    assert!(std::fs::symlink_metadata(path).is_err());
}

#[test]
fn no_blob_gets_its_name_or_is_found_while_gc_decides() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let source = scratch.layout("source");
    let linked = source.store(b"linked", MediaType::OciLayer).unwrap();
    let found = layout.store(b"found", MediaType::OciLayer).unwrap();
    let times = || std::fs::metadata(blob(layout.path(), &found.digest)).unwrap().ctime_nsec();
    let before = times();
    let mut writer = layout.stage().unwrap();
    writer.write_all(b"written").unwrap();
    // As gc has it between its look at the blobs and their removal.
    let gc = Lock::attempt(&Root::host().unwrap(), layout.path(), LockMode::Exclusive).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| writer.finish().unwrap());
        scope.spawn(|| layout.adopt(&source, &linked).unwrap());
        scope.spawn(|| layout.store(b"found", MediaType::OciLayer).unwrap());
        scope.spawn(|| layout.store(b"stored", MediaType::OciLayer).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(tree(&layout.path().join("blobs")).len(), 1, "only what was there");
        assert_eq!(times(), before, "and nobody relies on that");
        drop(gc);
    });
    assert_eq!(tree(&layout.path().join("blobs")).len(), 4);
}
