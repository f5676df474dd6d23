//! What is kept between builds: shown, limited, and removed by anybody who owns it.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::{World, await_line, is_root, tool};

const LAYER: &str = "mkdir -p $CNB_LAYERS_DIR/dep\necho content >$CNB_LAYERS_DIR/dep/file\n\
    printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/dep.toml\n";

/// The images of the builds that are kept, the last used first.
fn kept(world: &World) -> Vec<String> {
    let json = world.dhow(["cache", "--format", "json"]).run().success().json();
    let builds = json["kept"].as_array().unwrap().iter().filter_map(|kept| kept["image"].as_str());
    builds.map(str::to_owned).collect()
}

#[test]
fn what_is_kept_is_shown_and_what_is_not_wanted_removed() {
    let world = World::with_script(LAYER);
    for image in ["oci:one", "oci:two", "oci:one"] {
        world.build(image, "source", &[]).success();
    }
    assert_eq!(kept(&world), ["oci:one", "oci:two"]);
    world.dhow(["cache"]).run().success().answers("build  oci:one\n").answers("of 20.0 GB in");
    world.dhow(["cache", "prune"]).run().success().answers("removed 0 B");
    world.dhow(["cache", "prune", "--older-than", "1h"]).run().success().answers("removed 0 B");
    world.dhow(["cache", "prune", "--all", "--dry-run"]).run().success().answers("would remove");
    assert_eq!(kept(&world), ["oci:one", "oci:two"]);
    let pruned = world.dhow(["cache", "prune", "--all", "--format", "json"]).run().success().json();
    assert!(pruned["removed"].as_array().unwrap().len() > 2, "layers of the builder too: {pruned}");
    assert_eq!((pruned["size"].as_u64(), kept(&world).len()), (Some(0), 0));
    world.build("oci:one", "source", &[]).success();
}

#[test]
fn a_limit_removes_the_longest_unused_after_a_build_and_never_its_own() {
    let world = World::with_script(LAYER);
    world.build("oci:one", "source", &[]).success().does_not_say("Removed");
    world.dhow(["config", "cache-limit", "1kB"]).run().success();
    world.build("oci:two", "source", &[]).success().says("Removed the longest unused");
    assert_eq!(kept(&world), ["oci:two"]);
    let work = world.build("oci:two", "source", &["--format", "json"]).success().json();
    assert_eq!(work["work"]["layers_packed"], 0);
    world.dhow(["config", "cache-limit", "none"]).run().success();
    world.build("oci:one", "source", &[]).success().does_not_say("Removed");
    assert_eq!(kept(&world), ["oci:one", "oci:two"]);
}

#[test]
fn a_cached_layer_with_a_fifo_stops_no_later_build() {
    let script = "layer=$CNB_LAYERS_DIR/tool\n[ -d $layer ] && echo found || echo absent\nrm -rf $layer\n\
                  mkdir -p $layer\nmkfifo $layer/pipe\necho x >$layer/file\n\
                  printf '[types]\\ncache = true\\nlaunch = true\\n' >$layer.toml\n";
    let world = World::with_script(script);
    let first = world.build("oci:app", "source", &[]).success().says("absent\n").digest();
    assert_eq!(world.build("oci:app", "source", &[]).success().digest(), first);
    for tree in fs::read_dir(world.path("home/.cache/dhow/builds")).unwrap() {
        fs::remove_dir_all(tree.unwrap().path().join("root")).unwrap();
    }
    let outcome = world.build("oci:app", "source", &[]).success().says("absent\n");
    let outcome = outcome.says("Skipping restore for layer test/script:tool");
    assert_eq!(outcome.digest(), first);
}

#[test]
fn what_is_kept_in_a_directory_of_the_users_is_shown_and_removed_there() {
    let world = World::with_script(LAYER);
    world.build("oci:app", "source", &["--cache", "mine"]).success();
    assert_eq!(kept(&world), Vec::<String>::new());
    let directory = world.path("mine");
    let shown = world.dhow(["cache", "--cache", "mine"]).run().success();
    shown.answers("build  oci:app\n").answers(&format!(" in {}\n", directory.display()));
    let pack = "type=build;format=bind;source=mine";
    let json = world.dhow(["cache", "--cache", pack, "--format", "json"]).run().success().json();
    assert_eq!((&json["limit"], &json["kept"][0]["image"]), (&serde_json::Value::Null, &"oci:app".into()));
    world.dhow(["cache", "prune", "--all"]).run().success();
    assert!(directory.join("builds").read_dir().unwrap().count() == 1);
    world.dhow(["cache", "prune", "--cache", "mine"]).run().exits(1).says("nothing says what is to be removed");
    world.dhow(["cache", "prune", "--cache", "mine", "--all"]).run().success().answers("removed");
    assert!(directory.join("builds").read_dir().unwrap().count() == 0);
}

#[test]
fn what_a_running_build_uses_is_not_removed() {
    let world = World::with_script(&format!("{LAYER}echo started\nwhile [ ! -f /signals/go ]; do sleep 0.02; done\n"));
    fs::create_dir(world.path("signals")).unwrap();
    let volume = format!("{}:/signals", world.path("signals").display());
    let mut build = world.build_command("oci:app", "source", &["--volume", &volume]).spawn();
    let mut talk = BufReader::new(build.stderr.take().unwrap());
    await_line(&mut talk, "started");
    world.dhow(["cache", "prune", "--all"]).run().success().says("build  oci:app is used by a running command");
    fs::write(world.path("signals/go"), "").unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut talk, &mut rest).unwrap();
    assert!(build.wait().unwrap().success(), "{rest}");
    assert_eq!(kept(&world), ["oci:app"]);
}

#[test]
fn a_kept_build_is_removed_by_rm_also_below_closed_directories_and_an_unchanged_one_does_nothing() {
    let closed = "mkdir -p $CNB_LAYERS_DIR/dep/read-only/below $CNB_LAYERS_DIR/dep/closed/below\n\
        touch $CNB_LAYERS_DIR/dep/read-only/below/file $CNB_LAYERS_DIR/dep/closed/below/file\n\
        chmod 0555 $CNB_LAYERS_DIR/dep/read-only/below $CNB_LAYERS_DIR/dep/read-only\n\
        chmod 0000 $CNB_LAYERS_DIR/dep/closed\n";
    let types = "printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/dep.toml\n";
    // A directory of mode 0000 is packed by root alone.
    let closed = if is_root() { closed.to_owned() } else { closed.replace("0000", "0500") };
    let world = World::with_script(&format!("{types}[ -d $CNB_LAYERS_DIR/dep ] || {{\n{closed}}}\n"));
    let read_only = world.write("source/read-only/file", "").parent().unwrap().to_owned();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).unwrap();
    let first = world.build("oci:app", "source", &[]).success().digest();
    let again = world.build("oci:app", "source", &["--format", "json"]).success();
    assert_eq!(again.digest(), first);
    let work = &again.json()["work"];
    for counter in ["layers_packed", "layers_restored", "bytes_hashed", "source_files_copied"] {
        assert_eq!(work[counter], 0, "{counter}: {work}");
    }
    let builds = world.path("home/.cache/dhow/builds");
    let mut find = Command::new(tool("find"));
    let found = find.arg(&builds).args(["-type", "d", "!", "-perm", "-700"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    let layer = fs::read_dir(&builds).unwrap().next().unwrap().unwrap().path().join("root/layers/test_script/dep");
    assert_eq!(fs::metadata(layer.join("read-only")).unwrap().permissions().mode() & 0o7777, 0o755);
    let removed = Command::new(tool("rm")).arg("-rf").arg(&builds).stdin(Stdio::null()).status().unwrap();
    assert!(removed.success() && !builds.exists());
    assert_eq!(world.build("oci:app", "source", &[]).success().digest(), first);
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning_and_the_image_is_the_same() {
    let world = World::with_script(LAYER);
    let right = world.build("oci:right", "source", &[]).success().digest();
    world.build("oci:app", "source", &[]).success();
    let builds = world.path("home/.cache/dhow/builds");
    let about = |directory: &fs::DirEntry| fs::read_to_string(directory.path().join("about.json")).unwrap();
    let state = fs::read_dir(&builds).unwrap().map(Result::unwrap).find(|entry| about(entry).contains("oci:app"));
    let state = state.unwrap().path();
    for (path, what) in [("indexes", "cannot reuse all of this one"), ("cache", "no layers are cached")] {
        // What is mounted can be neither written nor removed, not even by root.
        let _mounted = ReadOnly::over(&state.join(path));
        if _mounted.is_none() {
            return;
        }
        for _ in 0..2 {
            let built = world.build("oci:app", "source", &[]).success().says(what);
            assert_eq!(built.digest(), right, "{path}");
        }
    }
    world.build("oci:app", "source", &[]).success().does_not_say("warning");
}

/// A read-only mount over a directory; only root makes one.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    fn over(path: &std::path::Path) -> Option<Self> {
        let mut mount = Command::new(tool("mount"));
        let mounted = mount.args(["-t", "tmpfs", "-o", "ro", "none"]).arg(path).stderr(Stdio::null()).status().unwrap();
        mounted.success().then(|| Self(path.to_owned()))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _unmounted = Command::new(tool("umount")).arg(&self.0).status();
    }
}
