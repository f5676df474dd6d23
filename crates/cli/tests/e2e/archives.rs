//! Images in `oci-archive` files, and the names of images in layouts and archives.

use std::fs;

use crate::support::{World, stdout_of};

fn world() -> World {
    World::with_script("true")
}

#[test]
fn an_archive_keeps_its_other_images_and_each_can_be_a_previous_image() {
    let world = world();
    world.build("oci-archive:a.tar", "source", &[]).success();
    world.write("source/more", "x");
    world.build("oci-archive:a.tar:v2", "source", &[]).success();
    let digest = |image: &str| {
        let inspection = world.dhow(["inspect", image, "--format", "json"]).run().success().json();
        inspection["digest"].as_str().unwrap().to_owned()
    };
    let (first, second) = (digest("oci-archive:a.tar:latest"), digest("oci-archive:a.tar:v2"));
    assert_ne!(first, second);
    world.dhow(["run", "oci-archive:a.tar:latest", "--", "true"]).run().success();
    world.write("source/more", "y");
    world.build("oci-archive:a.tar:v2", "source", &[]).success();
    assert_eq!(digest("oci-archive:a.tar:latest"), first);
    assert_ne!(digest("oci-archive:a.tar:v2"), second);
    let outcome = world.build("oci:b", "source", &["--previous-image", "oci-archive:a.tar:v2"]).success();
    outcome.does_not_say("not found").answers("reused, 0 packed");
    let outcome = world.dhow(["inspect", "oci-archive:a.tar:v3"]).run().exits(1);
    assert!(outcome.error_and_hint().1.unwrap().starts_with("dhow inspect oci-archive:a.tar:"));
}

#[test]
fn every_tag_of_a_build_is_there_and_in_the_report_in_one_notation() {
    let world = world();
    let built = |image: &str, tags: &[&str]| {
        let tags = tags.iter().flat_map(|tag| ["--tag", tag]);
        let further: Vec<&str> = tags.chain(["--report-output-dir", "out", "--format", "json"]).collect();
        let built = world.build(image, "source", &further).success().json();
        let report: toml::Table = fs::read_to_string(world.path("out/report.toml")).unwrap().parse().unwrap();
        let names: Vec<String> = report["image"]["tags"].clone().try_into().unwrap();
        assert_eq!(built["tags"], serde_json::json!(names));
        for name in &names {
            let found = world.dhow(["inspect", name, "--format", "json"]).run().success().json();
            assert_eq!(found["digest"], built["digest"], "{name}");
        }
        names
    };
    let further = ["v2", "oci:other", "oci-archive:more.tar:x", "example.test/team/app:7"];
    let words =
        ["oci-archive:a.tar", "oci-archive:a.tar:v2", "oci:other", "oci-archive:more.tar:x", "example.test/team/app:7"];
    assert_eq!(built("oci-archive:a.tar", &further), words);
    let index = stdout_of(&world, "tar", &["xOf", "a.tar", "index.json"]);
    assert_eq!(index.matches("org.opencontainers.image.ref.name").count(), 2, "{index}");
    assert_eq!(built("oci:b:v1", &["v2", "oci-archive:a.tar:v3"]), ["oci:b:v1", "oci:b:v2", "oci-archive:a.tar:v3"]);
    let index = stdout_of(&world, "tar", &["xOf", "a.tar", "index.json"]);
    assert_eq!(index.matches("org.opencontainers.image.ref.name").count(), 3, "{index}");
}

#[test]
fn a_file_that_is_no_archive_is_not_overwritten() {
    let world = world();
    world.write("letter", "dear");
    let outcome = world.build("oci-archive:letter", "source", &[]).exits(1).does_not_say("BUILDING");
    assert!(outcome.error_and_hint().0.contains("letter"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(world.path("letter")).unwrap(), "dear");
}

#[test]
fn nothing_is_written_to_a_digest_and_answers_can_be_read_again() {
    let world = world();
    let answer = world.build("oci:app:v2", "source", &["--quiet"]).success().stdout;
    assert!(answer.starts_with("oci:app@sha256:"), "{answer}");
    world.dhow(["inspect", answer.trim()]).run().success();
    let outcome = world.build(answer.trim(), "source", &[]).exits(1).does_not_say("PREPARING");
    assert!(outcome.error_and_hint().0.contains("nothing can be written to a digest"), "{}", outcome.stderr);
}

#[test]
fn an_entry_with_any_name_that_other_tools_write_is_named_in_one_notation() {
    let world = world();
    world.build("oci:app", "source", &["--tag", "oci:app:docker.io/library/x:1"]).success();
    let names = ["centos:8.3", "app/org.x/y", "docker.io/library/y:1", "docker.io/library/x:1"];
    for name in &names[..3] {
        stdout_of(&world, "skopeo", &["copy", "--quiet", "oci:app:docker.io/library/x:1", &format!("oci:app:{name}")]);
    }
    let copy = ["copy", "--quiet", "--preserve-digests", "oci:app:centos:8.3", "oci-archive:a.tar:app/org.x/y"];
    stdout_of(&world, "skopeo", &copy);
    world.write("source/more", "x");
    world.build("oci:app:app/org.x/y", "source", &[]).success();
    let digest = |image: &str| {
        let inspection = world.dhow(["inspect", image, "--format", "json"]).run().success().json();
        inspection["digest"].as_str().unwrap().to_owned()
    };
    let latest = digest("oci:app");
    for name in names {
        assert_eq!(digest(&format!("oci:app:{name}")) == latest, name != "app/org.x/y", "{name}");
        stdout_of(&world, "skopeo", &["inspect", &format!("oci:app:{name}")]);
    }
    assert_eq!(digest("oci-archive:a.tar:app/org.x/y"), latest);
    let outcome = world.dhow(["inspect", "oci:app:centos:8"]).run().exits(1);
    assert_eq!(outcome.error_and_hint().1, Some("dhow inspect oci:app:app/org.x/y"));
}

#[test]
fn a_directory_with_a_colon_is_a_path_if_it_is_there() {
    let world = world();
    fs::create_dir_all(world.path("host:5000/team")).unwrap();
    world.build("oci:host:5000/team/app:v1", "source", &[]).success();
    assert!(world.path("host:5000/team/app/index.json").exists());
    assert!(!world.path("host").exists());
    world.dhow(["inspect", "oci:host:5000/team/app"]).run().success();
    world.dhow(["layout", "check", "oci:host:5000/team/app"]).run().success();
}
