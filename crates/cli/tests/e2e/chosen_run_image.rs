//! `dhow build --run-image`: what the image says of its base, and what a base must be for a build.

use std::fs;

use crate::support::{Base, Image, Media, World, stdout_of};

/// A world with the usual builder, and with another run image, of the builder's files and this name.
fn world_with(other: &str, script: &str) -> World {
    let world = World::with_script(script);
    let base = Base::of(&world);
    let (name, tag) = other.rsplit_once(':').unwrap();
    base.write_run_image(&base.repository(&format!("{name}/{tag}")), tag, &[base.busybox()], Media::Docker);
    world
}

#[test]
fn the_label_names_the_run_image_that_was_used() {
    let world = world_with("example.test/other:1", "true\n");
    let named = |image: &str| Image::read(world.path(image), "latest").json_label("io.buildpacks.lifecycle.metadata");
    world.build("oci:of-builder", "source", &[]).success();
    assert_eq!(named("of-builder")["runImage"]["image"], "example.test/run:1");
    world.build("oci:of-user", "source", &["--run-image", "example.test/other:1"]).success();
    let label = named("of-user");
    assert_eq!(label["runImage"]["image"], "example.test/other:1");
    assert_ne!(label["runImage"]["reference"], named("of-builder")["runImage"]["reference"]);
    world.build("oci:same", "source", &["--run-image", "example.test/run:1"]).success();
    assert_eq!(named("same"), named("of-builder"));
    // The embedded builder names no run image of its own.
    fs::copy(crate::support::tool("busybox"), world.path("source/busybox")).unwrap();
    world.write("source/Procfile", "web: ./busybox true\n");
    let flags = ["build", "oci:embedded", "--path", "source", "--run-image", "example.test/other:1"];
    world.dhow(flags).run().success();
    assert_eq!(named("embedded")["runImage"]["image"], "example.test/other:1");
}

#[test]
fn a_run_image_or_builder_for_another_machine_is_refused() {
    let world = world_with("example.test/other:1", "true\n");
    let other = if dhow_oci::Platform::host().architecture == "arm64" { "amd64" } else { "arm64" };
    let copy = |from: &str, to: &str| {
        stdout_of(&world, "skopeo", &["copy", "--quiet", &format!("oci:{from}"), &format!("oci:{to}:latest")]);
        stdout_of(&world, "umoci", &["config", "--image", &format!("{to}:latest"), "--architecture", other]);
        // What stands beside the name may be of an older image; the image's own word counts.
        let index = world.path(to).join("index.json");
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
        let stale = dhow_oci::Platform::host();
        document["manifests"][0]["platform"] =
            serde_json::json!({ "architecture": stale.architecture, "os": stale.os });
        fs::write(index, document.to_string()).unwrap();
    };
    let run = Base::of(&world).repository("example.test/run/1");
    copy(&format!("{}:1", run.display()), "foreign-run");
    copy("builder:latest", "foreign-builder");
    let outcome = world.build("oci:app", "source", &["--run-image", "oci:foreign-run"]).exits(1);
    let (error, hint) = outcome.error_and_hint();
    let host = dhow_oci::Platform::host();
    let expected = format!("run image oci:foreign-run is for linux/{other}, and the build is for {host}");
    assert_eq!(error, expected);
    assert!(hint.is_some_and(|hint| hint.contains(&host.to_string())), "{hint:?}");
    let builder = ["build", "oci:app", "--path", "source", "--builder", "oci:foreign-builder"];
    world.dhow(builder).run().exits(1).says(&format!("builder oci:foreign-builder is for linux/{other}"));
    assert!(!world.path("app").exists());
}

#[test]
fn a_process_whose_program_the_image_lacks_is_warned_of() {
    let world = world_with(
        "example.test/other:1",
        r##"
cp build.sh run && printf '#!/usr/bin/python\n' >run && chmod 755 run
cat >"$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "there"
command = ["sh", "-c", "echo there"]
default = true
[[processes]]
type = "absent"
command = ["python", "app.py"]
[[processes]]
type = "script"
command = ["./run"]
END
"##,
    );
    for (image, flags) in [("oci:app", &[] as &[&str]), ("oci:other", &["--run-image", "example.test/other:1"])] {
        let outcome = world.build(image, "source", flags).success();
        let warned: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("cannot start")).collect();
        let expected = [
            "warning: process absent cannot start: the image has no python",
            "warning: process script cannot start: ./run is a script for /usr/bin/python, which the image does not have",
        ];
        assert_eq!(warned, expected, "{}", outcome.stderr);
        world.dhow(["run", image]).run().success().answers("there\n");
    }
}
