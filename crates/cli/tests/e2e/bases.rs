//! `dhow import` and `dhow builder create`: from a root file system to a builder, with dhow alone; then
//! `dhow rebase` and `dhow sbom download` on what it builds.

use std::fs;

use serde_json::json;

use crate::support::{Base, Image, Media, World, blobs, fixture, stdout_of};

const BUILDER: &str = r#"
description = "for tests"

[build]
image = "example.test/build:1"

[[run.images]]
image = "example.test/run:1"

[[buildpacks]]
uri = "tools"

[[buildpacks]]
uri = "web"

[[order]]
[[order.group]]
id = "test/tools"
[[order.group]]
id = "test/web"
"#;

/// Imports the busybox root file system as build and run image, and makes a builder of them.
fn world() -> World {
    let world = World::new();
    fs::write(world.path("rootfs.tar"), &Base::of(&world).busybox().tar).unwrap();
    let users =
        ["--env", "CNB_USER_ID=1000", "--env", "CNB_GROUP_ID=1000", "--env", "PATH=/bin", "--user", "1000:1000"];
    for name in ["example.test/build:1", "example.test/run:1"] {
        world.dhow(["import", "rootfs.tar", name]).args(users).run().success();
    }
    world.write("authoring/builder.toml", BUILDER);
    for name in ["tools", "web"] {
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg(fixture("buildpacks").join(name))
            .arg(world.path("authoring"))
            .status()
            .unwrap();
        assert!(status.success());
    }
    world.dhow(["builder", "create", "oci:builder", "--config", "authoring/builder.toml"]).run().success();
    world.write("source/web.txt", "web");
    world
}

#[test]
fn an_imported_base_is_the_same_however_the_tar_is_compressed() {
    let world = World::new();
    fs::write(world.path("rootfs.tar"), &Base::of(&world).busybox().tar).unwrap();
    stdout_of(&world, "gzip", &["-k", "rootfs.tar"]);
    stdout_of(&world, "zstd", &["-q", "-k", "rootfs.tar"]);
    let mut digests = Vec::new();
    for tar in ["rootfs.tar", "rootfs.tar.gz", "rootfs.tar.zst"] {
        let image = format!("oci:from-{tar}:latest");
        let flags = ["--label", "a=b", "--env", "X=y", "--user", "1000:1000", "--name", "example.test/base:12"];
        world.dhow(["import", tar, &image]).args(flags).run().success();
        let image = Image::read(world.path(format!("from-{tar}")), "latest");
        assert_eq!(image.config["config"]["User"], "1000:1000");
        assert!(image.config["config"]["Env"].as_array().unwrap().contains(&json!("X=y")));
        assert_eq!(image.label("a"), "b");
        assert_eq!(image.label("io.buildpacks.base.distro.name"), "busybox");
        world.dhow(["layout", "check", &format!("from-{tar}")]).run().success();
        digests.push(image.digest().to_owned());
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn a_user_that_a_base_does_not_know_is_refused_by_name_and_told_by_id() {
    let world = World::new();
    fs::write(world.path("rootfs.tar"), &Base::of(&world).busybox().tar).unwrap();
    let import = |user: &str| world.dhow(["import", "rootfs.tar", "oci:base", "--user", user]).run();
    for (user, missing) in
        [("nosuch", "user `nosuch` is not in the image's /etc/passwd"), ("cnb:nosuch", "group `nosuch`")]
    {
        let outcome = import(user).exits(1).says(missing);
        assert!(outcome.error_and_hint().0.contains(user), "{}", outcome.stderr);
        assert!(!world.path("base").exists());
    }
    for known in ["cnb", "1000", "cnb:1000", "1000:77", "root", "0"] {
        import(known).success().does_not_say("passwd");
    }
    import("1234:77").success().says("add the line `cnb:x:1234:77::/home/cnb:/bin/sh`");
}

#[test]
fn a_builder_made_by_dhow_builds_an_app_that_runs() {
    let world = world();
    world.dhow(["layout", "check", "builder"]).run().success();
    world.build("oci:app", "source", &[]).success().says("greeting: from the build");
    world.dhow(["run", "oci:app"]).run().success().answers("greeting: web default\n");
    let image = Image::read(world.path("app"), "latest");
    let annotations = &image.manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], "example.test/run:1");
    assert!(!annotations.to_string().contains("build"), "{annotations:#}");
}

#[test]
fn inspect_shows_what_a_builder_brings_and_under_which_name_a_base_is_known() {
    let world = world();
    let outcome = world.dhow(["inspect", "oci:builder"]).run().success();
    let shown = "\nBuilder:\n  for tests\n  Run image: example.test/run:1\n  Order:\n    1. test/tools@1.0, test/web@1.0\n  \
                 Buildpacks:\n    test/tools  1.0\n    test/web    1.0\n";
    outcome.answers(shown);
    let run = world.dhow(["inspect", "example.test/run:1"]).run().success();
    run.answers("Name:      example.test/run:1\n");
}

#[test]
fn a_builder_says_in_its_labels_what_it_holds() {
    let world = world();
    let image = Image::read(world.path("builder"), "latest");
    let metadata = image.json_label("io.buildpacks.builder.metadata");
    assert_eq!(metadata["description"], "for tests");
    assert_eq!(metadata["buildpacks"].as_array().unwrap().len(), 2);
    let layers = image.json_label("io.buildpacks.buildpack.layers");
    assert!(layers["test/tools"]["1.0"]["layerDiffID"].as_str().unwrap().starts_with("sha256:"), "{layers:#}");
    assert_eq!(image.json_label("io.buildpacks.buildpack.order")[0]["group"][1]["id"], "test/web");
    assert_eq!(image.label("io.buildpacks.extension.layers"), "{}");
    assert_eq!(image.label("io.buildpacks.buildpack.order-extensions"), "null");
    let files = image.files();
    for path in ["/cnb/order.toml", "/cnb/run.toml", "/cnb/lifecycle/", "/cnb/buildpacks/test_tools/1.0/bin/build"] {
        assert!(files.keys().any(|found| found.starts_with(path)), "no {path} in {:#?}", files.keys());
    }
}

#[test]
fn a_builder_is_the_same_twice() {
    let world = world();
    world.dhow(["builder", "create", "oci:again", "--config", "authoring/builder.toml"]).run().success();
    assert_eq!(blobs(world.path("again")), blobs(world.path("builder")));
}

#[test]
fn a_builder_description_that_is_wrong_says_what_is_missing() {
    let world = world();
    world.write("authoring/wrong.toml", "[build]\nimage = \"example.test/build:1\"\n");
    let outcome = world.dhow(["builder", "create", "oci:wrong", "--config", "authoring/wrong.toml"]).run();
    outcome.exits(1).says("run image");
    assert!(!world.path("wrong/index.json").exists());
}

#[test]
fn software_bills_of_materials_are_written_from_the_image() {
    let world = world();
    world.build("oci:app", "source", &[]).success();
    world.dhow(["sbom", "download", "oci:app", "--output-dir", "out"]).run().success();
    let output = stdout_of(&world, "find", &["out", "-name", "sbom.cdx.json"]);
    assert_eq!(output.lines().count(), 2, "{output}");
}

#[test]
fn a_rebased_app_runs_on_the_new_base_with_its_own_layers_unchanged() {
    let world = world();
    world.build("oci:app", "source", &[]).success();
    let before = Image::read(world.path("app"), "latest");
    world.write("trees/busybox/etc/patched", "yes\n");
    fs::write(world.path("new.tar"), &Base::of(&world).busybox().tar).unwrap();
    let flags = ["--env", "PATH=/bin", "--user", "1000:1000", "--name", "example.test/run:1"];
    world.dhow(["import", "new.tar", "oci:new-run"]).args(flags).run().success();
    world.dhow(["rebase", "oci:app", "--run-image", "oci:new-run"]).run().success();
    let after = Image::read(world.path("app"), "latest");
    assert_ne!(after.layers()[0], before.layers()[0]);
    assert_eq!(after.layers()[1..], before.layers()[1..]);
    let new = Image::read(world.path("new-run"), "latest");
    assert_eq!(after.manifest["annotations"]["org.opencontainers.image.base.digest"], new.digest());
    assert_eq!(world.dhow(["run", "oci:app", "--", "cat", "/etc/patched"]).run().success().stdout, "yes\n");
    world.dhow(["run", "oci:app"]).run().success().answers("greeting: web default\n");
    world.dhow(["layout", "check", "app"]).run().success();
}

#[test]
fn a_path_in_an_images_label_is_not_opened() {
    let world = world();
    let layers = [Base::of(&world).busybox()];
    Base::of(&world).write_run_image(&world.path("private"), "latest", &layers, Media::Oci);
    let label = json!({"runImage": {"topLayer": "", "image": "oci:private"}}).to_string();
    let flags = ["--label", &format!("io.buildpacks.lifecycle.metadata={label}")];
    world.dhow(["import", "rootfs.tar", "oci:hostile"]).args(flags).run().success();
    let outcome = world.dhow(["rebase", "oci:hostile"]).run().exits(1);
    // The text is a name, as any other, and leads into the layout repository.
    outcome.says("layout-repo/index.docker.io/library/oci/private");
}

#[test]
fn a_root_file_system_comes_through_a_pipe_too() {
    use std::process::Stdio;
    let world = World::new();
    world.write("tree/etc/name", "piped");
    crate::support::stdout_of(&world, "tar", &["-cf", "rootfs.tar", "-C", "tree", "."]);
    let of_file = world.dhow(["import", "rootfs.tar", "oci:file"]).run().success().stdout;
    let tar = std::fs::File::open(world.path("rootfs.tar")).unwrap();
    let of_pipe = world.dhow(["import", "-", "oci:pipe"]).run_with(Stdio::from(tar)).success().stdout;
    assert_eq!(of_pipe.replace("oci:pipe", "oci:file"), of_file);
}

#[test]
fn what_is_no_tar_is_called_what_it_is() {
    let world = World::new();
    world.write("rootfs.tar.xz", b"\xfd7zXZ\0junk");
    let outcome = world.dhow(["import", "rootfs.tar.xz", "oci:base"]).run().exits(1);
    let (error, hint) = outcome.error_and_hint();
    assert!(error.starts_with("rootfs.tar.xz is compressed by xz"), "{error}");
    assert_eq!(hint, Some("xz -dc rootfs.tar.xz | dhow import - oci:base"));
    world.write("text", "no tar\n".repeat(200));
    let outcome = world.dhow(["import", "text", "oci:base"]).run().exits(1);
    assert_eq!(outcome.error_and_hint().0, "text is neither a tar nor one compressed by gzip or zstd");
}
