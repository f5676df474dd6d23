//! Images in `oci-archive` files.

use std::fs;

use crate::support::World;

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
