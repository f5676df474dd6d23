//! Many builds at once, and builds that are killed: the layout is always whole.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use dhow_fs::{Lock, LockMode, Root};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Base, Image, Outcome, World, await_line, blobs, tool};

const APP: &str = "mkdir -p $CNB_LAYERS_DIR/x\necho $SEED >$CNB_LAYERS_DIR/x/seed\n\
                   printf '[types]\\nlaunch = true\\ncache = true\\n' >$CNB_LAYERS_DIR/x.toml\n";

fn outcome(child: Child) -> Outcome {
    Outcome::of(child.wait_with_output().unwrap())
}

#[track_caller]
fn assert_whole(world: &World, layout: &str) {
    let check = world.dhow(["layout", "check", layout]).run();
    assert_eq!((check.code, &*check.stdout), (Some(0), &*format!("{layout}: nothing is wrong\n")), "{}", check.stderr);
}

#[test]
fn sixteen_builds_at_once_into_one_layout_are_sixteen_tags() {
    let world = World::with_script(APP);
    let builds: Vec<Child> = (0..16)
        .map(|number| {
            let seed = format!("SEED={number}");
            world.build_command(&format!("oci:app:tag{number}"), "source", &["--env", &seed]).spawn()
        })
        .collect();
    let digests: Vec<String> = builds.into_iter().map(|build| outcome(build).success().digest()).collect();
    for (number, digest) in digests.iter().enumerate() {
        assert_eq!(Image::read(world.path("app"), &format!("tag{number}")).digest(), digest);
    }
    assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), 16);
    assert_whole(&world, "app");
    let before = blobs(world.path("app"));
    world.dhow(["layout", "gc", "app"]).run().success();
    assert_eq!(blobs(world.path("app")), before);
}

#[test]
fn a_second_build_of_one_tag_waits_and_says_so() {
    let world = World::with_script("echo started\nwhile [ ! -f /signals/go ]; do sleep 0.02; done\n");
    fs::create_dir(world.path("signals")).unwrap();
    let volume = format!("{}:/signals", world.path("signals").display());
    let mut first = world.build_command("oci:app", "source", &["--volume", &volume]).spawn();
    let mut talk = BufReader::new(first.stderr.take().unwrap());
    await_line(&mut talk, "started");
    let mut second = world.build_command("oci:app", "source", &["--volume", &volume]).spawn();
    let mut talk_of_second = BufReader::new(second.stderr.take().unwrap());
    await_line(&mut talk_of_second, "Waiting for another build of oci:app");
    assert!(second.try_wait().unwrap().is_none());
    fs::write(world.path("signals/go"), "").unwrap();
    for (mut child, mut talk) in [(first, talk), (second, talk_of_second)] {
        let mut rest = String::new();
        talk.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{rest}");
    }
    assert_whole(&world, "app");
}

#[test]
fn a_build_that_waits_for_its_layout_says_so_once_and_others_say_nothing_of_waiting() {
    let world = World::with_script(APP);
    world.build("oci:app", "source", &["--env", "SEED=1"]).success().does_not_say("Waiting");
    let lock = Lock::attempt(&Root::host().unwrap(), &world.path("app"), LockMode::Exclusive).unwrap();
    let mut build = world.build_command("oci:app", "source", &["--env", "SEED=2"]).spawn();
    let mut talk = BufReader::new(build.stderr.take().unwrap());
    await_line(&mut talk, "Waiting for another writer of app");
    assert!(build.try_wait().unwrap().is_none());
    drop(lock);
    let mut rest = String::new();
    talk.read_to_string(&mut rest).unwrap();
    assert!(build.wait().unwrap().success(), "{rest}");
    assert!(!rest.contains("Waiting"), "{rest}");
}

#[test]
fn builds_killed_at_any_instant_leave_a_whole_layout_and_the_next_one_succeeds() {
    let world = World::with_script(&format!("{APP}yes $SEED | head -c 400000 >$CNB_LAYERS_DIR/x/data\n"));
    let lines = world.build("oci:app", "source", &["--env", "SEED=first"]).success().stderr.lines().count();
    let rounds = 2 * lines;
    let mut killed = 0;
    for round in 0..rounds {
        let seed = format!("SEED={round}");
        let mut child = world.build_command("oci:app", "source", &["--env", &seed]).spawn();
        // The instants are spread over the whole build: some time after each thing that it says.
        let talk = BufReader::new(child.stderr.take().unwrap());
        let _said: Vec<_> = talk.lines().take(round / 2).collect();
        let instant = Instant::now() + Duration::from_micros(70) * u32::try_from(round % 7).unwrap();
        while Instant::now() < instant {
            std::thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        // It may have ended by itself just now.
        let _ended = kill_process(Pid::from_child(&child), Signal::KILL);
        child.wait().unwrap();
        assert_whole(&world, "app");
        Image::read(world.path("app"), "latest");
    }
    assert!(killed >= rounds / 2, "only {killed} of {rounds} builds were still running when they were killed");
    let last = world.build("oci:app", "source", &["--env", "SEED=last"]).success().digest();
    let fresh = World::new();
    let builder = format!("oci:{}", world.path("builder").display());
    Base::with_builder(&fresh);
    let source = world.path("source");
    let again = ["build", "oci:app", "--path", source.to_str().unwrap(), "--builder", &builder, "--env", "SEED=last"];
    assert_eq!(fresh.dhow(again).run().success().digest(), last);
    world.dhow(["layout", "gc", "app"]).run().success();
    assert_whole(&world, "app");
    assert_nothing_left(&world);
}

#[test]
fn an_interrupted_build_ends_every_process_and_leaves_no_half_image() {
    let world = World::with_script("echo started\nsleep 1000 &\nsleep 1000\n");
    for signal in [Signal::INT, Signal::TERM] {
        // A shell ignores SIGINT on behalf of what it starts in the background, as these tests may be.
        let defaults = ["--default-signal=INT,TERM"];
        let mut child = world.build_command("oci:app", "source", &[]).through(&tool("env"), &defaults).spawn();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        await_line(&mut talk, "started");
        kill_process(Pid::from_child(&child), signal).unwrap();
        // Every writer of the stream must be gone for it to end.
        let mut rest = String::new();
        talk.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("error: interrupted\n"), "{rest}");
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
        assert!(!world.path("app/index.json").exists());
        assert_nothing_left(&world);
    }
}

/// Asserts that no process works in the world's directory and nothing is mounted there.
fn assert_nothing_left(world: &World) {
    let root = world.root().to_str().unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(root), "{mounts}");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = processes_naming(root);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        std::thread::yield_now();
    }
}

/// Command lines of processes that have a mount or an argument below a directory, but for this one.
fn processes_naming(root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let path = entry.path();
        let is_process = entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        if !is_process || entry.file_name().to_str() == Some(&*std::process::id().to_string()) {
            continue;
        }
        let read = |file: &str| String::from_utf8_lossy(&fs::read(path.join(file)).unwrap_or_default()).into_owned();
        if read("cmdline").contains(root) || read("mountinfo").contains(root) {
            found.push(format!("{} {}", path.display(), read("cmdline").replace('\0', " ")));
        }
    }
    found
}

#[test]
fn gc_spares_what_a_live_build_has_written() {
    let world = World::with_script("true");
    world.build("oci:app:other", "source", &[]).success();
    world.write("source/build.sh", APP);
    let builds: Vec<Child> = (0..4)
        .map(|number| {
            let seed = format!("SEED={number}");
            world.build_command(&format!("oci:app:t{number}"), "source", &["--env", &seed]).spawn()
        })
        .collect();
    let mut collections = 0;
    let mut builds = builds;
    while builds.iter_mut().any(|build| build.try_wait().unwrap().is_none()) {
        world.dhow(["layout", "gc", "app"]).run().success();
        collections += 1;
    }
    for build in builds {
        outcome(build).success();
    }
    assert!(collections > 0);
    assert_whole(&world, "app");
}
