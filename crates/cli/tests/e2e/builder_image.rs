//! A builder image with buildpacks that use what the Buildpack API gives them.

use crate::support::{Base, Image, World};

const IMAGE: &str = "oci:app";

fn built() -> World {
    let world = World::new();
    Base::with_builder(&world);
    world.write("source/web.txt", "web");
    world.write("source/static/style.css", "body {}");
    world.build(IMAGE, "source", &["--env", "GREETING=hello"]).success();
    world
}

#[test]
fn a_later_buildpack_sees_programs_and_build_environment_of_an_earlier_one() {
    let world = World::new();
    Base::with_builder(&world);
    world.write("source/web.txt", "web");
    world
        .build(IMAGE, "source", &["--env", "GREETING=hello"])
        .success()
        .says("greeting: from the build")
        .says("web: scope=everywhere build=in-build launch=unset")
        .says("web: compiler=compiler")
        .says("web: GREETING=hello OTHER=unset INHERITED=unset")
        .says("web: user=1000:1000 workspace=/workspace")
        .answers("Successfully built image oci:app\n");
}

#[test]
fn the_summary_ends_with_the_line_that_users_of_pack_know() {
    let world = World::new();
    Base::with_builder(&world);
    world.write("source/web.txt", "web");
    let outcome = world.build(IMAGE, "source", &[]).success();
    assert_eq!(outcome.stdout.lines().last(), Some("Successfully built image oci:app"));
    let phases = ["ANALYZING", "DETECTING", "RESTORING", "BUILDING", "EXPORTING"];
    let places = phases.map(|phase| outcome.stderr.find(&format!("===> {phase}\n")).unwrap());
    assert!(places.is_sorted(), "{}", outcome.stderr);
}

#[test]
fn processes_of_the_image_run_with_launch_environment_exec_d_and_working_directory() {
    let world = built();
    world.dhow(["run", IMAGE]).run().success().answers("greeting: web default\n");
    let worker = world.dhow(["run", IMAGE, "worker"]).run().success();
    for line in [
        "TOOLS_SCOPE=everywhere",
        "TOOLS_LAUNCH=in-launch",
        "TOOLS_WORKER=in-worker",
        "TOOLS_EXECD=from exec.d",
        "OF_THE_BASE=yes",
    ] {
        assert!(worker.stdout.lines().any(|found| found == line), "no {line} in\n{}", worker.stdout);
    }
    assert!(!worker.stdout.contains("TOOLS_BUILD") && !worker.stdout.contains("GREETING"), "{}", worker.stdout);
    world.dhow(["run", IMAGE, "elsewhere"]).run().success().answers("/tmp\n");
}

#[test]
fn labels_say_what_made_the_image() {
    let world = built();
    let image = Image::read(world.path("app"), "latest");
    assert_eq!(image.label("dev.dhow.test"), "a label");
    assert_eq!(image.label("org.example.of-the-base"), "yes");
    let build = image.json_label("io.buildpacks.build.metadata");
    let ids: Vec<&str> = build["buildpacks"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["test/tools", "test/web"]);
    let types: Vec<&str> =
        build["processes"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["elsewhere", "web", "worker"]);
    let lifecycle = image.json_label("io.buildpacks.lifecycle.metadata");
    let tools = &lifecycle["buildpacks"][0];
    assert_eq!(tools["key"], "test/tools");
    assert_eq!(tools["layers"]["runtime"]["data"]["release"], "7");
    assert_eq!(tools["layers"]["runtime"]["launch"], true);
    assert!(tools["layers"].get("compiler").is_none(), "{tools:#}");
    assert_eq!(tools["store"]["metadata"]["builds"], "1");
    assert_eq!(lifecycle["runImage"]["image"], "example.test/run:1");
}

#[test]
fn layers_hold_launch_layers_sbom_app_slices_launcher_and_processes_but_no_build_layer() {
    let world = built();
    let image = Image::read(world.path("app"), "latest");
    let files = image.files();
    for path in [
        "/layers/test_tools/runtime/bin/greet",
        "/layers/sbom/launch/test_tools/sbom.cdx.json",
        "/layers/sbom/launch/test_tools/runtime/sbom.cdx.json",
        "/layers/config/metadata.toml",
        "/cnb/lifecycle/launcher",
        "/cnb/process/web",
        "/workspace/web.txt",
    ] {
        assert!(files.contains_key(path), "no {path} in {:#?}", files.keys());
    }
    assert!(!files.keys().any(|path| path.contains("compiler") || path.contains("spdx")), "{:#?}", files.keys());
    assert_ne!(files["/workspace/static/style.css"], files["/workspace/web.txt"], "a slice is a layer of its own");
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/cnb/process/web"]));
    assert_eq!(image.config["config"]["WorkingDir"], "/workspace");
    assert_eq!(image.config["created"], "1980-01-01T00:00:01Z");
}

#[test]
fn the_store_is_there_in_the_next_build() {
    let world = built();
    world.build(IMAGE, "source", &[]).success().says("tools: built 1 times before");
    let image = Image::read(world.path("app"), "latest");
    let lifecycle = image.json_label("io.buildpacks.lifecycle.metadata");
    assert_eq!(lifecycle["buildpacks"][0]["store"]["metadata"]["builds"], "2");
}

#[test]
fn inspect_tells_base_buildpacks_processes_layers_and_labels() {
    let world = built();
    let inspection = world.dhow(["inspect", IMAGE, "--format", "json"]).run().success().json();
    let image = Image::read(world.path("app"), "latest");
    assert_eq!(inspection["digest"], image.digest());
    assert_eq!(inspection["completeness"], "full");
    assert_eq!(inspection["buildpacks"][0]["id"], "test/tools");
    assert_eq!(inspection["layers"].as_array().unwrap().len(), image.layers().len());
    assert_eq!(inspection["labels"]["dev.dhow.test"], "a label");
    assert_eq!(inspection["base"]["name"], "example.test/run:1");
    let text = world.dhow(["inspect", IMAGE]).run().success();
    for expected in
        ["test/tools", "web       (default)", "(full)", "Buildpacks Application Launcher", "dev.dhow.test=a label"]
    {
        assert!(text.stdout.contains(expected), "no {expected} in\n{}", text.stdout);
    }
}
