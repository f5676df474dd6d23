//! What is written: full and sparse, media types, annotations, modes; and what is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Base, Image, Layer, Media, World, blobs, stdout_of, write_image};

fn hex(digest: &str) -> String {
    digest.trim_start_matches("sha256:").to_owned()
}

fn base_blobs(world: &World) -> Vec<String> {
    let run = Image::read(Base::of(world).repository("example.test/run/1"), "1");
    run.layers().iter().map(|digest| hex(digest)).collect()
}

#[test]
fn full_and_sparse_have_one_digest_and_differ_by_the_run_images_layers() {
    let world = World::with_script("true");
    let full = world.build("oci:full", "source", &[]).success().digest();
    let outcome = world.build("oci:sparse", "source", &["--sparse"]).success().answers(", sparse\n");
    assert_eq!(outcome.digest(), full);
    let mut expected = blobs(world.path("sparse"));
    expected.extend(base_blobs(&world));
    assert_eq!(blobs(world.path("full")), expected);
    assert!(base_blobs(&world).iter().all(|hex| !world.path("sparse/blobs/sha256").join(hex).exists()));
    for layout in ["full", "sparse"] {
        world.dhow(["layout", "check", layout]).run().success();
        let inspection = world.dhow(["inspect", &format!("oci:{layout}"), "--format", "json"]).run().success().json();
        assert_eq!(inspection["completeness"], layout);
    }
}

#[test]
fn sparse_over_full_drops_base_blobs_and_full_over_sparse_brings_them_back() {
    let world = World::with_script("true");
    world.build("oci:app", "source", &[]).success();
    let full = blobs(world.path("app"));
    world.build("oci:app", "source", &["--sparse"]).success();
    let sparse = blobs(world.path("app"));
    assert_eq!(full.difference(&sparse).cloned().collect::<Vec<_>>(), base_blobs(&world));
    world.dhow(["layout", "check", "app"]).run().success();
    world.build("oci:app", "source", &[]).success();
    assert!(blobs(world.path("app")).is_superset(&full));
    world.dhow(["layout", "check", "app"]).run().success();
}

#[test]
fn a_sparse_build_keeps_base_blobs_that_a_full_tag_needs() {
    let world = World::with_script("true");
    world.build("oci:app:full", "source", &[]).success();
    world.build("oci:app:sparse", "source", &["--sparse"]).success();
    assert!(base_blobs(&world).iter().all(|hex| world.path("app/blobs/sha256").join(hex).exists()));
    world.dhow(["layout", "gc", "app"]).run().success();
    world.dhow(["layout", "check", "app"]).run().success();
    assert!(base_blobs(&world).iter().all(|hex| world.path("app/blobs/sha256").join(hex).exists()));
}

#[test]
fn a_run_image_that_lacks_layers_gives_a_sparse_image_and_a_warning() {
    let world = World::with_script("true");
    let full = world.build("oci:full", "source", &[]).success().digest();
    let repository = Base::of(&world).repository("example.test/run/1");
    for hex in base_blobs(&world) {
        fs::remove_file(repository.join("blobs/sha256").join(hex)).unwrap();
    }
    let outcome = world.build("oci:app", "source", &[]).success();
    let outcome =
        outcome.says("warning: the image is sparse, because run image example.test/run:1 lacks layers itself");
    assert_eq!(outcome.digest(), full);
    world.dhow(["layout", "check", "app"]).run().success();
}

#[test]
fn gc_removes_what_an_overwritten_tag_leaves() {
    let world = World::with_script("true");
    world.build("oci:app", "source", &[]).success();
    world.write("source/build.sh", "echo other");
    world.build("oci:app", "source", &[]).success();
    let before = blobs(world.path("app"));
    let gc = |grace: &[&str]| {
        let command = world.dhow(["layout", "gc", "app", "--format", "json"]).args(grace);
        command.run().success().json()
    };
    // What is young may be another tool's, which is still at work.
    let report = gc(&[]);
    assert!(report["removed"].as_array().unwrap().is_empty() && report["young"].as_u64() >= Some(3), "{report:#}");
    assert_eq!(blobs(world.path("app")).len(), before.len());
    let report = gc(&["--grace", "0"]);
    let removed = report["removed"].as_array().unwrap().len();
    assert!(removed >= 3, "{report:#}");
    assert_eq!(blobs(world.path("app")).len(), before.len() - removed);
    world.dhow(["layout", "check", "app"]).run().success();
    world.dhow(["run", "oci:app", "--", "true"]).run().success();
}

#[test]
fn annotations_name_the_run_image_as_base_and_no_other_image() {
    let world = World::with_script("true");
    world.build("oci:app", "source", &[]).success();
    let image = Image::read(world.path("app"), "latest");
    let run = Image::read(Base::of(&world).repository("example.test/run/1"), "1");
    let expected = serde_json::json!({
        "org.example.inherited": "by every image on this base",
        "org.opencontainers.image.base.name": "example.test/run:1",
        "org.opencontainers.image.base.digest": run.digest(),
    });
    assert_eq!(image.manifest["annotations"], expected);
    assert_eq!(image.entry["platform"]["os"], "linux");
}

#[test]
fn a_run_image_that_is_only_a_path_is_not_named() {
    let world = World::with_script("true");
    let base = Base::of(&world);
    let digest = base.write_run_image(&world.path("nameless"), "latest", &[base.busybox()], Media::Oci);
    world.build("oci:app", "source", &["--run-image", "oci:nameless"]).success();
    let image = Image::read(world.path("app"), "latest");
    let annotations = &image.manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.digest"], digest);
    assert!(annotations.get("org.opencontainers.image.base.name").is_none(), "{annotations:#}");
    let text = image.manifest.to_string() + &image.config.to_string() + &image.entry.to_string();
    assert!(!text.contains(world.root().to_str().unwrap()), "{text}");
}

#[test]
fn everything_written_is_of_oci_types_readable_by_all_and_complete_even_on_a_docker_base() {
    let world = World::with_script("echo from the app");
    let base = Base::of(&world);
    base.write_run_image(&world.path("docker"), "latest", &[base.busybox()], Media::Docker);
    world.build("oci:app", "source", &["--run-image", "oci:docker"]).success();
    let image = Image::read(world.path("app"), "latest");
    let text = image.manifest.to_string() + &image.entry.to_string();
    assert!(!text.contains("docker"), "{text}");
    assert_eq!(image.manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    for layer in image.manifest["layers"].as_array().unwrap() {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    }
    for hex in blobs(world.path("app")) {
        let path = world.path("app/blobs/sha256").join(&hex);
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o644, "{hex}");
        assert_eq!(crate::support::sha256(&fs::read(&path).unwrap()), format!("sha256:{hex}"));
    }
    world.dhow(["layout", "check", "oci:app"]).run().success();
    stdout_of(&world, "skopeo", &["copy", "--quiet", "oci:app:latest", "oci:copied:latest"]);
    assert_eq!(Image::read(world.path("copied"), "latest").digest(), image.digest());
    stdout_of(&world, "umoci", &["unpack", "--rootless", "--image", "app:latest", "bundle"]);
    assert_eq!(fs::read_to_string(world.path("bundle/rootfs/workspace/build.sh")).unwrap(), "echo from the app");
    assert!(world.path("bundle/rootfs/bin/busybox").is_file());
}

#[test]
fn quiet_says_only_image_and_digest() {
    let world = World::with_script("echo from the buildpack");
    let outcome = world.build("oci:app", "source", &["--quiet"]).success();
    assert_eq!(outcome.stderr, "");
    let digest = Image::read(world.path("app"), "latest").digest().to_owned();
    assert_eq!(outcome.stdout, format!("oci:app@{digest}\n"));
}

#[test]
fn json_is_the_whole_answer() {
    let world = World::with_script("echo from the buildpack");
    let outcome = world.build("oci:app", "source", &["--format", "json"]).success().says("from the buildpack");
    let summary = outcome.json();
    assert_eq!(summary["image"], "oci:app");
    assert_eq!(summary["sparse"], false);
    assert_eq!(summary["digest"], Image::read(world.path("app"), "latest").digest());
    for phase in ["prepare", "analyze", "detect", "restore", "build", "export"] {
        assert!(summary["milliseconds"][phase].as_f64().unwrap() >= 0.0, "{phase}");
    }
}

#[test]
fn timestamps_begin_each_line() {
    let world = World::with_script("echo one\necho two");
    let outcome = world.build("oci:app", "source", &["--timestamps"]).success();
    for line in outcome.stderr.lines() {
        let (time, _) = line.split_once(' ').unwrap_or((line, ""));
        let digits = time.bytes().filter(u8::is_ascii_digit).count();
        assert!(time.len() >= 20 && time.ends_with('Z') && digits >= 14, "{line}");
    }
}

#[test]
fn off_a_terminal_there_is_no_colour_not_even_the_buildpacks_own() {
    let world = World::with_script("printf '\\033[35mpurple\\033[0m\\n'");
    for further in [&[][..], &["--no-color"]] {
        let outcome = world.build("oci:app", "source", further).success().says("\npurple\n");
        assert!(!outcome.stderr.contains('\x1b') && !outcome.stdout.contains('\x1b'), "{}", outcome.stderr);
    }
}

#[test]
fn control_characters_of_an_image_are_shown_escaped() {
    let world = World::new();
    let labels = serde_json::json!({ "a\u{1b}]0;pwn\u{7}": "b\u{9b}2J\nSuccessfully built", "name": "Grüße" });
    let config = serde_json::json!({ "Labels": labels });
    let layer = Layer { tar: b"no tar".to_vec() };
    write_image(&world.path("hostile"), "latest", &[layer], &config, &serde_json::json!({}), Media::Oci);
    let outcome = world.dhow(["inspect", "oci:hostile"]).run().success();
    let outcome = outcome.answers("a\\u{1b}]0;pwn\\u{7}=b\\u{9b}2J\\nSuccessfully built\n").answers("name=Grüße\n");
    assert!(!outcome.stdout.chars().any(|character| character.is_control() && character != '\n'));
    let json = world.dhow(["inspect", "oci:hostile", "--format", "json"]).run().success();
    assert!(!json.stdout.chars().any(|character| character.is_control() && character != '\n'));
    assert_eq!(json.json()["labels"]["a\u{1b}]0;pwn\u{7}"], "b\u{9b}2J\nSuccessfully built");
    let outcome = world.dhow(["inspect", "oci:no\u{1b}[2J/image"]).run().exits(1);
    assert!(!outcome.stderr.contains('\u{1b}'), "{:?}", outcome.stderr);
}

#[test]
fn a_run_image_named_by_an_index_is_recorded_by_its_index_and_by_its_manifest() {
    let world = World::with_script("true");
    let layout = Base::of(&world).repository("example.test/run/1");
    let manifest = Image::read(&layout, "1").digest().to_owned();
    let index = wrap_in_index(&layout, "1");
    world.build("oci:app", "source", &[]).success();
    let image = Image::read(world.path("app"), "latest");
    let annotations = &image.manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], "example.test/run:1");
    assert_eq!(annotations["org.opencontainers.image.base.digest"], index);
    let run = image.json_label("io.buildpacks.lifecycle.metadata")["runImage"]["reference"].clone();
    assert!(run.as_str().unwrap().ends_with(&manifest), "{run}");
}

/// Names the image of `tag` by an index of two platforms, and returns the index's digest.
fn wrap_in_index(layout: &std::path::Path, tag: &str) -> String {
    let mut entry = Image::read(layout, tag).entry;
    entry.as_object_mut().unwrap().remove("annotations");
    let host = dhow_oci::Platform::host();
    entry["platform"] = serde_json::json!({ "os": host.os, "architecture": host.architecture });
    let mut other = entry.clone();
    other["platform"] = serde_json::json!({ "os": "linux", "architecture": "mips64le" });
    other["digest"] = crate::support::sha256(b"absent").into();
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [other, entry] }).to_string();
    let digest = crate::support::sha256(index.as_bytes());
    fs::write(layout.join("blobs/sha256").join(hex(&digest)), &index).unwrap();
    let name = serde_json::json!({ "org.opencontainers.image.ref.name": tag });
    let entry = serde_json::json!({ "mediaType": kind, "digest": digest, "size": index.len(), "annotations": name });
    let document = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(layout.join("index.json"), document.to_string()).unwrap();
    digest
}

#[test]
fn an_index_without_the_wanted_platform_lists_what_it_has() {
    let world = World::with_script("true");
    let layout = Base::of(&world).repository("example.test/run/1");
    wrap_in_index(&layout, "1");
    let run = format!("oci:{}:1", layout.display());
    let outcome = world.dhow(["inspect", &run, "--platform", "linux/s390x"]).run().exits(1);
    let outcome = outcome.says("linux/s390x").says("linux/mips64le");
    let again = format!("dhow inspect {run} --platform {}", dhow_oci::Platform::host());
    assert_eq!(outcome.error_and_hint().1, Some(again.as_str()));
}
