//! What a person at a terminal gets: colours, one line of progress, and a Ctrl-C that ends everything.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::support::{Base, World, await_line};

/// The key that interrupts, as a terminal sends it.
const CTRL_C: &[u8] = b"\x03";

/// Tells whether a process has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let has_word = |path: &Path| {
        fs::read(path.join("cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| has_word(&entry.path()))
}

#[test]
fn ctrl_c_ends_the_build_every_process_of_it_and_leaves_the_old_image() {
    // No other process on the machine sleeps just that long.
    let seconds = format!("98{}", std::process::id());
    let world = World::with_script("true");
    let before = world.build("oci:app", "source", &[]).success().digest();
    let script =
        format!("sleep {seconds} &\n(trap '' INT TERM; sleep {seconds}) &\necho interrupt me\nsleep {seconds}\n");
    world.script_app("source", &script);
    let mut terminal = world.build_command("oci:app", "source", &[]).on_a_terminal().spawn_with_input();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    await_line(&mut screen, "interrupt me");
    assert!(is_running(&seconds));
    terminal.stdin.as_mut().unwrap().write_all(CTRL_C).unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(130), "{rest}");
    assert!(!is_running(&seconds), "{rest}");
    assert!(!rest.contains("Successfully built"), "{rest}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*world.root().to_string_lossy()), "{mounts}");
    let inspected = world.dhow(["inspect", "oci:app", "--format", "json"]).run().success();
    assert_eq!(inspected.json()["digest"], before.as_str());
    world.dhow(["layout", "check", "app"]).run().success();
    world.script_app("source", "true");
    assert_eq!(world.build("oci:app", "source", &[]).success().digest(), before);
}

#[test]
fn ctrl_c_ends_a_run_program() {
    let world = World::new();
    let base = Base::of(&world);
    base.write_run_image(&world.path("image"), "latest", &[base.busybox()], crate::support::Media::Oci);
    let script = "trap 'echo stopped; exit 9' INT; echo ready; while true; do sleep 0.05; done";
    let run = world.dhow(["run", "oci:image", "--", "sh", "-c", &format!("\"{script}\"")]);
    let mut terminal = run.on_a_terminal().spawn_with_input();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    await_line(&mut screen, "ready");
    terminal.stdin.as_mut().unwrap().write_all(CTRL_C).unwrap();
    await_line(&mut screen, "stopped");
    assert_eq!(terminal.wait().unwrap().code(), Some(9));
}

#[test]
fn a_terminal_gets_colours_unless_they_are_unwanted_and_a_pipe_gets_none() {
    const ESCAPE: &str = "\x1b[";
    let world = World::with_script("printf '\\033[35mcoloured\\033[0m\\n'");
    let on_terminal = |flags: &[&str]| world.build_command("oci:app", "source", flags).on_a_terminal();
    let coloured = on_terminal(&[]).run();
    assert_eq!(coloured.code, Some(0), "{}", coloured.stdout);
    assert!(coloured.stdout.contains("\x1b[35mcoloured"), "{}", coloured.stdout);
    assert!(coloured.stdout.contains("Successfully built image oci:app"), "{}", coloured.stdout);
    for plain in [on_terminal(&["--no-color"]).run(), on_terminal(&[]).env("NO_COLOR", "1").run()] {
        assert_eq!(plain.code, Some(0), "{}", plain.stdout);
        assert!(!plain.stdout.contains(ESCAPE), "{:?}", plain.stdout);
    }
    let piped = world.build("oci:app", "source", &[]).success();
    assert!(!piped.stderr.contains(ESCAPE) && !piped.stdout.contains(ESCAPE), "{:?}", piped.stderr);
}

#[test]
fn a_buildpack_cannot_command_the_terminal() {
    let script = r"{
        printf '\033]0;title\007\033[2Jshown \033]8;;http://example.test\033\\link\033]8;;\033\\ \033[1Aend\n'
        printf '\302\233\062\112\033[8mhidden\n\033]52;c;Y29weQ=='
    } >&2";
    let world = World::with_script(script);
    let screen = world.build_command("oci:app", "source", &[]).on_a_terminal().run().success().stdout;
    assert!(screen.contains("shown link end\r\n"), "{screen:?}");
    // What dhow itself writes next is seen, whatever the buildpack hid.
    assert!(screen.contains("\x1b[8mhidden\r\n\x1b[0m"), "{screen:?}");
    assert!(screen.contains("Successfully built image oci:app"), "{screen:?}");
    for (what, sequence) in
        [("a title", "\x1b]"), ("a link", "\x1b]8"), ("erasure", "\x1b[2J"), ("movement", "\x1b[1A")]
    {
        assert!(!screen.contains(sequence), "{what} in {screen:?}");
    }
    assert!(!screen.contains('\u{9b}'), "{screen:?}");
}
