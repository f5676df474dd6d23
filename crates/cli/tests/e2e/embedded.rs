//! The first command of the README: no builder named, this machine's own toolchains.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::support::{Base, Dhow, Image, Layer, Media, Outcome, World, is_root, stdout_of, tool};

/// The hello image, built once.
static HELLO: LazyLock<(World, Outcome)> = LazyLock::new(|| {
    let world = World::new();
    let outcome = build(&world, "oci:hello").run().success();
    (world, outcome)
});

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello").canonicalize().unwrap()
}

fn build(world: &World, image: &str) -> Dhow {
    tool("cargo");
    world.dhow(["build", image, "--path", example().to_str().unwrap()])
}

#[test]
fn hello_is_built_and_the_output_says_with_which_builder() {
    let (_, outcome) = &*HELLO;
    assert!(
        outcome.stderr.contains("Using dhow's embedded builder: this machine's system directories"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("What it builds depends on what is installed here"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("builder  embedded (dhow "), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("Successfully built image oci:hello\n"), "{}", outcome.stdout);
}

#[test]
fn hello_runs() {
    let (world, _) = &*HELLO;
    world.dhow(["run", "oci:hello"]).run().success().answers("Hello, world!\n");
    world.dhow(["run", "oci:hello", "hello", "you"]).run().success();
}

#[test]
fn hello_is_an_image_for_skopeo() {
    let (world, _) = &*HELLO;
    let text = stdout_of(world, "skopeo", &["inspect", "oci:hello:latest"]);
    let inspected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let image = Image::read(world.path("hello"), "latest");
    assert_eq!(inspected["Digest"], image.digest());
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), image.layers().len());
    stdout_of(world, "skopeo", &["copy", "--quiet", "oci:hello:latest", "oci:copied:latest"]);
    assert_eq!(Image::read(world.path("copied"), "latest").digest(), image.digest());
}

#[test]
fn hello_is_unpacked_by_umoci_and_run_by_runc() {
    let (world, _) = &*HELLO;
    stdout_of(world, "umoci", &["unpack", "--rootless", "--image", "hello:latest", "bundle"]);
    assert!(world.path("bundle/rootfs/cnb/process/hello").symlink_metadata().is_ok());
    // As the buildpacks' user cannot be mapped without root, the bundle is run as the caller.
    let config = world.path("bundle/config.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    document["process"]["terminal"] = false.into();
    document["process"]["user"] = serde_json::json!({ "uid": 0, "gid": 0 });
    fs::write(&config, document.to_string()).unwrap();
    let state = world.path("runc");
    let identity = format!("dhow-e2e-{}", std::process::id());
    let output = runc(world, &["--root", state.to_str().unwrap(), "run", "--bundle", "bundle", &identity]);
    if let Some(output) = output {
        assert!(output.contains("Hello, world!"), "{output}");
    }
}

/// Runs runc; nothing where the machine lets no unprivileged user have what runc wants (a control group).
fn runc(world: &World, arguments: &[&str]) -> Option<String> {
    let program = tool("runc");
    let output = std::process::Command::new(program).args(arguments).current_dir(world.root()).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = ["cgroup", "operation not permitted", "permission denied"].iter().any(|word| talk.contains(word));
    if !output.status.success() && refused {
        eprintln!("runc cannot run here (root: {}): {talk}", is_root());
        return None;
    }
    assert!(output.status.success(), "{talk}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn hello_needs_nothing_of_the_base_but_users_and_certificates() {
    let (world, _) = &*HELLO;
    let image = Image::read(world.path("hello"), "latest");
    let base = image.manifest["annotations"]["org.opencontainers.image.base.name"].as_str().unwrap();
    assert!(base.starts_with("dhow.local/run/minimal:"), "{base}");
    assert!(image.content("/etc/passwd").contains(":1000:1000:"));
    assert!(image.content("/etc/ssl/certs/ca-certificates.crt").contains("BEGIN CERTIFICATE"));
    assert!(!image.files().keys().any(|path| path == "/bin/sh" || path.starts_with("/lib/")));
}

#[test]
fn hello_again_has_the_same_digest_from_scratch_and_from_what_was_kept() {
    let (world, outcome) = &*HELLO;
    let first = outcome.digest();
    let kept = build(world, "oci:hello").run().success();
    assert_eq!(kept.digest(), first);
    let other = World::new();
    // Everything that may not matter is different: home, cache, directory, umask, time zone, locale.
    let shell = tool("sh");
    let scratch = build(&other, "oci:elsewhere/hello")
        .env("TZ", "Asia/Kathmandu")
        .env("LC_ALL", "C.UTF-8")
        .env("XDG_CACHE_HOME", other.path("other-cache"))
        .through(&shell, &["-c", "umask 077; exec \"$@\"", "sh"]);
    assert_eq!(scratch.run().success().digest(), first);
}

#[test]
fn an_app_with_a_procfile_gets_its_processes() {
    let world = World::new();
    world.write("source/Procfile", "web: /workspace/busybox echo web\nworker: /workspace/busybox echo worker\n");
    // Static, as nothing of this machine is in the minimal run image.
    fs::copy(tool("busybox"), world.path("source/busybox")).unwrap();
    world
        .dhow(["build", "oci:app", "--path", "source"])
        .run()
        .success()
        .says("-----> web: /workspace/busybox echo web");
    world.dhow(["run", "oci:app"]).run().success().answers("web\n");
    world.dhow(["run", "oci:app", "worker"]).run().success().answers("worker\n");
}

#[test]
fn cargos_results_and_the_history_are_no_part_of_a_cargo_app() {
    tool("cargo");
    let world = World::new();
    stdout_of(&world, "cp", &["-a", example().to_str().unwrap(), "source"]);
    // What the example excludes itself would be left out in any case.
    fs::remove_file(world.path("source/project.toml")).unwrap();
    let _ = fs::remove_dir_all(world.path("source/target"));
    let build = || world.dhow(["build", "oci:app", "--path", "source"]).run().success();
    build().does_not_say("left out");
    let before = Image::read(world.path("app"), "latest").digest().to_owned();
    world.write("source/target/debug/large", "x");
    world.write("source/.git/config", "[remote]");
    build().says("left out target, .git: Cargo needs nothing of them");
    assert_eq!(Image::read(world.path("app"), "latest").digest(), before);
    world.write("source/project.toml", "[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nexclude = [\"!/.git\"]\n");
    build().says("left out target: Cargo").says("The image will hold .git (1 kB)");
    let files = Image::read(world.path("app"), "latest").files();
    assert!(files.contains_key("/workspace/.git/config") && !files.contains_key("/workspace/target/debug/large"));
}

#[test]
fn a_process_that_could_not_start_on_the_minimal_run_image_is_refused_before_anything_is_written() {
    let world = World::new();
    world.write("source/script", "#!/bin/sh\necho hello\n");
    fs::set_permissions(world.path("source/script"), fs::Permissions::from_mode(0o755)).unwrap();
    let cases = [
        ("web: sh -c true\n", "process web cannot start: the image has no sh"),
        ("web: cd sub && ./x\n", "process web cannot start: the image has no bash"),
        ("web: exec ./x\n", "process web cannot start: the image has no bash"),
        ("web: python app.py\n", "process web cannot start: the image has no python"),
        ("web: ./nothing\n", "process web cannot start: the image has no ./nothing"),
        (
            "web: ./script\n",
            "process web cannot start: ./script is a script for /bin/sh, which the image does not have",
        ),
    ];
    for (procfile, expected) in cases {
        world.write("source/Procfile", procfile);
        let outcome = world.dhow(["build", "oci:app", "--path", "source"]).run().exits(62);
        let (error, hint) = outcome.error_and_hint();
        assert_eq!(error, expected);
        assert!(hint.is_some_and(|hint| hint.contains("--run-image oci:run")), "{hint:?}");
        assert!(!world.path("app").exists());
    }
}

#[test]
fn a_program_that_is_linked_dynamically_needs_a_run_image_with_its_libraries() {
    let world = World::new();
    let dynamic = ["--env", "BP_CARGO_LINKING=dynamic"];
    let outcome = build(&world, "oci:hello").args(dynamic).run().exits(62);
    let (error, hint) = outcome.error_and_hint();
    assert!(error.starts_with("process hello cannot start: hello is linked dynamically, by /lib"), "{error}");
    assert!(hint.is_some_and(|hint| hint.contains("--run-image oci:run")), "{hint:?}");
    assert!(!world.path("hello").exists());
    // A base with this machine's libraries: those of Cargo itself are more than enough.
    let libraries = stdout_of(&world, "ldd", &[tool("cargo").to_str().unwrap()]);
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = world.path(format!("libraries{library}"));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(library, copy).unwrap();
    }
    let base = Base::of(&world);
    let layers = [base.busybox(), Layer::of(&world.path("libraries"))];
    base.write_run_image(&base.repository("example.test/libraries/1"), "1", &layers, Media::Oci);
    let run_image = ["--run-image", "example.test/libraries:1"];
    build(&world, "oci:hello").args(dynamic).args(run_image).run().success().does_not_say("cannot start");
    world.dhow(["run", "oci:hello"]).run().success().answers("Hello, world!\n");
}
