//! `dhow run`: what reaches the program, and what of it reaches the caller.

use std::io::{BufRead, BufReader};
use std::sync::LazyLock;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Base, Media, Outcome, World, is_root, write_image};

const PROCESSES: &str = r#"
cat >"$CNB_LAYERS_DIR/launch.toml" <<'LAUNCH'
[[processes]]
type = "web"
command = ["echo"]
args = ["default"]
default = true

[[processes]]
type = "exit"
command = ["sh", "-c", "exit 42"]

[[processes]]
type = "env"
command = ["env"]

[[processes]]
type = "trap"
command = ["sh", "-c", "trap 'echo stopped; exit 9' TERM INT; echo ready; while true; do sleep 0.05; done"]
LAUNCH
"#;

static APP: LazyLock<World> = LazyLock::new(|| {
    let world = World::with_script(PROCESSES);
    world.build("oci:app", "source", &[]).success();
    world
});

fn run(arguments: &[&str]) -> Outcome {
    APP.dhow(["run", "oci:app"]).args(arguments).run()
}

#[test]
fn the_exit_code_is_the_programs() {
    run(&["exit"]).exits(42);
    run(&["--", "sh", "-c", "kill -9 $$"]).exits(137);
}

#[test]
fn output_is_the_programs_alone() {
    let outcome = run(&["--", "sh", "-c", "echo out; echo err >&2"]).success();
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("out\n", "err\n"));
}

#[test]
fn arguments_follow_the_process() {
    assert_eq!(run(&[]).success().stdout, "default\n");
    assert_eq!(run(&["web", "one", "--", "-n", "two"]).success().stdout, "one -n two\n");
    assert_eq!(run(&["--", "echo", "other"]).success().stdout, "other\n");
}

#[test]
fn variables_are_those_of_the_image_and_the_flags_and_none_of_the_caller() {
    APP.write("variables", "OF_FILE=1\nOF_BASE_AND_FLAG=file\n");
    let flags =
        ["--env", "GIVEN=x y", "--env", "PASSED", "--env-file", "variables", "--env", "OF_BASE_AND_FLAG=flag", "env"];
    let call = APP.dhow(["run", "oci:app"]).args(flags).env("PASSED", "on").env("SECRET_OF_CALLER", "canary");
    let outcome = call.run().success();
    let has = |line: &str| outcome.stdout.lines().any(|found| found == line);
    for line in ["GIVEN=x y", "PASSED=on", "OF_FILE=1", "OF_BASE_AND_FLAG=flag", "OF_THE_BASE=yes", "HOME=/home/cnb"] {
        assert!(has(line), "no {line} in\n{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("canary"), "{}", outcome.stdout);
}

#[test]
fn the_user_is_the_images_or_the_flags() {
    assert_eq!(run(&["--", "id", "-u"]).success().stdout, "1000\n");
    assert_eq!(run(&["--user", "1234:4321", "--", "sh", "-c", "id -u; id -g"]).success().stdout, "1234\n4321\n");
    assert_eq!(run(&["--user", "root", "--", "id", "-u"]).success().stdout, "0\n");
}

#[test]
fn the_working_directory_is_the_images_or_the_flags() {
    assert_eq!(run(&["--", "pwd"]).success().stdout, "/workspace\n");
    let outcome = run(&["--workdir", "/tmp", "--entrypoint", "/bin/pwd"]).success();
    assert_eq!(outcome.stdout, "/tmp\n");
}

#[test]
fn an_entrypoint_replaces_that_of_the_image() {
    assert_eq!(run(&["--entrypoint", "/bin/echo", "a", "--", "-b"]).success().stdout, "a -b\n");
}

#[test]
fn volumes_are_seen_and_read_only_if_asked() {
    APP.write("data/file", "from outside\n");
    let data = APP.path("data");
    let volume = format!("{}:/data:ro", data.display());
    let outcome = run(&["--volume", &volume, "--", "sh", "-c", "cat /data/file; echo x >/data/new || echo refused"]);
    assert_eq!(outcome.success().stdout, "from outside\nrefused\n");
    assert!(!data.join("new").exists());
}

#[test]
fn network_none_is_only_loopback() {
    let outcome =
        run(&["--network", "none", "--", "sh", "-c", "grep -c : /proc/net/dev; grep -o lo: /proc/net/dev"]).success();
    assert_eq!(outcome.stdout, "1\nlo:\n");
}

#[test]
fn what_the_program_writes_is_gone_afterwards() {
    run(&["--", "sh", "-c", "echo x >/workspace/new"]).success();
    run(&["--user", "root", "--", "sh", "-c", "echo x >/etc/new"]).success();
    let outcome = run(&["--", "sh", "-c", "ls /workspace /etc"]).success();
    assert!(!outcome.stdout.contains("new"), "{}", outcome.stdout);
    let runs = std::fs::read_dir(APP.path("home/.cache/dhow/run")).unwrap().count();
    // Other tests may be running right now, but nothing may pile up.
    assert!(runs < 8, "{runs}");
}

#[test]
fn sigterm_and_sigint_reach_the_program() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut child = APP.dhow(["run", "oci:app", "trap"]).spawn();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "stopped", "{signal:?}");
        assert_eq!(child.wait().unwrap().code(), Some(9), "{signal:?}");
    }
}

#[test]
fn standard_input_is_the_callers() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_dhow"))
        .args(["run", "oci:app", "--", "cat"])
        .current_dir(APP.root())
        .env("HOME", APP.path("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"through the pipe").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"through the pipe");
}

#[test]
fn an_image_without_a_shell_runs_its_program_directly() {
    let world = World::new();
    let tree = world.path("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::copy(crate::support::tool("busybox"), tree.join("busybox")).unwrap();
    let layer = crate::support::Layer::of(&tree);
    let config = serde_json::json!({ "Entrypoint": ["/busybox", "echo"], "Cmd": ["of the image"] });
    write_image(&world.path("bare"), "latest", &[layer], &config, &serde_json::json!({}), Media::Oci);
    assert_eq!(world.dhow(["run", "oci:bare"]).run().success().stdout, "of the image\n");
    assert_eq!(world.dhow(["run", "oci:bare", "given"]).run().success().stdout, "given\n");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let outcome = run(&["--entrypoint", "/bin/nope"]);
    assert!(outcome.code.is_some_and(|code| code != 0));
    assert!(outcome.stderr.contains("/bin/nope"), "{}", outcome.stderr);
}

#[test]
fn a_program_that_leads_a_session_of_its_own_ends_the_run_as_any_other() {
    run(&["--", "busybox", "setsid", "sh", "-c", "exit 7"]).exits(7);
    // What stays behind in a process group of its own is no reason to wait either.
    run(&["--", "sh", "-c", "busybox setsid sleep 60 & exit 8"]).exits(8);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_that_of_a_live_one_stays() {
    let world = World::new();
    let base = Base::of(&world);
    base.write_run_image(&world.path("image"), "latest", &[base.busybox()], Media::Oci);
    let start = || {
        let script = "echo content >/file; echo ready; while true; do sleep 0.05; done";
        let mut child = world.dhow(["run", "oci:image", "--user", "0", "--", "sh", "-c", script]).spawn();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child
    };
    let scratch = || std::fs::read_dir(world.path("home/.cache/dhow/run")).unwrap().count();
    let (mut live, mut killed) = (start(), start());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(scratch(), 2);
    let next_leaves = |count| {
        world.dhow(["run", "oci:image", "--", "true"]).run().success();
        scratch() == count
    };
    assert!((0..100).any(|_| next_leaves(1)));
    live.kill().unwrap();
    live.wait().unwrap();
    // Its container may be a moment longer about its end.
    assert!((0..100).any(|_| next_leaves(0)));
}

#[test]
fn a_program_writes_to_a_copy_that_no_other_run_sees() {
    let world = World::new();
    let base = Base::of(&world);
    base.write_run_image(&world.path("image"), "latest", &[base.busybox()], Media::Oci);
    let run =
        |user: &str, script: &str| world.dhow(["run", "oci:image", "--user", user, "--", "sh", "-c", script]).run();
    run("0", "echo changed >/etc/passwd && rm /bin/awk && echo new >/etc/new").success();
    run("0", "grep -q cnb /etc/passwd && test -L /bin/awk && test ! -e /etc/new").success();
    // As root the owners are the image's. Without, all files are the program's own.
    let outcome = run("1000", "echo new >/etc/new");
    outcome.exits(if is_root() { 1 } else { 0 });
    world.dhow(["run", "oci:image", "--", "sh", "-c", "echo own >/tmp/own"]).run().success();
}

#[test]
fn the_images_own_tmp_is_seen_and_writable_and_what_is_written_is_dropped() {
    let world = World::with_script(PROCESSES);
    world.build("oci:app", "source", &["--workspace", "/tmp/app"]).success();
    let run = |script: &str| world.dhow(["run", "oci:app", "--", "sh", "-c", script]).run().success().stdout;
    assert_eq!(run("pwd; ls; echo x >/tmp/new; echo x >new; ls /tmp"), "/tmp/app\nbuild.sh\napp\nnew\n");
    assert_eq!(run("ls /tmp . ; awk '$5 == \"/tmp\"' /proc/self/mountinfo"), ".:\nbuild.sh\n\n/tmp:\napp\n");
    assert_eq!(world.dhow(["run", "oci:app"]).run().success().stdout, "default\n");
}

#[test]
fn a_working_directory_that_the_image_lacks_is_made_and_is_the_users() {
    let world = World::new();
    let layer = Base::of(&world).busybox();
    let config = serde_json::json!({ "User": "1000:1000", "Env": ["PATH=/bin"], "WorkingDir": "/srv/made/deep" });
    write_image(&world.path("image"), "latest", &[layer], &config, &serde_json::json!({}), Media::Oci);
    let run = |flags: &[&str], script: &str| {
        world.dhow(["run", "oci:image"]).args(flags).args(["--", "sh", "-c", script]).run().success().stdout
    };
    assert_eq!(run(&[], "pwd; echo x >file; ls; stat -c '%u:%g %a' ."), "/srv/made/deep\nfile\n1000:1000 755\n");
    assert_eq!(run(&["--workdir", "/made/by/flag"], "pwd; echo x >file; ls"), "/made/by/flag\nfile\n");
    // What is there stays as it is.
    assert_eq!(run(&["--workdir", "/etc", "--user", "7:7"], "stat -c %a ."), "755\n");
    assert_eq!(run(&["--workdir", "/proc"], "pwd"), "/proc\n");
}

/// All paths below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { [walk(&path), vec![path]].concat() } else { vec![path] }).collect()
}

/// The first user of this machine with subordinate ids: name and id.
fn user_with_subordinate_ids() -> Option<(String, u32)> {
    let subordinate = std::fs::read_to_string("/etc/subuid").ok()?;
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let id_of = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse::<u32>().ok()
    };
    let users = subordinate.lines().filter_map(|line| line.split(':').next().map(str::to_owned));
    users.filter_map(|name| id_of(&name).map(|id| (name, id))).find(|(_, id)| *id != 0)
}

#[test]
fn a_program_that_starts_as_root_has_several_users_where_the_caller_has_subordinate_ids() {
    let Some((_, uid)) = user_with_subordinate_ids().filter(|_| is_root()) else { return };
    let world = World::new();
    let base = Base::of(&world);
    let tree = world.path("tree");
    std::fs::create_dir_all(tree.join("data/closed")).unwrap();
    std::fs::write(tree.join("data/closed/file"), "of 101\n").unwrap();
    std::fs::set_permissions(tree.join("data/closed"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let of_other = crate::support::Layer::owned(&tree, 101);
    let config = serde_json::json!({ "Env": ["PATH=/bin"] });
    let layers = [base.busybox(), of_other];
    write_image(&world.path("image"), "latest", &layers, &config, &serde_json::json!({}), Media::Oci);
    for directory in ["home", ""] {
        std::os::unix::fs::chown(world.path(directory), Some(uid), None).unwrap();
    }
    let run = |flags: &[&str], script: &str| {
        let arguments = ["run", "oci:image"].into_iter().chain(flags.iter().copied()).chain(["--", "sh", "-c", script]);
        world.dhow(arguments).by_user(uid).run()
    };
    let script = "stat -c %u:%g /bin/busybox /data/closed/file; su cnb -c 'id -u; cat /data/closed/file 2>/dev/null'; \
                  cat /data/closed/file; mkdir -m 700 /new && echo x >/new/x && chown -R 5:6 /new && stat -c %u:%g /new";
    for _ in 0..2 {
        let outcome = run(&[], script).success();
        assert_eq!(outcome.stdout, "0:0\n101:101\n1000\nof 101\n5:6\n", "{}", outcome.stderr);
    }
    // What a run writes is gone, whoever owned it.
    assert_eq!(run(&[], "test ! -e /new && echo gone").success().stdout, "gone\n");
    assert_eq!(std::fs::read_dir(world.path("home/.cache/dhow/run")).unwrap().count(), 0);
    // What is kept belongs in part to others, and can be removed all the same.
    let chains = world.path("home/.cache/dhow/chains");
    let pruned = world.dhow(["cache", "prune", "--all"]).by_user(uid).run().success();
    let left: Vec<_> = walk(&chains).into_iter().filter(|path| path.is_file()).collect();
    assert!(left.is_empty() && !pruned.stderr.contains("stays"), "{left:?} {}", pruned.stderr);
    // Another user than root needs no other, and what it makes is the caller's.
    std::fs::create_dir(world.path("shared")).unwrap();
    std::os::unix::fs::chown(world.path("shared"), Some(uid), None).unwrap();
    let volume = format!("{}:/shared:rw", world.path("shared").display());
    let outcome = run(&["--user", "1000", "--volume", &volume], "touch /shared/made; stat -c %u /data/closed/file");
    assert_eq!(outcome.success().stdout, "1000\n");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(world.path("shared/made")).unwrap()), uid);
}

#[test]
fn owners_beyond_the_callers_ids_are_told_and_the_program_runs_with_one() {
    let Some((_, uid)) = user_with_subordinate_ids().filter(|_| is_root()) else { return };
    let world = World::new();
    let base = Base::of(&world);
    let tree = world.path("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("far"), "").unwrap();
    let layers = [base.busybox(), crate::support::Layer::owned(&tree, 3_000_000_000)];
    let config = serde_json::json!({ "Env": ["PATH=/bin"] });
    write_image(&world.path("image"), "latest", &layers, &config, &serde_json::json!({}), Media::Oci);
    std::os::unix::fs::chown(world.path("home"), Some(uid), None).unwrap();
    let outcome = world.dhow(["run", "oci:image", "--", "stat", "-c", "%u", "/far"]).by_user(uid).run().success();
    assert_eq!(outcome.stdout, "0\n");
    assert!(outcome.stderr.contains("with the owners of its files"), "{}", outcome.stderr);
    // Nothing half-made stays that the caller could not remove.
    let families = std::fs::read_dir(world.path("home/.cache/dhow/chains")).unwrap();
    for family in families.map(|entry| entry.unwrap().path().join("sha256")) {
        let names = std::fs::read_dir(&family).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
        assert!(names.is_empty(), "{names:?} in {}", family.display());
    }
}

#[test]
fn a_program_that_cannot_be_run_gives_the_exit_code_of_shells() {
    let entrypoint = |program: &str| run(&["--entrypoint", program]);
    entrypoint("/no/such/program").exits(127);
    entrypoint("/workspace/build.sh").exits(126);
}

#[test]
fn the_working_directory_is_heeded_or_refused() {
    let outcome = run(&["--workdir", "/tmp"]).exits(1);
    let (error, hint) = outcome.error_and_hint();
    assert!(error.contains("launcher of this image"), "{error}");
    assert_eq!(hint, Some("dhow run oci:app --entrypoint PROGRAM --workdir /tmp"));
    run(&["--workdir", "/tmp", "--entrypoint", "pwd"]).success().answers("/tmp\n");
    let outcome = run(&["--workdir", "tmp", "--entrypoint", "pwd"]).exits(1);
    assert_eq!(outcome.error_and_hint().0, "the working directory tmp is not an absolute path");
}
