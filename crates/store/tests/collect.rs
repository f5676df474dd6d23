//! `gc`, `check`, and what a sparse image leaves out.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use common::{Scratch, blob, image, store_documents, store_image, store_index, tag, tree, work, write_index};
use dhow_oci::{Descriptor, Digest, Document, Image, Index, LayerRef, Manifest, MediaType};
use dhow_store::{BlobSink, BlobSource, Completeness, ImageSource, Layout, LayoutError, Presence, Query, Staging};
use proptest::prelude::*;

fn collect(path: &Path) -> dhow_store::GcReport {
    Layout::open(path, &work()).unwrap().gc(Duration::ZERO).unwrap()
}

fn findings(path: &Path) -> Vec<String> {
    let chain = |finding: &dhow_store::Finding| {
        let mut text = finding.to_string();
        let mut cause = std::error::Error::source(finding);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    Layout::open(path, &work()).unwrap().check().unwrap().iter().map(chain).collect()
}

fn referrer(layout: &Layout, subject: &Descriptor, content: &str) -> Descriptor {
    let config = layout.store(b"{}", MediaType::OciEmpty).unwrap();
    let part = layout.store(content.as_bytes(), MediaType::Other("application/x".into())).unwrap();
    let manifest = Manifest { subject: Some(subject.clone().into()), ..Manifest::new(config, vec![part]) };
    layout.store(Document::of(manifest).bytes(), MediaType::OciManifest).unwrap()
}

#[test]
fn gc_keeps_blobs_reachable_through_a_referrer_of_a_referrer() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let kept = store_image(&layout, "linux/amd64", &["kept"]);
    tag(&layout, "kept", &kept);
    let sbom = referrer(&layout, &kept.descriptor(), "sbom");
    referrer(&layout, &sbom, "signature");
    let dropped = store_image(&layout, "linux/amd64", &["dropped"]);
    referrer(&layout, &dropped.descriptor(), "of dropped");
    let path = layout.path().to_owned();
    drop(layout);
    let report = collect(&path);
    let removed: Vec<String> = report.removed.iter().map(ToString::to_string).collect();
    assert_eq!(removed.len(), 5, "{removed:?}");
    for content in ["dropped", "of dropped"] {
        assert!(removed.contains(&Digest::of(content.as_bytes()).to_string()), "{content}");
    }
    // Manifest, config, layer; two referrers with a part each and one empty config.
    assert_eq!((report.kept, report.spared, report.reclaimed), (8, 0, 0));
    assert_eq!(collect(&path).removed, []);
    assert_eq!(findings(&path), [""; 0]);
}

#[test]
fn gc_keeps_untagged_entries_unknown_media_types_and_their_subjects() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["x"]);
    let part = layout.store(b"part", MediaType::Other("application/y".into())).unwrap();
    let unknown = format!(
        r#"{{"blobs":[{}],"subject":{}}}"#,
        serde_json::to_string(&part).unwrap(),
        serde_json::to_string(&image.descriptor()).unwrap()
    );
    let unknown = layout.store(unknown.as_bytes(), MediaType::Other("application/vnd.unknown+json".into())).unwrap();
    write_index(&layout, Index::of(vec![unknown]));
    let path = layout.path().to_owned();
    drop(layout);
    let report = collect(&path);
    assert_eq!((report.kept, report.removed.len()), (5, 0));
}

#[test]
fn gc_removes_nothing_when_a_manifest_that_is_kept_is_damaged() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["x"]);
    tag(&layout, "x", &image);
    layout.store(b"garbage", MediaType::OciLayer).unwrap();
    let path = layout.path().to_owned();
    drop(layout);
    let manifest = blob(&path, image.manifest().digest());
    let bytes = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, bytes.replace("schemaVersion\":2", "schemaVersion\":3")).unwrap();
    let before = tree(&path);
    let error = Layout::open(&path, &work()).unwrap().gc(Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains(image.manifest().digest().as_str()));
    assert_eq!(tree(&path), before);
}

#[test]
fn gc_stops_at_a_named_image_whose_manifest_is_missing_or_unreadable_and_says_which() {
    for (kind, damage) in DAMAGES {
        let scratch = Scratch::new();
        let layout = scratch.layout("layout");
        let (lost, whole) =
            (store_image(&layout, "linux/amd64", &["lost"]), store_image(&layout, "linux/amd64", &["whole"]));
        tag(&layout, "lost", &lost);
        tag(&layout, "whole", &whole);
        layout.store(b"garbage", MediaType::OciLayer).unwrap();
        let path = layout.path().to_owned();
        drop(layout);
        damage(&blob(&path, lost.manifest().digest()));
        let before = tree(&path);
        let layout = Layout::open(&path, &work()).unwrap();
        let error = layout.gc(Duration::ZERO).unwrap_err();
        let named = format!("cannot tell what `lost` ({}) needs; nothing was removed", lost.manifest().digest());
        assert_eq!(error.to_string(), named, "{kind}");
        let layers: Vec<Digest> = lost.manifest().value().layers.iter().map(|layer| layer.digest.clone()).collect();
        assert!(layout.drop_unneeded(&layers).is_err(), "{kind}");
        assert_eq!(tree(&path), before, "{kind}");
    }
}

#[test]
fn gc_stops_at_an_entry_of_an_unknown_kind_that_is_missing() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    layout.store(b"garbage", MediaType::OciLayer).unwrap();
    let absent = Descriptor::of(MediaType::Other("application/vnd.unknown+json".into()), b"{}");
    write_index(&layout, Index::of(vec![absent]));
    let path = layout.path().to_owned();
    drop(layout);
    let error = Layout::open(&path, &work()).unwrap().gc(Duration::ZERO).unwrap_err();
    assert!(matches!(error, LayoutError::Unreadable { .. }), "{error}");
}

#[test]
fn gc_spares_blobs_that_are_younger_than_the_grace_time() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let kept = store_image(&layout, "linux/amd64", &["kept"]);
    tag(&layout, "kept", &kept);
    let path = layout.path().to_owned();
    drop(layout);
    // As another tool does it: no lock, no session.
    let garbage = blob(&path, &Digest::of(b"garbage"));
    std::fs::write(&garbage, "garbage").unwrap();
    let gc = |grace| {
        let report = Layout::open(&path, &work()).unwrap().gc(grace).unwrap();
        (report.kept, report.spared, report.young, report.removed.len())
    };
    assert_eq!(gc(Duration::from_secs(3600)), (3, 1, 1, 0));
    assert_eq!(gc(Duration::MAX), (3, 1, 1, 0));
    // An old time of the content says nothing of how long it has been here.
    std::fs::File::options().write(true).open(&garbage).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(gc(Duration::from_secs(3600)), (3, 1, 1, 0));
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(gc(Duration::from_millis(1)), (3, 0, 0, 1));
    std::fs::write(&garbage, "garbage").unwrap();
    assert_eq!(gc(Duration::ZERO), (3, 0, 0, 1));
}

/// The layout is never at rest: skopeo copies into it what `gc` finds unnamed.
#[test]
fn no_copy_of_skopeo_ends_torn_while_gc_runs() {
    let scratch = Scratch::new();
    let source = scratch.layout("source");
    for round in 0..25 {
        let large = format!("{round}").repeat(100_000);
        let layers = [large.as_str(), "shared", &format!("layer {round}")];
        tag(&source, &format!("t{round}"), &store_image(&source, "linux/amd64", &layers));
    }
    let path = scratch.layout("layout").path().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let report = Layout::open(&path, &work()).unwrap().gc(Duration::from_secs(3600)).unwrap();
                assert_eq!(report.removed, []);
                rounds += 1;
            }
            rounds
        });
        for round in 0..25 {
            let at = |layout: &Path| format!("oci:{}:t{round}", layout.display());
            let copied = std::process::Command::new("skopeo")
                .args(["--insecure-policy", "copy", "--quiet", &at(source.path()), &at(&path)])
                .status()
                .unwrap();
            assert!(copied.success(), "round {round}");
            let layout = Layout::open(&path, &work()).unwrap();
            let selector = dhow_oci::Selector::Tag(format!("t{round}"));
            let platform = common::platform("linux/amd64");
            let loaded = layout.load(&Query::new(Some(&selector), &platform)).unwrap();
            assert_eq!(layout.missing(&loaded.image).unwrap(), [], "round {round}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(collector.join().unwrap() > 25);
    });
    assert_eq!(findings(&path), [""; 0]);
}

#[test]
fn gc_spares_what_a_live_writer_stored_or_found() {
    let scratch = Scratch::new();
    let old = scratch.layout("layout");
    let path = old.path().to_owned();
    let found = old.store(b"found", MediaType::OciLayer).unwrap();
    let garbage = old.store(b"garbage", MediaType::OciLayer).unwrap();
    drop(old);
    // The writer's clock is the file system's; its next tick tells the garbage from what follows.
    let before =
        |digest: &Digest| std::os::unix::fs::MetadataExt::ctime_nsec(&std::fs::metadata(blob(&path, digest)).unwrap());
    let tick = before(&garbage.digest);
    while std::os::unix::fs::MetadataExt::ctime_nsec(&scratch_tick(&scratch)) == tick {}

    let writer = Layout::open(&path, &work()).unwrap();
    let mut unfinished = writer.stage().unwrap();
    unfinished.write_all(b"unfinished").unwrap();
    let stored = writer.store(b"stored", MediaType::OciLayer).unwrap();
    writer.store(b"found", MediaType::OciLayer).unwrap();
    let report = collect(&path);
    assert_eq!(report.removed, [garbage.digest]);
    assert_eq!(report.spared, 2);
    let unfinished = unfinished.finish().unwrap();
    assert_eq!(writer.presence(&found).unwrap(), Presence::Present);
    drop(writer);
    assert_eq!(collect(&path).removed.len(), 3);
    assert!(!blob(&path, &unfinished.digest).exists() && !blob(&path, &stored.digest).exists());
}

fn scratch_tick(scratch: &Scratch) -> std::fs::Metadata {
    let path = scratch.path("tick");
    std::fs::write(&path, "").unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    metadata
}

#[test]
fn gc_reclaims_what_dead_writers_left() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let path = layout.path().to_owned();
    drop(layout);
    std::fs::create_dir(path.join(".dhow-1-2-3")).unwrap();
    std::fs::write(path.join(".dhow-1-2-3/lock"), "").unwrap();
    std::fs::write(path.join(".dhow-1-2-3/.dhow-1-2-4"), "half a blob").unwrap();
    std::fs::write(path.join(".dhow-1-2-5"), "half an index").unwrap();
    assert_eq!(findings(&path), [""; 0], "leftovers are nothing wrong");
    assert_eq!(collect(&path).reclaimed, 2);
    assert_eq!(tree(&path), ["index.json", "oci-layout"]);
}

#[test]
fn a_sparse_image_over_a_full_one_drops_what_no_full_image_needs() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let shared = store_image(&layout, "linux/amd64", &["base 1", "base 2", "app"]);
    let other = store_image(&layout, "linux/amd64", &["base 2"]);
    tag(&layout, "app", &shared);
    tag(&layout, "other", &other);
    let base: Vec<Digest> = shared.manifest().value().layers[..2].iter().map(|layer| layer.digest.clone()).collect();
    assert_eq!(layout.drop_unneeded(&base).unwrap(), [], "a full tag needs both");
    layout.tag("app", shared.descriptor(), Completeness::Sparse).unwrap();
    let mut candidates = base.clone();
    candidates.push(shared.config().digest().clone());
    assert_eq!(layout.drop_unneeded(&candidates).unwrap(), base[..1]);
    let missing: Vec<Digest> = layout.missing(&shared).unwrap().into_iter().map(|blob| blob.digest).collect();
    assert_eq!(missing, base[..1]);
    let path = layout.path().to_owned();
    drop(layout);
    assert_eq!(findings(&path), [""; 0]);
    assert_eq!(collect(&path).removed, []);
    let layout = Layout::open(&path, &work()).unwrap();
    assert!(layout.tag("app", shared.descriptor(), Completeness::Full).is_err());
    layout.store(b"base 1", MediaType::OciLayer).unwrap();
    tag(&layout, "app", &shared);
}

#[test]
fn blobs_that_another_writer_may_need_are_not_dropped() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base"]);
    layout.tag("app", image.descriptor(), Completeness::Sparse).unwrap();
    let base = image.manifest().value().layers[0].clone();
    let other = Layout::open(layout.path(), &work()).unwrap();
    other.adopt(&layout, &base).unwrap();
    assert_eq!(layout.drop_unneeded(std::slice::from_ref(&base.digest)).unwrap(), []);
    drop(other);
    assert_eq!(layout.drop_unneeded(std::slice::from_ref(&base.digest)).unwrap(), [base.digest]);
}

/// A way to damage a file.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 8] = [
    ("flip", |path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }),
    ("append", |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.push(b'\n');
        std::fs::write(path, bytes).unwrap();
    }),
    ("truncate", |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.pop();
        std::fs::write(path, bytes).unwrap();
    }),
    ("empty", |path| std::fs::write(path, "").unwrap()),
    ("delete", |path| std::fs::remove_file(path).unwrap()),
    ("symlink", |path| {
        let moved = path.with_extension("moved");
        std::fs::rename(path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, path).unwrap();
    }),
    ("fifo", |path| {
        std::fs::remove_file(path).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }),
    ("directory", |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }),
];

/// A layout with an index, two images and a referrer; returns the digests of all blobs.
fn rich_layout(scratch: &Scratch, name: &str) -> (std::path::PathBuf, Vec<Digest>) {
    let layout = scratch.layout(name);
    let one = store_image(&layout, "linux/amd64", &["base", "app"]);
    let two = store_image(&layout, "linux/arm64", &["other"]);
    let index = store_index(&layout, MediaType::OciIndex, vec![one.descriptor(), two.descriptor()]);
    layout.tag("latest", index, Completeness::Full).unwrap();
    referrer(&layout, &one.descriptor(), "sbom");
    let mut digests: Vec<Digest> = tree(&layout.path().join("blobs/sha256"))
        .into_iter()
        .map(|hex| format!("sha256:{hex}").parse().unwrap())
        .collect();
    digests.sort();
    (layout.path().to_owned(), digests)
}

#[test]
fn every_kind_of_damage_to_every_blob_is_reported_by_its_digest() {
    let scratch = Scratch::new();
    let (path, digests) = rich_layout(&scratch, "whole");
    assert_eq!(findings(&path), [""; 0]);
    assert_eq!(digests.len(), 11);
    // The referrer and its parts are not reachable from index.json: their absence shows to nobody.
    let reachable = |digest: &Digest| {
        let content = std::fs::read(blob(&path, digest)).unwrap();
        content != b"sbom" && content != b"{}" && !String::from_utf8_lossy(&content).contains("subject")
    };
    for digest in &digests {
        for (kind, damage) in DAMAGES {
            let name = format!("{kind}-{}", digest.hex());
            let (copy, _) = rich_layout(&scratch, &name);
            damage(&blob(&copy, digest));
            let found = findings(&copy);
            let silent = kind == "delete" && !reachable(digest);
            let named = found.iter().any(|finding| finding.contains(digest.as_str()));
            assert_eq!(named, !silent, "{kind} {digest}: {found:?}");
        }
    }
}

#[test]
fn a_damaged_blob_is_never_yielded_by_a_reader() {
    let scratch = Scratch::new();
    for (kind, damage) in DAMAGES {
        let layout = scratch.layout(kind);
        let descriptor = layout.store(b"content", MediaType::OciLayerGzip).unwrap();
        damage(&blob(layout.path(), &descriptor.digest));
        let read = BlobSource::open(&layout, &descriptor)
            .map_err(std::io::Error::other)
            .and_then(|mut reader| std::io::copy(&mut reader, &mut std::io::sink()));
        assert!(read.is_err(), "{kind}");
        let fresh = scratch.layout(&format!("{kind} copy"));
        assert!(fresh.adopt(&layout, &descriptor).is_err(), "{kind}");
    }
}

#[test]
fn contradictions_and_strays_are_reported() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let one = store_image(&layout, "linux/amd64", &["1"]);
    let two = store_image(&layout, "linux/amd64", &["2"]);
    let short = one.manifest().edited(|manifest| manifest.layers.clear());
    let short = layout.store(short.bytes(), MediaType::OciManifest).unwrap();
    let mut entries = vec![one.descriptor(), two.descriptor(), short];
    for entry in &mut entries[..2] {
        entry.annotations.insert(dhow_oci::annotation::REF_NAME.into(), "x".into());
    }
    write_index(&layout, Index::of(entries));
    std::fs::write(layout.path().join("blobs/sha256/notes.txt"), "").unwrap();
    let path = layout.path().to_owned();
    drop(layout);
    let found = findings(&path);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "two images are named `x`");
    assert!(found[1].contains("lists 0 layers, but its config lists 1 diffIDs"), "{}", found[1]);
    assert!(found[2].ends_with("notes.txt is not a blob: its name is not a digest"), "{}", found[2]);
    std::fs::write(path.join("index.json"), "{nope").unwrap();
    assert!(findings(&path)[0].starts_with("cannot read "));
}

#[test]
fn what_a_descriptor_embeds_is_compared_with_what_it_names() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["hello"]);
    let findings_with = |data: [&str; 3]| {
        let manifest = image.manifest().edited(|manifest| {
            manifest.config.data = Some(data[1].to_owned()).filter(|data| !data.is_empty());
            manifest.layers[0].data = Some(data[0].to_owned()).filter(|data| !data.is_empty());
        });
        let mut entry = Descriptor::of(MediaType::OciManifest, manifest.bytes());
        layout.store(manifest.bytes(), MediaType::OciManifest).unwrap();
        entry.data = Some(data[2].to_owned()).filter(|data| !data.is_empty());
        write_index(&layout, Index::of(vec![entry]));
        layout.check().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let of = |digest: &Digest, reason: &str| format!("the descriptor of {digest} embeds other `data`: {reason}");
    let layer = Digest::of(b"hello");
    assert_eq!(findings_with(["aGVsbG8=", "", ""]), [""; 0]);
    let other = format!("its bytes have the digest {}", Digest::of(b"HELLO"));
    assert_eq!(findings_with(["SEVMTE8=", "", ""]), [of(&layer, &other)]);
    assert_eq!(findings_with(["aGVsbA==", "", ""]), [of(&layer, "it has 4 bytes, but the descriptor states 5")]);
    assert_eq!(findings_with(["aGVsbG8", "", ""]), [of(&layer, "it is no base64")]);
    assert!(findings_with(["", "e30=", ""])[0].starts_with(&of(image.config().digest(), "it has 2 bytes")));
    assert!(findings_with(["", "", "e30="])[0].contains("embeds other `data`: it has 2 bytes"));
}

#[test]
fn a_sparse_image_may_lack_layers_but_not_its_config() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["base", "app"]);
    layout.tag("x", image.descriptor(), Completeness::Sparse).unwrap();
    let path = layout.path().to_owned();
    drop(layout);
    std::fs::remove_file(blob(&path, &image.manifest().value().layers[0].digest)).unwrap();
    assert_eq!(findings(&path), [""; 0]);
    std::fs::remove_file(blob(&path, image.config().digest())).unwrap();
    let needed_by = format!("`x` ({})", image.manifest().digest());
    assert_eq!(findings(&path), [format!("blob {} is missing; {needed_by} needs it", image.config().digest())]);
}

/// What a generated layout holds: images by the numbers of their layers, some of them tagged or referred to.
#[derive(Clone, Debug)]
struct Plan {
    images: Vec<(Vec<u8>, Option<u8>, bool)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let image = (proptest::collection::vec(0_u8..6, 1..4), proptest::option::of(0_u8..4), any::<bool>());
    proptest::collection::vec(image, 1..6).prop_map(|images| Plan { images })
}

fn built(layout: &Layout, plan: &Plan) -> Vec<Image> {
    let mut images = Vec::new();
    for (layers, name, has_referrer) in &plan.images {
        let layers: Vec<LayerRef> = layers
            .iter()
            .map(|number| LayerRef {
                descriptor: layout.store(&[*number], MediaType::OciLayer).unwrap(),
                diff_id: dhow_oci::DiffId(Digest::of(&[*number])),
            })
            .collect();
        let image = image("linux/amd64", &layers);
        store_documents(layout, &image);
        if let Some(name) = name {
            tag(layout, &format!("t{name}"), &image);
        }
        if *has_referrer {
            referrer(layout, &image.descriptor(), "sbom");
        }
        images.push(image);
    }
    images
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn after_gc_every_tag_resolves_to_the_last_image_tagged_so_and_is_whole(plan in plans()) {
        let scratch = Scratch::new();
        let layout = scratch.layout("layout");
        let images = built(&layout, &plan);
        let path = layout.path().to_owned();
        drop(layout);
        collect(&path);
        prop_assert_eq!(findings(&path), Vec::<String>::new());
        let layout = Layout::open(&path, &work()).unwrap();
        let mut last = std::collections::BTreeMap::new();
        for ((_, name, has_referrer), image) in plan.images.iter().zip(&images) {
            if let Some(name) = name { last.insert(*name, (image, *has_referrer)); }
        }
        for (name, (image, has_referrer)) in &last {
            let selector = dhow_oci::Selector::Tag(format!("t{name}"));
            let loaded = layout.load(&Query::new(Some(&selector), &common::platform("linux/amd64"))).unwrap();
            prop_assert_eq!(loaded.image.manifest().digest(), image.manifest().digest());
            prop_assert_eq!(layout.missing(image).unwrap(), vec![]);
            let sbom = Descriptor::of(MediaType::OciLayer, b"sbom");
            if *has_referrer { prop_assert_eq!(layout.presence(&sbom).unwrap(), Presence::Present); }
        }
        if last.is_empty() { prop_assert_eq!(tree(&path.join("blobs")).len(), 0); }
    }
}
