//! Finding an image: tags, digests, platforms, nested indexes, foreign layouts.
#![expect(clippy::disallowed_methods, reason = "tests look at and damage files as other programs would")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::collections::BTreeMap;

use common::{Scratch, blob, platform, store_image, store_index, tag, write_index};
use dhow_oci::{Descriptor, Document, Image, Index, Manifest, MediaType, Platform, Selector, annotation};
use dhow_store::{BlobSink, Completeness, ImageSource, Layout, Query, ResolveError, Wanted, normalise};

fn selector(text: &str) -> Selector {
    Selector::Tag(text.to_owned())
}

fn named(descriptor: Descriptor, annotations: &[(&str, &str)]) -> Descriptor {
    let annotations: BTreeMap<String, String> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Descriptor { annotations, ..descriptor }
}

fn without_platform(image: &Image) -> Descriptor {
    Descriptor { platform: None, ..image.descriptor() }
}

fn list(layout: &Layout, manifests: Vec<Descriptor>) {
    write_index(layout, Index::of(manifests));
}

fn found(layout: &Layout, wanted: Option<&str>, platform_text: &str) -> Result<String, ResolveError> {
    let selector = wanted.map(selector);
    let resolved = layout.find(&Query::new(selector.as_ref(), &platform(platform_text)))?;
    Ok(resolved.descriptor.digest.to_string())
}

fn digest(image: &Image) -> String {
    image.manifest().digest().to_string()
}

#[test]
fn an_index_is_searched_by_platform_then_variant() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let images: Vec<Image> = ["linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"]
        .iter()
        .map(|platform| store_image(&layout, platform, &[platform]))
        .collect();
    for (kind, stated) in [
        (MediaType::OciIndex, true),
        (MediaType::OciIndex, false),
        (MediaType::DockerManifestList, true),
        (MediaType::DockerManifestList, false),
    ] {
        let entry = |image: &Image| if stated { image.descriptor() } else { without_platform(image) };
        let index = store_index(&layout, kind.clone(), images.iter().map(entry).collect());
        let nested = store_index(&layout, MediaType::OciIndex, vec![index.clone()]);
        for top in [index, nested] {
            list(&layout, vec![top.clone()]);
            for (wanted, image) in [
                ("linux/amd64", 0),
                ("linux/arm/v6", 1),
                ("linux/arm/v7", 2),
                ("linux/arm", 2),
                ("linux/arm64", 3),
                ("linux/arm64/v8", 3),
            ] {
                assert_eq!(found(&layout, None, wanted).unwrap(), digest(&images[image]), "{kind} {stated} {wanted}");
            }
            let loaded = layout.load(&Query::new(None, &platform("linux/arm64"))).unwrap();
            assert_eq!(loaded.resolved.named, top, "the name refers to the index");
            assert_eq!(loaded.resolved.descriptor.platform, Some(platform("linux/arm64/v8")));
            let error = found(&layout, None, "linux/s390x").unwrap_err().to_string();
            assert!(
                error.ends_with(
                    "has no image for linux/s390x; it has `linux/amd64`, `linux/arm/v6`, `linux/arm/v7`, `linux/arm64/v8`"
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn index_json_may_state_any_index_type_or_none() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["x"]);
    for media_type in [None, Some(MediaType::OciIndex), Some(MediaType::DockerManifestList)] {
        write_index(&layout, Index { media_type, ..Index::of(vec![without_platform(&image)]) });
        assert_eq!(found(&layout, None, "linux/amd64").unwrap(), digest(&image));
    }
    write_index(&layout, Index { media_type: Some(MediaType::OciManifest), ..Index::default() });
    assert!(found(&layout, None, "linux/amd64").is_err());
}

#[test]
fn entries_without_media_type_are_understood_by_content() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["x"]);
    let index = store_index(&layout, MediaType::OciIndex, vec![without_platform(&image)]);
    let unstated = MediaType::Other("".into());
    for entry in [without_platform(&image), index] {
        list(&layout, vec![Descriptor { media_type: unstated.clone(), ..entry }]);
        assert_eq!(found(&layout, None, "linux/amd64").unwrap(), digest(&image));
    }
}

#[test]
fn a_tag_is_matched_exactly_and_then_by_full_references() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let images: Vec<Image> = ["0", "1", "2"].iter().map(|x| store_image(&layout, "linux/amd64", &[x])).collect();
    let full = "docker.io/library/busybox:1.36";
    list(
        &layout,
        vec![
            named(images[0].descriptor(), &[(annotation::REF_NAME, full)]),
            named(images[1].descriptor(), &[(annotation::REF_NAME, "latest")]),
            named(
                images[2].descriptor(),
                &[(annotation::REF_NAME, "v2"), (annotation::CONTAINERD_IMAGE_NAME, "localhost:5000/app:latest")],
            ),
        ],
    );
    for (wanted, image) in [(full, 0), ("1.36", 0), ("latest", 1), ("v2", 2), ("localhost:5000/app:latest", 2)] {
        assert_eq!(found(&layout, Some(wanted), "linux/amd64").unwrap(), digest(&images[image]), "{wanted}");
    }
    let error = found(&layout, Some("5000/app"), "linux/amd64").unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().ends_with("it has `docker.io/library/busybox:1.36`, `latest`, `v2`"), "{error}");

    let known = |wanted: &str| {
        let resolved = layout.find(&Query::new(Some(&selector(wanted)), &platform("linux/amd64"))).unwrap();
        resolved.known_name().map(ToOwned::to_owned)
    };
    assert_eq!(known("1.36").as_deref(), Some(full));
    assert_eq!(known("latest"), None);
    assert_eq!(known("v2").as_deref(), Some("localhost:5000/app:latest"));
}

#[test]
fn several_images_without_a_name_are_ambiguous_unless_one_is_preferred() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let (one, two) = (store_image(&layout, "linux/amd64", &["1"]), store_image(&layout, "linux/amd64", &["2"]));
    tag(&layout, "one", &one);
    tag(&layout, "two", &two);
    let error = found(&layout, None, "linux/amd64").unwrap_err();
    assert!(matches!(&error, ResolveError::Ambiguous { choices, .. } if choices.len() == 2));
    let amd64 = platform("linux/amd64");
    let prefer = |tag| layout.find(&Query { wanted: Wanted::Preferably(tag), platform: Some(&amd64) });
    assert_eq!(prefer("two").unwrap().descriptor.digest, *two.manifest().digest());
    assert!(prefer("three").is_err());
    layout.untag("one").unwrap();
    assert_eq!(prefer("one").unwrap().descriptor.digest, *two.manifest().digest());
}

#[test]
fn two_entries_with_one_name_are_chosen_by_platform_or_ambiguous() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let amd = store_image(&layout, "linux/amd64", &["1"]);
    let arm = store_image(&layout, "linux/arm64", &["1"]);
    let other = store_image(&layout, "linux/amd64", &["2"]);
    let entry = |image: &Image| named(image.descriptor(), &[(annotation::REF_NAME, "x")]);
    list(&layout, vec![entry(&amd), entry(&arm)]);
    assert_eq!(found(&layout, Some("x"), "linux/arm64").unwrap(), digest(&arm));
    list(&layout, vec![entry(&amd), entry(&other)]);
    assert!(matches!(found(&layout, Some("x"), "linux/amd64"), Err(ResolveError::Ambiguous { .. })));
    list(&layout, vec![entry(&amd), entry(&amd)]);
    assert_eq!(found(&layout, Some("x"), "linux/amd64").unwrap(), digest(&amd));
}

#[test]
fn a_digest_names_an_entry_or_a_manifest_of_a_listed_index() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let index = store_index(&layout, MediaType::OciIndex, vec![image.descriptor()]);
    let unlisted = store_image(&layout, "linux/amd64", &["2"]);
    list(&layout, vec![index.clone()]);
    let find = |digest: &dhow_oci::Digest| {
        layout.find(&Query::new(Some(&Selector::Digest(digest.clone())), &platform("linux/amd64")))
    };
    for digest in [&index.digest, image.manifest().digest()] {
        let resolved = find(digest).unwrap();
        assert_eq!((&resolved.named.digest, &resolved.descriptor.digest), (digest, image.manifest().digest()));
    }
    assert!(matches!(find(unlisted.manifest().digest()), Err(ResolveError::NoSuchDigest { .. })));
}

#[test]
fn without_a_platform_the_only_image_is_taken_whatever_it_is_for() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let arm = store_image(&layout, "linux/arm64", &["1"]);
    let only = Query { wanted: Wanted::Only, platform: None };
    assert!(matches!(layout.find(&only), Err(ResolveError::Empty(_))));
    tag(&layout, "x", &arm);
    assert_eq!(layout.load(&only).unwrap().image.manifest().digest(), arm.manifest().digest());
    tag(&layout, "y", &store_image(&layout, "linux/amd64", &["1"]));
    let error = layout.find(&only).unwrap_err().to_string();
    assert!(error.contains("`x (linux/arm64)`, `y (linux/amd64)`"), "{error}");
}

#[test]
fn artifacts_and_attestations_beside_an_image_are_passed_over() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let config = layout.store(b"{}", MediaType::OciEmpty).unwrap();
    let signature = Document::of(Manifest::new(config, vec![]));
    let signature = layout.store(signature.bytes(), MediaType::OciManifest).unwrap();
    let attestation = Descriptor { platform: Some(Platform::new("unknown", "unknown")), ..without_platform(&image) };
    list(&layout, vec![signature.clone(), attestation, without_platform(&image)]);
    assert_eq!(found(&layout, None, "linux/amd64").unwrap(), digest(&image));
    list(&layout, vec![signature]);
    assert!(matches!(found(&layout, None, "linux/amd64"), Err(ResolveError::NotAnImage { .. })));
}

#[test]
fn other_platforms_of_an_index_may_be_absent() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let absent = Descriptor::of(MediaType::OciManifest, b"absent");
    let index = store_index(&layout, MediaType::OciIndex, vec![absent, without_platform(&image)]);
    list(&layout, vec![index]);
    assert_eq!(found(&layout, None, "linux/amd64").unwrap(), digest(&image));
}

#[test]
fn an_absent_config_is_named_by_path_and_digest() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    tag(&layout, "x", &image);
    std::fs::remove_file(blob(layout.path(), image.config().digest())).unwrap();
    let error = layout.load(&Query::new(None, &platform("linux/amd64"))).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("blob {} is not in {}: it is sparse there", image.config().digest(), layout.path().display())
    );
}

#[test]
fn deep_and_wide_indexes_come_to_an_end() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1"]);
    let mut nested = without_platform(&image);
    for _ in 0..40 {
        nested = store_index(&layout, MediaType::OciIndex, vec![nested]);
    }
    list(&layout, vec![nested]);
    assert!(matches!(found(&layout, None, "linux/amd64"), Err(ResolveError::TooMuch { .. })));
    // Each index names the next twice: 2^14 paths over 14 documents.
    let mut doubled = without_platform(&image);
    for _ in 0..14 {
        doubled = store_index(&layout, MediaType::OciIndex, vec![doubled.clone(), doubled]);
    }
    list(&layout, vec![doubled]);
    assert!(matches!(found(&layout, None, "linux/amd64"), Err(ResolveError::TooMuch { .. })));
}

#[test]
fn hostile_index_files_are_errors() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let hex = "0".repeat(64);
    let manifest = MediaType::OciManifest;
    let entry = |digest: &str, size: &str| {
        format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{manifest}","digest":"{digest}","size":{size}}}]}}"#)
    };
    let cases = [
        String::new(),
        "{}".into(),
        "\u{feff}{}".into(),
        format!("{} x", entry(&format!("sha256:{hex}"), "1")),
        entry(&format!("sha256:{hex}"), "-1"),
        entry(&format!("sha256:{hex}"), "18446744073709551616"),
        entry(&format!("sha256:{hex}"), "9223372036854775808"),
        entry("sha256:../../etc/passwd", "1"),
        entry(&format!("SHA256:{hex}"), "1"),
        "[".repeat(10_000),
        r#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#.into(),
        r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.into(),
    ];
    for case in cases {
        std::fs::write(layout.path().join("index.json"), &case).unwrap();
        assert!(found(&layout, None, "linux/amd64").is_err(), "{}", &case[..case.len().min(100)]);
    }
}

#[test]
fn a_docker_image_normalised_is_oci_with_the_same_config() {
    let scratch = Scratch::new();
    let layout = scratch.layout("layout");
    let image = store_image(&layout, "linux/amd64", &["1", "2"]);
    assert_eq!(normalise(image.clone()).manifest().bytes(), image.manifest().bytes());
    let docker = image.manifest().edited(|manifest| {
        manifest.media_type = Some(MediaType::DockerManifest);
        manifest.config.media_type = MediaType::DockerConfig;
        manifest.layers[0].media_type = MediaType::DockerLayer;
        manifest.layers[1].media_type = MediaType::DockerLayerGzip;
    });
    let stored = layout.store(docker.bytes(), MediaType::DockerManifest).unwrap();
    layout.tag("x", stored, Completeness::Full).unwrap();
    let loaded = layout.load(&Query::new(None, &platform("linux/amd64"))).unwrap();
    let normal = normalise(loaded.image);
    assert_eq!(normal.config().bytes(), image.config().bytes());
    let types: Vec<&str> = normal.blobs().iter().map(|descriptor| descriptor.media_type.as_str()).collect();
    let oci = [MediaType::OciConfig, MediaType::OciLayer, MediaType::OciLayerGzip];
    assert_eq!(types, oci.iter().map(MediaType::as_str).collect::<Vec<_>>());
    assert_eq!(normal.descriptor().media_type, MediaType::OciManifest);
}
