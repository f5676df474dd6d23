//! What bad input gets: an exit code, an error that names its subject, a hint, and nothing lost.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Base, Image, Layer, Media, Outcome, World, blobs, is_root, write_image};

/// Asserts exit code, the error's first line, and what the hint begins with.
#[track_caller]
fn assert_fails(outcome: Outcome, code: i32, error: &str, hint: Option<&str>) -> Outcome {
    let outcome = outcome.exits(code);
    assert_eq!(outcome.stdout, "");
    let (said, advice) = outcome.error_and_hint();
    assert!(said.contains(error), "expected `{error}` in `{said}`");
    match hint {
        Some(hint) => assert!(advice.is_some_and(|advice| advice.contains(hint)), "expected `{hint}` in {advice:?}"),
        None => assert_eq!(advice, None),
    }
    outcome
}

#[test]
fn an_unknown_builder_is_named_with_the_path_looked_at() {
    let world = World::with_script("true");
    let outcome = world.dhow(["build", "oci:app", "--path", "source", "--builder", "oci:no-builder"]).run();
    let make = "dhow builder create oci:no-builder --config builder.toml";
    assert_fails(outcome, 1, "cannot use builder oci:no-builder", Some(make)).says("no-builder");
    let outcome = world.dhow(["build", "oci:app", "--path", "source", "--builder", "example.test/no/builder"]).run();
    let fetch = "skopeo copy docker://example.test/no/builder:latest oci:";
    let outcome = assert_fails(outcome, 1, "cannot use builder example.test/no/builder", Some(fetch));
    outcome.says("layout-repo/example.test/no/builder/latest");
    assert!(!world.path("app").exists());
}

#[test]
fn an_image_that_is_no_builder_is_told_what_it_lacks() {
    let world = World::with_script("true");
    let run = format!("oci:{}", Base::of(&world).repository("example.test/run/1").display());
    let outcome = world.dhow(["build", "oci:app", "--path", "source", "--builder", &format!("{run}:1")]).run();
    assert_fails(outcome, 1, "is not a builder: it has no CNB_USER_ID", Some("dhow builder create"));
}

#[test]
fn when_no_group_takes_the_app_each_buildpack_gives_its_reason() {
    let world = World::with_script("true");
    fs::remove_file(world.path("source/build.sh")).unwrap();
    world.write("source/other", "x");
    let outcome = world.build("oci:app", "source", &["--verbose"]);
    let outcome = assert_fails(outcome, 20, "no group of buildpacks takes this app", None);
    let outcome = outcome.does_not_say("ERROR");
    outcome.says("tools: no web.txt").says("web: no web.txt").says("script: no build.sh");
    assert!(!world.path("app").exists());
}

#[test]
fn when_a_buildpack_fails_to_detect_the_exit_code_and_its_output_say_so() {
    let world = World::with_script("true");
    world.write("source/detect.sh", "echo detection went wrong; exit 7");
    let outcome = world.build("oci:app", "source", &[]);
    let error = "no group of buildpacks takes this app, and buildpack test/script@1.0 failed: exit status 7";
    let outcome = assert_fails(outcome, 21, error, Some("--verbose"));
    outcome.says("detection went wrong");
}

#[test]
fn when_a_buildpack_fails_to_build_its_output_is_shown_and_the_old_image_is_whole() {
    let world = World::with_script(
        "printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"echo\", \"old\"]\\ndefault = true\\n' >$CNB_LAYERS_DIR/launch.toml",
    );
    let old = world.build("oci:app", "source", &[]).success().digest();
    let before = blobs(world.path("app"));
    world.write("source/build.sh", "echo half >$CNB_LAYERS_DIR/x.toml; echo the reason; exit 3");
    let outcome = world.build("oci:app", "source", &[]);
    let error = "buildpack test/script@1.0 failed: exit status 3";
    let again = "dhow build oci:app --path source --builder oci:builder --verbose";
    assert_fails(outcome, 51, error, Some(again)).says("the reason").does_not_say("ERROR");
    assert_eq!(Image::read(world.path("app"), "latest").digest(), old);
    assert_eq!(blobs(world.path("app")), before);
    world.dhow(["run", "oci:app"]).run().success().answers("old\n");
    let fresh = world.build("oci:fresh", "source", &[]);
    assert_fails(fresh, 51, error, Some("dhow build oci:fresh"));
    assert!(!world.path("fresh").exists());
}

#[test]
fn a_missing_run_image_is_named_with_every_path_looked_at() {
    let world = World::with_script("true");
    let repository = Base::of(&world).repository("example.test/run/1");
    fs::remove_dir_all(&repository).unwrap();
    let outcome = world.build("oci:app", "source", &[]);
    let outcome =
        assert_fails(outcome, 1, "none of the builder's run images is in the layout repository", Some("dhow import"));
    outcome.says(repository.to_str().unwrap());
    let outcome = world.build("oci:app", "source", &["--run-image", "oci:absent"]);
    assert_fails(outcome, 1, "cannot use run image oci:absent", Some("dhow import rootfs.tar oci:absent"));
}

#[test]
fn a_platform_that_is_not_this_machines_is_refused_before_anything_is_done() {
    let world = World::with_script("true");
    let host = dhow_oci::Platform::host();
    for (platform, builder) in [("linux/s390x", "oci:builder"), ("windows/amd64", "embedded")] {
        let builder: &[&str] = if builder == "embedded" { &[] } else { &["--builder", builder] };
        let outcome = world.dhow(["build", "oci:app", "--path", "source", "--platform", platform]).args(builder).run();
        let error = format!("cannot build for {platform}: programs are built for this machine, which is {host}");
        assert_fails(outcome, 1, &error, Some(&format!("--platform {host}")));
    }
    assert!(!world.path("app").exists());
}

#[test]
fn an_archive_in_no_directory_is_refused_before_the_build() {
    let world = World::with_script("touch built");
    for (image, further) in [("oci-archive:none/x.tar", None), ("oci:app", Some("oci-archive:none/x.tar"))] {
        let tags: Vec<&str> = further.iter().flat_map(|tag| ["--tag", tag]).collect();
        let outcome = world.build(image, "source", &tags);
        let hint = format!("mkdir -p {}", world.path("none").display());
        assert_fails(outcome, 1, "cannot write the archive none/x.tar: there is no directory", Some(&hint))
            .does_not_say("BUILDING");
    }
    assert!(!world.path("app").exists());
}

#[test]
fn an_image_does_not_take_the_place_of_its_builder_or_run_image() {
    let world = World::with_script("true");
    let builder = world.path("builder/index.json");
    let before = fs::read(&builder).unwrap();
    let outcome = world.build("oci:builder", "source", &[]);
    assert_fails(outcome, 1, "the image would replace the build's own builder", Some("dhow build oci:app"));
    let outcome = world.build("oci:app", "source", &["--tag", "oci:builder"]);
    assert_fails(outcome, 1, "the image would replace the build's own builder", Some("dhow build oci:app"));
    assert!(fs::read(&builder).unwrap() == before);
    // Another tag of the same layout is another image.
    world.build("oci:builder:app", "source", &[]).success();
    let outcome = world.build("oci:builder:app", "source", &["--run-image", "oci:builder:app"]);
    assert_fails(outcome, 1, "the image would replace the build's own run image", Some("dhow build oci:app"));
}

#[test]
fn a_blob_of_the_builder_that_was_changed_is_named() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 3] = [
        ("flipped", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("appended to", |bytes| bytes.push(0)),
    ];
    for (what, harm) in harms {
        let world = World::with_script("true");
        let image = Image::read(world.path("builder"), "latest");
        let digest = image.layers()[1].clone();
        let path = world.path("builder/blobs").join(digest.replace(':', "/"));
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let outcome = world.build("oci:app", "source", &[]).exits(1);
        assert!(outcome.stderr.contains(&digest), "{what}: no {digest} in\n{}", outcome.stderr);
        assert!(!world.path("app").exists(), "{what}");
        let check = world.dhow(["layout", "check", "builder"]).run().exits(1);
        assert!(check.stdout.contains(&digest), "{what}: {}", check.stdout);
    }
}

/// The first layer of the run image: its digest and its file.
fn layer_of_the_run_image(world: &World) -> (String, PathBuf) {
    let repository = Base::of(world).repository("example.test/run/1");
    let digest = Image::read(&repository, "1").layers()[0].clone();
    let path = repository.join("blobs").join(digest.replace(':', "/"));
    (digest, path)
}

#[test]
fn a_layer_of_the_run_image_with_a_bit_flipped_never_becomes_part_of_a_full_image() {
    let world = World::with_script("true");
    let (digest, path) = layer_of_the_run_image(&world);
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let outcome = world.build("oci:app", "source", &[]);
    let outcome = assert_fails(outcome, 62, "failed to export", Some("dhow layout check "));
    let found = crate::support::sha256(&bytes);
    outcome.says(&format!("blob {digest} at {} is corrupt: its bytes have the digest {found}", path.display()));
    assert!(!world.path("app").exists());
    world.build("oci:sparse", "source", &["--sparse"]).success();
    fs::write(&path, &whole).unwrap();
    world.build("oci:app", "source", &[]).success();
    let check = world.dhow(["layout", "check", "app"]).run().success();
    check.answers("app: nothing is wrong\n");
}

#[test]
fn a_layer_of_the_run_image_that_a_look_finds_damaged_fails_before_any_buildpack_runs() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("truncated", |path| fs::write(path, "short").unwrap()),
        ("appended to", |path| fs::write(path, [fs::read(path).unwrap(), vec![0]].concat()).unwrap()),
        ("a link", |path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("moved"), path).unwrap();
        }),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let world = World::with_script("true");
        let (digest, path) = layer_of_the_run_image(&world);
        harm(&path);
        let outcome = world.build("oci:app", "source", &[]).exits(32).does_not_say("DETECTING");
        assert!(outcome.stderr.contains(&digest), "{what}: {}", outcome.stderr);
        assert!(outcome.error_and_hint().1.is_some_and(|hint| hint.starts_with("dhow layout check /")), "{what}");
        assert!(!world.path("app").exists(), "{what}");
    }
    let world = World::with_script("true");
    fs::remove_file(layer_of_the_run_image(&world).1).unwrap();
    world.build("oci:app", "source", &[]).success().says("the image is sparse");
}

#[test]
fn an_absent_app_is_named() {
    let world = World::with_script("true");
    let outcome = world.build("oci:app", "absent", &[]).exits(1);
    assert!(outcome.stderr.contains("absent"), "{}", outcome.stderr);
    world.write("text", "neither directory nor zip");
    let outcome = world.build("oci:app", "text", &[]).exits(1);
    assert!(outcome.error_and_hint().0.contains("text"), "{}", outcome.stderr);
}

#[test]
fn an_output_that_cannot_be_written_fails_before_anything_is_built() {
    let world = World::with_script("echo building");
    world.write("file", "in the way");
    let outcome = world.build("oci:file", "source", &[]).does_not_say("BUILDING");
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("file"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(world.path("file")).unwrap(), "in the way");
    if !is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir(world.path("closed")).unwrap();
        fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
        let outcome = world.build("oci:closed/app", "source", &[]).does_not_say("BUILDING");
        assert_ne!(outcome.code, Some(0));
        assert!(outcome.error_and_hint().1.is_some_and(|hint| hint.contains("ls -ld")), "{}", outcome.stderr);
    }
}

#[test]
fn a_directory_that_is_no_layout_is_left_alone() {
    let world = World::with_script("true");
    world.write("documents/letter", "dear");
    let outcome = world.build("oci:documents", "source", &[]).does_not_say("BUILDING");
    assert_ne!(outcome.code, Some(0));
    let names: Vec<_> =
        fs::read_dir(world.path("documents")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["letter"]);
}

#[test]
fn an_unknown_process_type_lists_those_there_are() {
    let world = World::with_script(
        "printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"true\"]\\n' >$CNB_LAYERS_DIR/launch.toml",
    );
    let outcome = world.build("oci:app", "source", &["--default-process", "nope"]).exits(62);
    assert!(outcome.stderr.contains("nope") && outcome.stderr.contains("web"), "{}", outcome.stderr);
    assert!(!world.path("app").exists());
    world.build("oci:app", "source", &[]).success();
    let outcome = world.dhow(["run", "oci:app", "nope"]).run();
    assert_fails(outcome, 1, "the image has no process `nope`; it has web", Some("dhow inspect oci:app"));
}

#[test]
fn an_unknown_buildpack_lists_those_of_the_builder() {
    let world = World::with_script("true");
    let outcome = world.build("oci:app", "source", &["--buildpack", "test/nope"]);
    let error = "builder oci:builder has no buildpack test/nope, and there is no such directory with a \
                 buildpack.toml; it has test/script@1.0, test/tools@1.0, test/web@1.0";
    assert_fails(outcome, 1, error, Some("--buildpack test/script@1.0"));
    let outcome = world.build("oci:app", "source", &["--buildpack", "test/web@9"]);
    assert_fails(outcome, 1, "has no buildpack test/web@9", Some("--buildpack test/web@1.0"));
}

#[test]
fn malformed_flags_are_refused_before_anything_is_done() {
    let world = World::with_script("true");
    let table: [(&[&str], i32, &str); 12] = [
        (&["--creation-time", "yesterday"], 2, "yesterday"),
        (&["--network", "bridge"], 2, "bridge"),
        (&["--uid", "me"], 2, "me"),
        (&["--uid", "0"], 2, "buildpacks never run as root"),
        (&["--gid", "4294967295"], 2, "4294967294"),
        (&["--tag", "a b"], 1, "a b"),
        (&["--buildpack", "x.cnb"], 1, "packed buildpacks are not supported yet"),
        (&["--workspace", "relative"], 1, "relative"),
        (&["--workspace", "/cnb/x"], 1, "/cnb/x"),
        (&["--volume", "/only-source"], 1, "/only-source"),
        (&["--env", "=x"], 1, "=x"),
        (&["--cache", "type=volume;name=x"], 1, "type=volume"),
    ];
    for (flags, code, subject) in table {
        let outcome = world.build("oci:app", "source", flags);
        assert_eq!(outcome.code, Some(code), "{flags:?}\n{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("error: ") && outcome.stderr.contains(subject),
            "{flags:?}\n{}",
            outcome.stderr
        );
        assert!(!world.path("app").exists(), "{flags:?}");
    }
    for image in ["oci:", "oci:x:bad tag", "UPPER/Case", "docker://x"] {
        let outcome = world.build(image, "source", &[]);
        assert!(outcome.code.is_some_and(|code| code != 0), "{image}");
        assert!(outcome.stderr.contains("error: "), "{image}: {}", outcome.stderr);
    }
}

#[test]
fn a_previous_image_that_is_not_there_is_named_and_nothing_is_reused() {
    let world = World::with_script("true");
    let outcome = world.build("oci:app", "source", &["--previous-image", "oci:absent"]);
    let outcome = outcome.success().says("Image with name \"oci:absent\" not found").answers("layers   0 reused");
    outcome.says("warning: previous image oci:absent is not there");
    let outcome = world.build("oci:other", "source", &["--previous-image", "oci:absent", "--quiet"]).success();
    assert_eq!(outcome.stderr, "warning: previous image oci:absent is not there, so nothing of it is reused\n");
}

#[test]
fn a_damaged_output_layout_is_named_and_not_overwritten() {
    let world = World::with_script("true");
    world.build("oci:app", "source", &[]).success();
    fs::write(world.path("app/index.json"), "{ not json").unwrap();
    let outcome = world.build("oci:app", "source", &[]).does_not_say("BUILDING");
    let outcome = assert_fails(outcome, 1, "cannot write the image to app", Some("dhow layout check app"));
    outcome.says("index.json");
    assert_eq!(fs::read_to_string(world.path("app/index.json")).unwrap(), "{ not json");
}

#[test]
fn an_index_with_two_images_asks_which() {
    let world = World::with_script("true");
    world.build("oci:app:one", "source", &[]).success();
    world.write("source/other", "x");
    world.build("oci:app:two", "source", &[]).success();
    let outcome = world.dhow(["inspect", "oci:app:three"]).run();
    let outcome = assert_fails(outcome, 1, "", Some("dhow inspect oci:app:one"));
    outcome.says("one").says("two");
}

#[test]
fn a_layer_that_is_no_tar_is_a_failure_with_its_digest() {
    let world = World::with_script("true");
    let layer = Layer { tar: b"this is no tar, however long the text is".repeat(50) };
    let config = serde_json::json!({ "Env": ["CNB_USER_ID=1000", "CNB_GROUP_ID=1000"] });
    write_image(&world.path("broken"), "latest", &[layer], &config, &serde_json::json!({}), Media::Oci);
    let outcome = world.dhow(["build", "oci:app", "--path", "source", "--builder", "oci:broken"]).run().exits(1);
    assert!(outcome.stderr.contains("sha256:"), "{}", outcome.stderr);
}

#[test]
fn an_import_that_is_refused_leaves_nothing_and_an_image_that_was_there() {
    let world = World::with_script("true");
    world.write("text", "this is no tar");
    fs::write(world.path("root.tar"), Base::of(&world).busybox().tar).unwrap();
    world.dhow(["import", "text", "oci:new/one"]).run().exits(1);
    world
        .dhow(["import", "root.tar", "oci:new/one:-bad"])
        .run()
        .exits(1)
        .says("`-bad` cannot name an image in a layout");
    assert!(!world.path("new").exists());
    world.dhow(["import", "root.tar", "oci:new/one"]).run().success();
    let before = Image::read(world.path("new/one"), "latest").digest().to_owned();
    world.dhow(["import", "text", "oci:new/one"]).run().exits(1);
    assert_eq!(Image::read(world.path("new/one"), "latest").digest(), before);
}

#[test]
fn a_full_disk_names_the_layout_and_the_old_image_is_whole() {
    if !is_root() {
        eprintln!("only root can mount a small file system to be filled");
        return;
    }
    let world = World::with_script("yes $SIZE | head -c 100 >data");
    fs::create_dir(world.path("small")).unwrap();
    // A mount namespace of its own: nothing is left of the file system afterwards.
    let script = "mount -t tmpfs -o size=4m none small && \"$@\" && old=$(cat small/app/index.json) && \
                  head -c 3500000 /dev/urandom >source/big && { \"$@\"; code=$?; } ; \
                  test \"$old\" = \"$(cat small/app/index.json)\" && echo the old image is whole; exit $code";
    let build = world.build_command("oci:small/app", "source", &["--env", "SIZE=1", "--quiet"]);
    let arguments = ["--mount", "--", "sh", "-c", script, "sh"];
    let outcome = build.through(&crate::support::tool("unshare"), &arguments).run();
    assert!(outcome.code.is_some_and(|code| code != 0), "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.ends_with("the old image is whole\n"), "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("cannot write small/app/blobs"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("No space left on device"), "{}", outcome.stderr);
    assert_eq!(outcome.error_and_hint().1, Some("df -h small/app"), "{}", outcome.stderr);
}

#[test]
fn a_full_cache_names_the_cache_and_not_the_source() {
    if !is_root() {
        eprintln!("only root can mount a small file system to be filled");
        return;
    }
    let world = World::with_script("true");
    fs::write(world.path("source/big"), vec![7; 6_000_000]).unwrap();
    fs::create_dir(world.path("small")).unwrap();
    let script = "mount -t tmpfs -o size=4m none small && exec \"$@\"";
    let build = world.build_command("oci:app", "source", &["--cache", "type=build;format=bind;source=small"]);
    let arguments = ["--mount", "--", "sh", "-c", script, "sh"];
    let outcome = build.through(&crate::support::tool("unshare"), &arguments).run().exits(1);
    let (error, hint) = outcome.error_and_hint();
    assert!(error.contains("cannot write the workspace"), "{error}");
    assert!(!outcome.stderr.contains("cannot read the app's source"), "{}", outcome.stderr);
    assert!(hint.is_some_and(|hint| hint.starts_with("df -h ") && hint.contains("small")), "{hint:?}");
    assert!(!world.path("app").exists());
}
