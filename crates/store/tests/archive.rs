//! `oci-archive` files.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use common::{Scratch, blob, image, platform, store_documents, store_image, store_index, tag, work};
use dhow_oci::{Descriptor, DiffId, Digest, LayerRef, MediaType, Selector};
use dhow_store::{
    Archive, BlobError, BlobSink, BlobSource, Completeness, ImageSource, Layout, Query, archive, copy_graph,
};

#[test]
fn an_archive_has_the_image_it_was_written_from_and_copies_back() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let stored = store_image(&layout, "linux/amd64", &["base", "app"]);
    let index = store_index(&layout, MediaType::OciIndex, vec![stored.descriptor()]);
    let file = scratch.path("image.tar");
    archive::write(&layout, &index, Some("v1"), Completeness::Full, &file).unwrap();

    let archive = Archive::open(&file, &work()).unwrap();
    let loaded = archive.load(&Query::new(Some(&Selector::Tag("v1".into())), &platform("linux/amd64"))).unwrap();
    assert_eq!(loaded.image.manifest().bytes(), stored.manifest().bytes());
    assert_eq!(loaded.resolved.named.digest, index.digest);
    let back = scratch.layout("back");
    copy_graph(&loaded.resolved.named, &archive, &back, Completeness::Full).unwrap();
    assert_eq!(back.missing(&stored).unwrap(), []);
    assert!(back.check().unwrap().is_empty());
}

#[test]
fn the_same_image_gives_the_same_archive() {
    let scratch = Scratch::new();
    let mut archives = Vec::new();
    for layers in [["a", "b"], ["b", "a"]] {
        let name = layers.concat();
        let layout = scratch.layout(&name);
        for layer in layers {
            layout.store(layer.as_bytes(), MediaType::OciLayer).unwrap();
        }
        let image = store_image(&layout, "linux/amd64", &["a", "b"]);
        let file = scratch.path(&format!("{name}.tar"));
        archive::write(&layout, &image.descriptor(), Some("x"), Completeness::Full, &file).unwrap();
        archives.push(std::fs::read(file).unwrap());
    }
    assert_eq!(archives[0], archives[1]);
}

#[test]
fn what_the_layout_lacks_is_an_error_or_recorded() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let absent = Descriptor::of(MediaType::OciLayer, b"absent");
    let layer = LayerRef { descriptor: absent.clone(), diff_id: DiffId(Digest::of(b"absent")) };
    let image = image("linux/amd64", &[layer]);
    store_documents(&layout, &image);
    let file = scratch.path("image.tar");
    let write = |completeness| archive::write(&layout, &image.descriptor(), None, completeness, &file);
    assert!(write(Completeness::Full).unwrap_err().to_string().contains(absent.digest.as_str()));
    assert!(!file.exists());
    write(Completeness::Sparse).unwrap();
    let archive = Archive::open(&file, &work()).unwrap();
    let loaded = archive.load(&Query::new(None, &platform("linux/amd64"))).unwrap();
    assert_eq!(loaded.resolved.completeness(), Completeness::Sparse);
    assert!(archive.open(&absent).err().unwrap().is_absent());
}

#[test]
fn a_corrupt_blob_is_neither_archived_nor_read() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let stored = store_image(&layout, "linux/amd64", &["content"]);
    tag(&layout, "x", &stored);
    let file = scratch.path("image.tar");
    let write = || archive::write(&layout, &stored.descriptor(), None, Completeness::Full, &file);
    write().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes.windows(7).position(|window| window == b"content").unwrap();
    bytes[place] = b'C';
    std::fs::write(&file, &bytes).unwrap();
    let archive = Archive::open(&file, &work()).unwrap();
    let layer = &stored.manifest().value().layers[0];
    let to = scratch.layout("to");
    assert!(matches!(to.adopt(&archive, layer), Err(BlobError::Digest { .. })));
    assert!(!blob(to.path(), &layer.digest).exists());

    std::fs::write(blob(layout.path(), &layer.digest), "CONTENT").unwrap();
    let before = std::fs::read(&file).unwrap();
    assert!(write().is_err());
    assert_eq!(std::fs::read(&file).unwrap(), before, "the old archive is still whole");
}

#[test]
fn what_is_no_archive_is_refused_by_what_it_is() {
    let scratch = Scratch::new();
    let file = scratch.path("image.tar");
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        Archive::open(&file, &work()).unwrap_err().to_string()
    };
    assert!(refused(b"").ends_with("it has no regular file `oci-layout`"));
    assert!(refused(&[0; 1024]).ends_with("it has no regular file `oci-layout`"));
    assert!(refused(&[b"\x1f\x8b".to_vec(), vec![0; 600]].concat()).contains("compressed with gzip"));
    assert!(refused(&[b'x'; 2048]).ends_with("is not a tar archive of an OCI layout"));
    assert!(Archive::open(scratch.directory.path(), &work()).is_err());
    let layout: Layout = scratch.layout("layout");
    assert!(Archive::open(layout.path(), &work()).is_err());
}

fn names(file: &std::path::Path) -> Vec<String> {
    let index = Archive::open(file, &work()).unwrap().index().unwrap();
    let mut names: Vec<String> =
        index.value().descriptors().map(|entry| entry.ref_name().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn writers_of_one_archive_lose_nothing_of_each_other() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let large = "x".repeat(300_000);
    let image = store_image(&layout, "linux/amd64", &[&large]).descriptor();
    for empty in [false, true] {
        let file = scratch.path(&format!("{empty}.tar"));
        if empty {
            std::fs::write(&file, "").unwrap();
        }
        let tags: Vec<String> = (10..26).map(|number| format!("t{number}")).collect();
        std::thread::scope(|scope| {
            for tag in &tags {
                let update = || archive::update(&layout, &image, tag, Completeness::Full, &file, &work()).unwrap();
                scope.spawn(update);
            }
        });
        assert_eq!(names(&file), tags);
    }
}

/// A source of blobs during whose first reading another tool replaces the archive.
struct Interrupted<'a> {
    layout: &'a Layout,
    replace: std::sync::Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl BlobSource for Interrupted<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn std::io::Read + Send>, BlobError> {
        if let Some(replace) = self.replace.lock().unwrap().take_if(|_| descriptor.media_type == MediaType::OciLayer) {
            replace();
        }
        BlobSource::open(self.layout, descriptor)
    }
    fn presence(&self, descriptor: &Descriptor) -> Result<dhow_store::Presence, BlobError> {
        self.layout.presence(descriptor)
    }
    fn address(&self, descriptor: &Descriptor) -> dhow_store::Address {
        self.layout.address(descriptor)
    }
}

#[test]
fn an_archive_that_another_tool_replaces_without_a_lock_is_written_anew_beside_that() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["content"]).descriptor();
    for existed in [false, true] {
        let (file, other) = (scratch.path(&format!("{existed}.tar")), scratch.path("other.tar"));
        archive::write(&layout, &image, Some("theirs"), Completeness::Full, &other).unwrap();
        if existed {
            archive::write(&layout, &image, Some("old"), Completeness::Full, &file).unwrap();
        }
        let replace = || std::fs::rename(&other, &file).unwrap();
        let source = Interrupted { layout: &layout, replace: std::sync::Mutex::new(Some(Box::new(replace))) };
        archive::update(&source, &image, "ours", Completeness::Full, &file, &work()).unwrap();
        assert_eq!(names(&file), ["ours", "theirs"], "{existed}");
    }
}

#[test]
fn what_is_no_archive_is_not_replaced_by_one() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["content"]).descriptor();
    let file = scratch.path("notes");
    std::fs::write(&file, "of somebody").unwrap();
    assert!(archive::update(&layout, &image, "ours", Completeness::Full, &file, &work()).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "of somebody");
}
