//! A damaged blob never enters an image, and a whole one is read once in its life.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{Scratch, blob, image, store_documents, store_image, tag, work};
use dhow_fs::{Work, WorkReport};
use dhow_oci::{Descriptor, DiffId, Digest, Image, LayerRef, MediaType};
use dhow_store::{
    Adopted, BlobError, BlobSink, BlobSource, Completeness, Gathered, Held, Layout, Presence, Staging, Verified,
    copy_graph,
};

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Copies an image as one process does, with what earlier ones remember, and returns the work.
fn copy(scratch: &Scratch, image: &Image, from: &Layout, to: &str) -> Result<WorkReport, BlobError> {
    let (work, verified) = (work(), Arc::new(Verified::load(scratch.path("verified"))));
    let layout = Layout::open_or_create(&scratch.path(to), &work).unwrap().remembering(&verified);
    let copied = copy_graph(&image.descriptor(), from, &layout, Completeness::Full);
    verified.save().unwrap();
    match copied {
        Ok(_) => Ok(work.report()),
        Err(dhow_store::CopyError::Blob(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// Long enough for the file clock to move on.
fn tick() {
    std::thread::sleep(std::time::Duration::from_millis(30));
}

#[test]
fn what_is_linked_is_read_once_and_then_never_again_wherever_it_is_linked_to() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let image = store_image(&from, "linux/amd64", &["base", "app"]);
    tick();
    let first = copy(&scratch, &image, &from, "one").unwrap();
    assert_eq!((first.blobs_linked, first.blobs_opened, first.blob_bytes_read), (2, 2, 7));
    for to in ["one", "two", "two"] {
        let next = copy(&scratch, &image, &from, to).unwrap();
        assert_eq!((next.blobs_opened, next.blob_bytes_read, next.bytes_hashed), (0, 0, 0), "{to}");
    }
}

#[test]
fn what_a_writer_stored_is_known_to_the_next_process_at_once() {
    let scratch = Scratch::new();
    let verified = Arc::new(Verified::load(scratch.path("verified")));
    let from = Layout::open_or_create(&scratch.path("from"), &work()).unwrap().remembering(&verified);
    let mut writer = from.stage().unwrap();
    std::io::Write::write_all(&mut writer, b"packed").unwrap();
    let stored = writer.finish().unwrap();
    verified.save().unwrap();
    let descriptor = Descriptor::new(MediaType::OciLayer, stored.digest.clone(), stored.size);
    let image = image("linux/amd64", &[LayerRef { descriptor, diff_id: DiffId(stored.digest.clone()) }]);
    store_documents(&from, &image);
    assert_eq!(copy(&scratch, &image, &from, "to").unwrap().blobs_opened, 0);
    // Damage right after shows, since the time of what was written is set back.
    flip(&blob(from.path(), &stored.digest));
    assert!(matches!(copy(&scratch, &image, &from, "other"), Err(BlobError::Digest { .. })));
}

#[test]
fn a_damaged_layer_is_not_linked_and_one_in_the_target_is_replaced() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let image = store_image(&from, "linux/amd64", &["base", "app"]);
    tick();
    copy(&scratch, &image, &from, "known").unwrap();
    let base = image.manifest().value().layers[0].clone();

    // In the target: another inode than the source's, of the right size.
    let to = scratch.layout("to");
    std::fs::write(blob(to.path(), &base.digest), "BASE").unwrap();
    assert!(!to.is_whole(&base).unwrap());
    assert_eq!(copy(&scratch, &image, &from, "to").unwrap().blobs_linked, 2);
    assert!(to.is_whole(&base).unwrap());

    // In the source, though it was known to be whole.
    flip(&blob(from.path(), &base.digest));
    match copy(&scratch, &image, &from, "next").unwrap_err() {
        BlobError::Digest { expected, address, .. } => {
            assert_eq!((expected, address), (base.digest.clone(), blob(from.path(), &base.digest).into()));
        }
        other => panic!("{other}"),
    }
    let next = scratch.layout("next");
    assert_eq!(next.presence(&base).unwrap(), Presence::Absent);
    assert_eq!(next.presence(&image.descriptor()).unwrap(), Presence::Absent, "nor what needs it");
}

#[test]
fn what_was_modified_in_the_tick_of_its_reading_is_read_again() {
    let scratch = Scratch::new();
    let from = scratch.layout("from");
    let image = store_image(&from, "linux/amd64", &["base"]);
    let path = blob(from.path(), &image.manifest().value().layers[0].digest);
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(future).unwrap();
    assert_eq!(copy(&scratch, &image, &from, "one").unwrap().blobs_opened, 1);
    assert_eq!(copy(&scratch, &image, &from, "one").unwrap().blobs_opened, 1);
}

/// A sink that notes in which order it is given what.
struct Recorder<'a>(&'a Layout, Mutex<Vec<Digest>>);

impl BlobSink for Recorder<'_> {
    fn held(&self, descriptor: &Descriptor) -> Result<Held, BlobError> {
        self.0.held(descriptor)
    }
    fn store(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, BlobError> {
        self.0.store(bytes, media_type)
    }
    fn adopt(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError> {
        self.1.lock().unwrap().push(descriptor.digest.clone());
        self.0.adopt(from, descriptor)
    }
}

#[test]
fn children_come_before_their_parents_in_a_copy() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.layout("from"), scratch.layout("to"));
    let one = store_image(&from, "linux/amd64", &["base", "one"]);
    let two = store_image(&from, "linux/arm64", &["base", "two"]);
    let index = common::store_index(&from, MediaType::OciIndex, vec![one.descriptor(), two.descriptor()]);
    let recorder = Recorder(&to, Mutex::default());
    copy_graph(&index, &from, &recorder, Completeness::Full).unwrap();
    let order = recorder.1.into_inner().unwrap();
    let place = |digest: &Digest| order.iter().position(|moved| moved == digest).unwrap();
    for image in [&one, &two] {
        let manifest = place(image.manifest().digest());
        assert!(image.blobs().into_iter().all(|blob| place(&blob.digest) < manifest));
        assert!(manifest < place(&index.digest));
    }
    assert_eq!(order.len(), 8, "the base once");
}

#[test]
fn an_image_is_gathered_from_several_places_and_may_leave_some_of_it_out() {
    let scratch = Scratch::new();
    let (app, base, to) = (scratch.layout("app"), scratch.layout("base"), scratch.layout("to"));
    let layers: Vec<LayerRef> = [(&base, "base"), (&app, "app")]
        .map(|(layout, content)| LayerRef {
            descriptor: layout.store(content.as_bytes(), MediaType::OciLayer).unwrap(),
            diff_id: DiffId(Digest::of(content.as_bytes())),
        })
        .into();
    let image = image("linux/amd64", &layers);
    let places = || vec![&app as &dyn BlobSource, &base];
    let left_out = [layers[0].descriptor.digest.clone()].into();
    let sparse = Gathered::new(&image, places()).without(left_out);
    let copied = copy_graph(&image.descriptor(), &sparse, &to, Completeness::Sparse).unwrap();
    assert_eq!(copied.missing, [layers[0].descriptor.clone()]);
    assert!(copy_graph(&image.descriptor(), &sparse, &to, Completeness::Full).is_err());
    copy_graph(&image.descriptor(), &Gathered::new(&image, places()), &to, Completeness::Full).unwrap();
    tag(&to, "app", &image);
    assert_eq!(to.check().unwrap().len(), 0);
    let _counts: Arc<Work> = work();
}
