//! Entries that this version does not understand: left alone, byte for byte, and with all that they may need.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use common::{Scratch, blob, platform, store_image, tag, work};
use dhow_oci::{Descriptor, Digest, Entry, Image, MediaType, Selector, annotation};
use dhow_store::{
    Archive, BlobSink, Completeness, CopyError, Finding, ImageSource, Layout, LayoutError, Query, ResolveError, Wanted,
    archive, copy_graph,
};

fn text(descriptor: Descriptor) -> String {
    Entry::from(descriptor).text().to_owned()
}

fn named(image: &Image, name: &str) -> Descriptor {
    let mut descriptor = image.descriptor();
    descriptor.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
    descriptor
}

/// An entry of an algorithm that nobody knows yet.
fn opaque(name: &str) -> String {
    format!(
        r#"{{ "digest": "blake9:{}", "size": 1e400, "annotations": {{"{}": "{name}"}} }}"#,
        "0".repeat(64),
        annotation::REF_NAME
    )
}

/// An entry that states its size in words, of an image that is there.
fn odd(image: &Image, name: &str) -> String {
    text(named(image, name)).replacen(r#""size":"#, r#""new":[1.0, 1180591620717411303424],"size":"many","was":"#, 1)
}

fn write_index(layout: &Layout, entries: &[String]) {
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}],"x":{{"b":1.50,"a":2}}}}"#, entries.join(","));
    std::fs::write(layout.path().join("index.json"), index).unwrap();
}

fn find(source: &impl ImageSource, name: &str) -> Result<Digest, ResolveError> {
    let selector = Selector::Tag(name.to_owned());
    let query = Query { wanted: Wanted::Exactly(&selector), platform: None };
    source.find(&query).map(|resolved| resolved.descriptor.digest)
}

#[test]
fn an_entry_that_is_not_understood_leaves_the_others_usable_and_is_named_when_asked_for() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let other = store_image(&layout, "linux/amd64", &["2"]);
    let nulls = text(named(&other, "nulls"))
        .replacen(r#""size""#, r#""urls":null,"data":null,"artifactType":null,"size""#, 1)
        .replacen(r#""architecture":"amd64""#, r#""architecture":null,"os.features":null,"variant":null"#, 1);
    write_index(&layout, &[opaque("opaque"), text(named(&image, "x")), "null".into(), nulls, odd(&image, "odd")]);
    assert_eq!(find(&layout, "x").unwrap(), *image.manifest().digest());
    assert_eq!(find(&layout, "nulls").unwrap(), *other.manifest().digest());
    for (name, reason) in
        [("opaque", "`digest`: `blake9:"), ("odd", "`size`: invalid type: string \"many\", expected u64")]
    {
        let error = find(&layout, name).unwrap_err();
        assert!(!error.is_not_found());
        let expected = format!("lists `{name}`, which dhow does not understand: {reason}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    let error = find(&layout, "absent").unwrap_err().to_string();
    assert!(error.ends_with("it has `nulls`, `odd`, `opaque`, `x`"), "{error}");
    write_index(&layout, &[opaque("opaque")]);
    let only = layout.find(&Query { wanted: Wanted::Only, platform: None });
    assert!(matches!(only, Err(ResolveError::Foreign { .. })));
    write_index(&layout, &[opaque("opaque"), text(image.descriptor())]);
    let only = layout.find(&Query { wanted: Wanted::Only, platform: None }).unwrap();
    assert_eq!(only.descriptor.digest, *image.manifest().digest());
}

#[test]
fn tag_and_untag_leave_every_other_entry_as_it_is_byte_for_byte() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let spaced = text(named(&image, "spaced")).replacen(':', " :\t", 1).replacen('}', r#", "n":1.0 }"#, 1);
    let others = [opaque("opaque"), spaced, "null".to_owned(), odd(&image, "odd"), opaque("opaque/2")];
    write_index(&layout, &others);
    tag(&layout, "new", &image);
    let new = text(named(&image, "new"));
    let written = |entries: &[String]| {
        format!(r#"{{"schemaVersion":2,"manifests":[{}],"x":{{"b":1.50,"a":2}}}}"#, entries.join(","))
    };
    let index = || std::fs::read_to_string(layout.path().join("index.json")).unwrap();
    assert_eq!(index(), written(&[others.as_slice(), &[new]].concat()));
    assert!(layout.untag("new").unwrap());
    assert_eq!(index(), written(&others));
    // A name is understood even if nothing else is: whoever takes it, or takes it away, means that entry.
    tag(&layout, "opaque", &image);
    assert!(layout.untag("odd").unwrap());
    assert_eq!(
        index(),
        written(&[text(named(&image, "opaque")), others[1].clone(), others[2].clone(), others[4].clone()])
    );
}

#[test]
fn gc_keeps_what_an_odd_entry_leads_to_and_removes_nothing_where_nobody_can_tell() {
    let scratch = Scratch::new();
    let path = scratch.layout("layout").path().to_owned();
    let image = store_image(&Layout::open(&path, &work()).unwrap(), "linux/amd64", &["1"]);
    let layer = image.layers()[0].descriptor.clone();
    let garbage = Digest::of(b"garbage");
    for is_nested in [false, true] {
        let layout = Layout::open(&path, &work()).unwrap();
        layout.store(b"garbage", MediaType::OciLayer).unwrap();
        let entry = odd(&image, "x");
        let entry = if is_nested { text(layout_index(&layout, &[entry])) } else { entry };
        write_index(&layout, &[entry]);
        drop(layout);
        assert!(collect(&path).unwrap().removed.contains(&garbage));
        for digest in [image.manifest().digest(), image.config().digest(), &layer.digest] {
            assert!(blob(&path, digest).exists(), "{digest} {is_nested}");
        }
    }
    let layout = Layout::open(&path, &work()).unwrap();
    layout.store(b"garbage", MediaType::OciLayer).unwrap();
    let nested = layout_index(&layout, &[opaque("inner")]);
    drop(layout);
    for entry in [opaque("outer"), text(nested)] {
        let layout = Layout::open(&path, &work()).unwrap();
        write_index(&layout, &[entry, text(image.descriptor())]);
        drop(layout);
        let error = collect(&path).unwrap_err();
        assert!(matches!(&error, LayoutError::Foreign { entry, .. } if ["outer", "inner"].contains(&entry.as_str())));
        assert!(blob(&path, &garbage).exists());
        let layout = Layout::open(&path, &work()).unwrap();
        assert_eq!(layout.drop_unneeded(std::slice::from_ref(&garbage)).unwrap(), []);
    }
}

fn collect(path: &std::path::Path) -> Result<dhow_store::GcReport, LayoutError> {
    Layout::open(path, &work()).unwrap().gc(std::time::Duration::ZERO)
}

fn layout_index(layout: &Layout, entries: &[String]) -> Descriptor {
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    layout.store(index.as_bytes(), MediaType::OciIndex).unwrap()
}

#[test]
fn check_says_what_it_does_not_understand() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let nested = layout_index(&layout, &[opaque("inner"), text(image.descriptor())]);
    write_index(&layout, &[opaque("outer"), text(nested)]);
    let findings = layout.check().unwrap();
    let foreign = |finding: &Finding| match finding {
        Finding::Foreign { entry, .. } => entry.clone(),
        other => panic!("{other}"),
    };
    assert_eq!(findings.iter().map(foreign).collect::<Vec<_>>(), ["outer", "inner"]);
}

#[test]
fn an_index_with_an_entry_that_is_not_understood_is_not_copied_as_whole() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.layout("from"), scratch.layout("to"));
    let image = store_image(&from, "linux/amd64", &["1"]);
    let index = layout_index(&from, &[text(image.descriptor()), opaque("inner")]);
    let error = copy_graph(&index, &from, &to, Completeness::Full).unwrap_err();
    assert!(matches!(error, CopyError::Foreign { entry, .. } if entry == "inner"));
    assert_eq!(common::tree(&to.path().join("blobs")), Vec::<String>::new());
    copy_graph(&index, &from, &to, Completeness::Sparse).unwrap();
    assert_eq!(to.missing(&image).unwrap(), []);
}

#[test]
fn an_archive_that_is_written_again_keeps_foreign_entries_and_every_blob() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let (old, new) = (store_image(&layout, "linux/amd64", &["1"]), store_image(&layout, "linux/amd64", &["2"]));
    let nested = layout_index(&layout, &[text(old.descriptor()), opaque("inner")]);
    let strange = format!("blobs/blake9/{}", "0".repeat(64));
    for entries in [vec![opaque("outer")], vec![text(nested)]] {
        let source = scratch.path("source");
        let _fresh = std::fs::remove_dir_all(&source);
        let there = Layout::open_or_create(&source, &work()).unwrap();
        store_image(&there, "linux/amd64", &["1"]);
        layout_index(&there, &[text(old.descriptor()), opaque("inner")]);
        write_index(&there, &entries);
        drop(there);
        std::fs::create_dir(source.join("blobs/blake9")).unwrap();
        std::fs::write(source.join(&strange), b"strange").unwrap();
        let file = scratch.path("a.tar");
        let tar = std::process::Command::new("tar").arg("-C").arg(&source).arg("-cf").arg(&file).args(["."]).status();
        assert!(tar.unwrap().success());
        archive::update(&layout, &new.descriptor(), "new", Completeness::Full, &file, &work()).unwrap();
        let again = Archive::open(&file, &work()).unwrap();
        let index = again.index().unwrap();
        let texts: Vec<&str> = index.value().manifests[1..].iter().map(Entry::text).collect();
        assert_eq!(texts, entries);
        assert_eq!(find(&again, "new").unwrap(), *new.manifest().digest());
        let members = std::process::Command::new("tar").arg("-tf").arg(&file).output().unwrap();
        assert!(members.status.success());
        let members = String::from_utf8(members.stdout).unwrap();
        for member in [strange.clone(), format!("blobs/sha256/{}", old.config().digest().hex())] {
            assert!(members.lines().any(|line| line == member), "{member} in {members}");
        }
        let strange = std::process::Command::new("tar").arg("-xOf").arg(&file).arg(&strange).output().unwrap();
        assert_eq!(strange.stdout, b"strange");
    }
}

#[test]
fn a_config_of_nulls_is_an_image() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let config = br#"{"architecture":"amd64","os":"linux","os.features":null,"history":null,"rootfs":{"type":"layers","diff_ids":null},"config":{"Env":null}}"#;
    let config = layout.store(config, MediaType::OciConfig).unwrap();
    let manifest =
        format!(r#"{{"schemaVersion":2,"mediaType":null,"config":{},"layers":null,"annotations":null}}"#, text(config));
    let manifest = layout.store(manifest.as_bytes(), MediaType::OciManifest).unwrap();
    write_index(&layout, &[text(manifest)]);
    let loaded = layout.load(&Query::new(None, &platform("linux/amd64"))).unwrap();
    assert_eq!(loaded.image.layers(), []);
}

/// An entry of an image that is there, with one byte that is no UTF-8.
fn undecodable(image: &Image, name: &str) -> Vec<u8> {
    let text = text(named(image, name)).replacen(r#""annotations":{"#, r#""annotations":{"note":"caf?","#, 1);
    text.into_bytes().into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect()
}

#[test]
fn an_entry_that_is_no_utf8_is_kept_byte_for_byte_and_the_others_are_usable() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let other = store_image(&layout, "linux/amd64", &["2"]);
    let odd = undecodable(&other, "odd");
    let index = [br#"{"schemaVersion":2,"manifests":["#.as_slice(), &odd, b"],\"x\":\"\xff\"}"].concat();
    std::fs::write(layout.path().join("index.json"), index).unwrap();
    tag(&layout, "app", &image);
    let app = text(layout.index().unwrap().value().descriptors().next().unwrap().clone()).into_bytes();
    let expected = [br#"{"schemaVersion":2,"manifests":["#.as_slice(), &odd, b",", &app, b"],\"x\":\"\xff\"}"].concat();
    let written = std::fs::read(layout.path().join("index.json")).unwrap();
    assert!(written == expected, "{}", String::from_utf8_lossy(&written));
    assert_eq!(find(&layout, "app").unwrap(), *image.manifest().digest());
    let error = find(&layout, "odd").unwrap_err().to_string();
    assert!(error.ends_with("does not understand: it is no UTF-8: it has the byte 0xe9"), "{error}");
    layout.gc(std::time::Duration::ZERO).unwrap();
    assert!(blob(layout.path(), other.manifest().digest()).exists() && layout.missing(&other).unwrap().is_empty());
    assert!(matches!(&layout.check().unwrap()[..], [Finding::Foreign { entry, .. }] if entry == "odd"));

    // An archive that lists such an entry keeps it, too.
    let path = scratch.path("archive.tar");
    let packed = std::process::Command::new("tar").arg("-C").arg(layout.path()).arg("-cf").arg(&path).arg(".").status();
    assert!(packed.unwrap().success());
    archive::update(&layout, &image.descriptor(), "new", Completeness::Full, &path, &work()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.windows(odd.len()).any(|window| window == odd));
    let archive = Archive::open(&path, &work()).unwrap();
    assert_eq!(find(&archive, "new").unwrap(), find(&archive, "app").unwrap());
    assert!(find(&archive, "odd").is_err());
}
