//! What dhow says, word for word. A change of words shows here, and is accepted by `INSTA_UPDATE=always`.
//!
//! Digests are as they are: images of the same input have the same digest everywhere. Those of app images hold the launcher,
//! whose bytes depend on the compiler, so their digest is compared with the layout's own and then named.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Base, Image, Outcome, World, stdout_of};

/// Every command, as it is asked for help.
const COMMANDS: [&str; 19] = [
    "",
    "build",
    "run",
    "inspect",
    "rebase",
    "import",
    "builder",
    "builder create",
    "sbom",
    "sbom download",
    "layout",
    "layout check",
    "layout gc",
    "cache",
    "cache prune",
    "config",
    "version",
    "completion",
    "man",
];

/// Returns both streams with the world's path named, and what depends on the compiler or the clock.
fn told(world: &World, outcome: &Outcome, digests: &[(&str, &str)]) -> String {
    let code = outcome.code.map_or("a signal".to_owned(), |code| code.to_string());
    let mut text = format!("exit: {code}\n-- stdout\n{}-- stderr\n{}", outcome.stdout, outcome.stderr);
    text = text.replace(&*world.root().to_string_lossy(), "WORLD");
    for (digest, name) in digests {
        text = text.replace(digest, name);
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if line.starts_with("times ") {
            *line = "times    (as long as it took)".to_owned();
        }
        if line.starts_with("size ") {
            let layers = line.rsplit_once(" in ").unwrap().1;
            *line = format!("size     (with the launcher) in {layers}");
        }
    }
    lines.join("\n") + "\n"
}

/// Makes a root file system that is the same on every machine.
fn root_file_system(world: &World) {
    for (path, text, mode) in [
        ("etc/os-release", "ID=tiny\nVERSION_ID=\"1\"\n", 0o644),
        ("bin/tool", "#!/bin/sh\n", 0o755),
        ("etc/passwd", "", 0o600),
    ] {
        let file = world.write(format!("tree/{path}").as_str(), text);
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    for directory in ["tree", "tree/etc", "tree/bin"] {
        fs::set_permissions(world.path(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let owner = ["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--sort=name"];
    stdout_of(world, "tar", &[&owner[..], &["-cf", "rootfs.tar", "-C", "tree", "."]].concat());
}

#[test]
fn help() {
    let world = World::new();
    for command in COMMANDS {
        let words = command.split_whitespace().chain(["--help"]);
        let outcome = world.dhow(words).run().success();
        assert_eq!(outcome.stderr, "");
        insta::assert_snapshot!(format!("help {command}").trim().replace(' ', "-"), outcome.stdout);
    }
}

#[test]
fn a_base_image_from_import_to_gc() {
    let world = World::new();
    root_file_system(&world);
    let flags = ["--name", "example.org/tiny:1", "--user", "1000:1000", "--env", "PATH=/bin", "--label", "a=b"];
    let platform = ["--platform", "linux/amd64"];
    let import = world.dhow(["import", "rootfs.tar", "oci:tiny"]).args(flags).args(platform).run();
    insta::assert_snapshot!("import", told(&world, &import, &[]));
    for (name, arguments) in [
        ("inspect-text", &["inspect", "oci:tiny"][..]),
        ("inspect-json", &["inspect", "oci:tiny", "--format", "json"]),
        ("layout-check", &["layout", "check", "tiny"]),
        ("layout-gc", &["layout", "gc", "tiny"]),
    ] {
        insta::assert_snapshot!(name, told(&world, &world.dhow(arguments.iter().copied()).run(), &[]));
    }
    let layer = Image::read(world.path("tiny"), "latest").manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let blob = world.path("tiny/blobs").join(layer.replace(':', "/"));
    fs::write(blob, "damaged").unwrap();
    insta::assert_snapshot!("layout-check-damaged", told(&world, &world.dhow(["layout", "check", "tiny"]).run(), &[]));
}

const APP: &str = "mkdir -p $CNB_LAYERS_DIR/x\necho built >$CNB_LAYERS_DIR/x/file\n\
    printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml\n\
    printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"echo\"]\\ndefault = true\\n' >$CNB_LAYERS_DIR/launch.toml\necho building\n";

#[test]
fn an_app_image_from_build_to_rebase() {
    let world = World::new();
    let base = Base::with_builder(&world);
    world.script_app("source", APP);
    let run_image = Image::read(base.repository("example.test/run/1"), "1").digest().to_owned();
    for (name, flags) in [
        ("build-first", &[][..]),
        ("build-unchanged", &[]),
        ("build-sparse", &["--sparse"]),
        ("build-quiet", &["--quiet"]),
        ("build-verbose", &["--verbose"]),
    ] {
        let outcome = world.build("oci:app", "source", flags).success();
        let digest = Image::read(world.path("app"), "latest").digest().to_owned();
        assert!(outcome.stdout.contains(&digest), "{}", outcome.stdout);
        let digests = [(&*digest, "DIGEST-OF-THE-IMAGE"), (&*run_image, "DIGEST-OF-THE-RUN-IMAGE")];
        let text = told(&world, &outcome, &digests);
        // What a verbose build says of diffIDs and sizes depends on the launcher and on busybox, and of times on the clock.
        let varies = |line: &str| ["SHA: ", "Size: ", "Timer: "].iter().any(|word| line.contains(word));
        let text: Vec<&str> = text.lines().filter(|line| !varies(line)).collect();
        insta::assert_snapshot!(name, text.join("\n"));
    }
    let before = Image::read(world.path("app"), "latest").digest().to_owned();
    let rebased = world.dhow(["rebase", "oci:app"]).run().success();
    let after = Image::read(world.path("app"), "latest").digest().to_owned();
    let digests = [(&*before, "DIGEST-BEFORE"), (&*after, "DIGEST-AFTER"), (&*run_image, "DIGEST-OF-THE-RUN-IMAGE")];
    insta::assert_snapshot!("rebase", told(&world, &rebased, &digests));
}

#[test]
fn failures_with_their_hints() {
    let world = World::with_script("echo the reason >&2; exit 3");
    world.write("empty.txt", "");
    world.write("documents/letter", "dear");
    let build = |image: &'static str| ["build", image, "--path", "source", "--builder", "oci:builder"];
    let calls: [(&str, &[&str]); 12] = [
        ("run-absent", &["run", "oci:absent"]),
        ("inspect-absent-name", &["inspect", "example.org/absent:1"]),
        ("inspect-absent-tag", &["inspect", "oci:builder:absent"]),
        ("build-failed-buildpack", &build("oci:app")),
        ("build-no-builder", &["build", "oci:app", "--path", "source", "--builder", "oci:absent"]),
        ("build-no-app", &["build", "oci:app", "--path", "absent", "--builder", "oci:builder"]),
        ("build-no-layout", &build("oci:documents")),
        ("build-bad-location", &build("docker://example.org/app")),
        ("build-no-such-flag", &["build", "oci:app", "--publish"]),
        ("import-no-tar", &["import", "empty.txt", "oci:base"]),
        ("rebase-no-app", &["rebase", "oci:builder"]),
        ("layout-check-absent", &["layout", "check", "absent"]),
    ];
    for (name, arguments) in calls {
        let outcome = world.dhow(arguments.iter().copied()).run();
        assert_ne!(outcome.code, Some(0), "{name}");
        let builder = Image::read(world.path("builder"), "latest").digest().to_owned();
        insta::assert_snapshot!(
            format!("failure-{name}"),
            told(&world, &outcome, &[(&builder, "DIGEST-OF-THE-BUILDER")])
        );
    }
}
