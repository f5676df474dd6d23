//! A machine that has no threads, no processes or no room left: one clear error, or what was asked for.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::Command;

use crate::support::{Dhow, Image, Outcome, World, is_root, tool};

/// A user that no machine has.
const NOBODY: &str = "54321";

const LAYER: &str = "mkdir -p $CNB_LAYERS_DIR/x\n\
                     printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml\n";

/// Gives a world to a user whom limits of processes bind, as they don't bind root.
fn give_to_nobody(path: &Path) {
    let nobody = NOBODY.parse().unwrap();
    lchown(path, Some(nobody), Some(nobody)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give_to_nobody(&entry.unwrap().path()));
    }
}

/// Runs dhow as that user, who may have so many processes and threads.
fn with_processes(dhow: Dhow, count: usize) -> Outcome {
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    let (prlimit, limit) = (tool("prlimit"), format!("--nproc={count}"));
    dhow.reachable()
        .through(&tool("setpriv"), &[&user, &group, "--clear-groups", prlimit.to_str().unwrap(), &limit])
        .run()
}

/// Asserts that dhow did what it was asked for or said in one error why not, and returns whether it did.
#[track_caller]
fn assert_done_or_told(outcome: &Outcome, what: &str) -> bool {
    let Outcome { code, stderr, .. } = outcome;
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    if *code == Some(0) {
        return true;
    }
    assert!(code.is_some(), "{what}: {stderr}");
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(errors == 1 && stderr.to_lowercase().contains("resource temporarily unavailable"), "{what}: {stderr}");
    false
}

#[test]
fn a_machine_without_threads_makes_the_same_image_or_says_why_not() {
    if !is_root() {
        return;
    }
    let world = World::with_script(&format!("{LAYER}yes $SEED | head -c 3000000 >$CNB_LAYERS_DIR/x/data\n"));
    let right = world.build("oci:right", "source", &["--env", "SEED=1"]).success().digest();
    fs::remove_dir_all(world.path("home/.cache")).unwrap();
    give_to_nobody(world.root());
    let mut built = 0;
    for count in 1..16 {
        let image = format!("{}:app-{count}", if count % 2 == 0 { "oci" } else { "oci-archive" });
        let build = world.build_command(&image, "source", &["--env", "SEED=1"]);
        let outcome = with_processes(build, count);
        if assert_done_or_told(&outcome, &format!("build with {count}")) {
            built += 1;
            assert_eq!(outcome.digest(), right, "{count}");
        } else {
            assert!(!world.path(format!("app-{count}")).exists(), "{count}");
        }
    }
    assert!(built > 0);
}

#[test]
fn what_needs_no_process_needs_no_thread_either() {
    if !is_root() {
        return;
    }
    let world = World::new();
    fs::write(world.path("large"), vec![7; 5_000_000]).unwrap();
    pack(&world, "large");
    world.dhow(["import", "rootfs.tar", "oci:right"]).run().success();
    give_to_nobody(world.root());
    for (count, image) in [(1, "oci:one"), (2, "oci:two"), (3, "oci:three")] {
        with_processes(world.dhow(["import", "rootfs.tar", image]), count).success();
    }
    let right = Image::read(world.path("right"), "latest").digest().to_owned();
    for layout in ["one", "two", "three"] {
        assert_eq!(Image::read(world.path(layout), "latest").digest(), right);
    }
}

/// Runs dhow in a shell where files can have so many blocks of 512 bytes.
fn with_file_size(dhow: Dhow, blocks: usize) -> Outcome {
    let line = format!("ulimit -f {blocks}; exec \"$@\"");
    dhow.through(&tool("sh"), &["-c", &line, "sh"]).run()
}

#[test]
fn a_file_that_may_not_grow_is_an_error_like_a_full_disk() {
    // Each file is small enough, but not the layer of all.
    let world = World::with_script(&format!(
        "{LAYER}for name in 1 2 3 4; do head -c 700000 /dev/urandom >$CNB_LAYERS_DIR/x/$name; done\n"
    ));
    world.build("oci:app", "source", &["--env", "SEED=1"]).success();
    fs::write(world.path("noise"), random(3_000_000)).unwrap();
    pack(&world, "noise");
    let before = names(&world);
    let calls: [&[&str]; 3] = [
        &["import", "rootfs.tar", "oci:new"],
        &["build", "oci-archive:app.tar", "--path", "source", "--builder", "oci:builder", "--env", "SEED=1"],
        &["build", "oci:app:other", "--path", "source", "--builder", "oci:builder", "--env", "SEED=2"],
    ];
    for call in calls {
        let outcome = with_file_size(world.dhow(call), 2000);
        assert!(outcome.code.is_some(), "{call:?} was killed");
        assert_ne!(outcome.code, Some(0), "{call:?}");
        assert_eq!(names(&world), before, "{call:?}");
        let errors = outcome.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(errors == 1 && outcome.stderr.contains("File too large"), "{call:?}: {}", outcome.stderr);
        assert_eq!(outcome.error_and_hint().1, Some("ulimit -f unlimited"), "{call:?}");
    }
    world.dhow(["layout", "check", "app"]).run().success();
}

#[test]
fn a_disk_without_inodes_is_a_full_disk_whatever_is_made_next() {
    let world = World::with_script(LAYER);
    fs::write(world.path("small"), "small").unwrap();
    pack(&world, "small");
    world.build("oci:app", "source", &[]).success();
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    for inodes in 2..12 {
        let mut mount = Command::new(tool("mount"));
        let options = format!("nr_inodes={inodes},size=50m");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&disk).status().unwrap();
        if !mounted.success() {
            // Only root mounts.
            return;
        }
        let outcomes = [
            world.dhow(["import", "rootfs.tar", "oci:disk/image"]).run(),
            world.dhow(["run", "oci:app"]).env("DHOW_CACHE_DIR", disk.join("cache")).run(),
        ];
        assert!(Command::new(tool("umount")).arg(&disk).status().unwrap().success());
        for Outcome { code, stderr, .. } in outcomes.into_iter().filter(|outcome| outcome.code != Some(0)) {
            assert!(code.is_some() && stderr.contains("No space left on device"), "{inodes}: {stderr}");
            assert!(!stderr.contains("layout check"), "{inodes}: {stderr}");
        }
    }
}

/// Makes `rootfs.tar` of a file.
fn pack(world: &World, file: &str) {
    let mut tar = Command::new(tool("tar"));
    assert!(tar.args(["-cf", "rootfs.tar", file]).current_dir(world.root()).status().unwrap().success());
}

fn random(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn names(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.root()).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .map(|entry| format!("{} {}", entry.file_name().to_str().unwrap(), entry.metadata().unwrap().mode()))
        .collect();
    names.sort();
    names
}
