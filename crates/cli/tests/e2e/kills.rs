//! Commands that are killed at random instants, again and again: the next ones leave nothing unfinished.
//!
//! `DHOW_KILLS` says how many seconds of kills; a few unless it is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Base, Dhow, World};

const APP: &str = "mkdir -p $CNB_LAYERS_DIR/x\nyes $SEED | head -c 200000 >$CNB_LAYERS_DIR/x/data\n\
                   printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml\n";

/// The commands, each of which writes in places of its own and in those of all.
fn commands(world: &World, seed: u64) -> Vec<Dhow> {
    let variable = format!("SEED={seed}");
    let build = |image: &str| world.build_command(image, "source", &["--env", &variable]);
    vec![
        build("oci:images/app"),
        build("oci-archive:images/app.tar"),
        world.dhow(["import", "rootfs.tar", "oci:images/base"]),
        world.dhow(["rebase", "oci:rebased", "--run-image", "oci:base", "--force"]),
        world.dhow(["builder", "create", "oci:images/made", "--config", "builder.toml"]),
        world.dhow(["sbom", "download", "oci:rebased", "--output-dir", "sbom"]),
        world.dhow(["run", "oci:rebased", "--", "true"]),
        world.dhow(["config", "default-builder", "oci:builder"]),
    ]
}

#[test]
fn whatever_is_killed_the_next_commands_leave_nothing_unfinished() {
    let seconds = std::env::var("DHOW_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let world = World::with_script(APP);
    world.write("rootfs/etc/os-release", "ID=tiny\nVERSION_ID=\"1\"\n");
    world.write("rootfs/data", vec![7; 300_000]);
    let mut tar = std::process::Command::new(crate::support::tool("tar"));
    assert!(tar.args(["-C", "rootfs", "-cf", "rootfs.tar", "."]).current_dir(world.root()).status().unwrap().success());
    fs::create_dir(world.path("images")).unwrap();
    world.write("builder.toml", "[build]\nimage = \"oci:builder\"\n[[run.images]]\nimage = \"example.test/run:1\"\n");
    world.build("oci:rebased", "source", &["--env", "SEED=0"]).success();
    let run = Base::of(&world).repository("example.test/run/1");
    let copied =
        std::process::Command::new(crate::support::tool("cp")).arg("-r").arg(run).arg(world.path("base")).status();
    assert!(copied.unwrap().success());

    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut random, mut rounds, mut killed) = (Random(0x5eed_1234), 0_u64, 0_u64);
    while Instant::now() < end {
        rounds += 1;
        let all = commands(&world, rounds);
        let chosen = random.next(all.len() as u64) as usize;
        let mut child = all.into_iter().nth(chosen).unwrap().spawn();
        std::thread::sleep(Duration::from_micros(random.next(60_000)));
        killed += u64::from(kill(&mut child));
    }
    eprintln!("{killed} of {rounds} commands were killed");
    assert!(killed > rounds / 4, "only {killed} of {rounds}");

    for (number, command) in commands(&world, 0).into_iter().enumerate() {
        let outcome = command.run();
        // A description without buildpacks makes no builder; it is here for what it leaves.
        assert!(outcome.code == Some(0) || number == 4, "{number}: {}", outcome.stderr);
    }
    let left = unfinished(world.root());
    assert_eq!(left, Vec::<PathBuf>::new());
    for layout in ["images/app", "images/base", "rebased"] {
        world.dhow(["layout", "check", layout]).run().success();
    }
}

fn kill(child: &mut Child) -> bool {
    let is_running = child.try_wait().unwrap().is_none();
    // It may have ended by itself just now.
    let _ended = kill_process(Pid::from_child(child), Signal::KILL);
    child.wait().unwrap();
    is_running
}

/// Everything that dhow gives a name of its own for as long as it is not finished.
fn unfinished(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(".dhow-")) {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(unfinished(&entry.path()));
        }
    }
    found
}

/// Numbers that look like chance, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}
