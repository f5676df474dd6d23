//! What a person at a terminal gets: colours, one line of progress, and a Ctrl-C that ends everything.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::support::{Base, Dhow, World, await_line};

/// The key that interrupts, as a terminal sends it.
const CTRL_C: &[u8] = b"\x03";

/// Tells whether a process has `word` among its arguments.
fn is_running(word: &str) -> bool {
    !states(word).is_empty()
}

/// Waits until a process with this argument runs, or none does any more; a kill from outside takes a moment.
fn becomes_running(word: &str, running: bool) -> bool {
    let look = || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        is_running(word) == running
    };
    (0..1000).any(|_| look())
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
    assert!(becomes_running(&seconds, true));
    terminal.stdin.as_mut().unwrap().write_all(CTRL_C).unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(130), "{rest}");
    assert!(becomes_running(&seconds, false), "{rest}");
    assert!(!rest.contains("Successfully built"), "{rest}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*world.root().to_string_lossy()), "{mounts}");
    let inspected = world.dhow(["inspect", "oci:app", "--format", "json"]).run().success();
    assert_eq!(inspected.json()["digest"], before.as_str());
    world.dhow(["layout", "check", "app"]).run().success();
    world.script_app("source", "true");
    assert_eq!(world.build("oci:app", "source", &[]).success().digest(), before);
}

/// Tells the states of the processes that have `word` among their arguments.
fn states(word: &str) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let has_word = |path: &Path| {
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    let state = |path: std::path::PathBuf| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        Some(status.lines().find_map(|line| line.strip_prefix("State:\t"))?[..1].to_owned())
    };
    pids.filter(|path| has_word(path)).filter_map(state).collect()
}

#[test]
fn ctrl_z_stops_every_process_of_the_build_and_fg_continues_them() {
    // No other process on the machine has this argument.
    let word = format!("stopped-{}", std::process::id());
    let wait = format!("sh -c 'while [ ! -f /signals/go ]; do sleep 0.02; done' {word}");
    let world = World::with_script(&format!("{wait} &\necho started\n{wait}\nwait\n"));
    fs::create_dir(world.path("signals")).unwrap();
    let volume = format!("{}:/signals", world.path("signals").display());
    let build = world.build_command("oci:app", "source", &["--volume", &volume]);
    let line = |dhow: &str| format!("bash -c 'set -m; {dhow}; echo stopped; read line; fg; echo ended $?'");
    let mut terminal = build.on_a_terminal_as(line).spawn_with_input();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    await_line(&mut screen, "started");
    let become_stopped = |expected: bool| {
        (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let states = states(&word);
            if expected { states == ["T", "T"] } else { states.is_empty() }
        })
    };
    assert!((0..1000).any(|_| states(&word).len() == 2 || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        false
    }));
    terminal.stdin.as_mut().unwrap().write_all(b"\x1a").unwrap();
    let is_stopped = become_stopped(true);
    fs::write(world.path("signals/go"), "").unwrap();
    let found = states(&word);
    if is_stopped {
        await_line(&mut screen, "stopped");
        terminal.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
    let is_over = become_stopped(false);
    if !(is_stopped && is_over) {
        terminal.kill().unwrap();
    }
    assert!(is_stopped && is_over, "stopped: {is_stopped} {found:?}, continued: {is_over}");
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Successfully built image oci:app") && rest.contains("ended 0"), "{rest}");
    terminal.wait().unwrap();
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

/// An image with busybox, whose programs tell what their streams are.
fn world_with_image() -> World {
    let world = World::new();
    let base = Base::of(&world);
    base.write_run_image(&world.path("image"), "latest", &[base.busybox()], crate::support::Media::Oci);
    world
}

/// `dhow run` of a script of the image; in one word, as `script` wants it.
fn run_script(world: &World, flags: &[&str], script: &str) -> Dhow {
    let arguments = ["run", "oci:image", "--network", "none"].into_iter().chain(flags.iter().copied());
    world.dhow(arguments.chain(["--", "sh", "-c", &format!("\"{script}\"")]))
}

#[test]
fn a_program_on_a_terminal_has_one_of_its_own_of_the_same_size_and_the_callers_is_as_before() {
    let world = world_with_image();
    let run = run_script(&world, &[], "tty; stty size; echo term $TERM; (: </dev/tty) && echo opens");
    let line = |dhow: &str| format!("stty cols 101 rows 31; stty -a >before; {} ; stty -a >after", escaped(dhow));
    let mut terminal = run.on_a_terminal_as(line).spawn_with_input();
    let mut screen = String::new();
    terminal.stdout.take().unwrap().read_to_string(&mut screen).unwrap();
    terminal.wait().unwrap();
    assert_eq!(screen, "/dev/pts/0\r\n31 101\r\nterm xterm\r\nopens\r\n");
    let modes = |name: &str| fs::read_to_string(world.path(name)).unwrap();
    assert!(modes("before").contains(" icanon"), "{}", modes("before"));
    assert_eq!(modes("before"), modes("after"));
}

/// The variables of a script are the container's, not those of the shell that starts dhow.
fn escaped(line: &str) -> String {
    line.replace('$', "\\$")
}

#[test]
fn the_callers_terminal_is_as_before_after_a_signal_and_raw_meanwhile() {
    let world = world_with_image();
    let run = run_script(&world, &[], "echo ready; while :; do sleep 0.05; done");
    let mut terminal =
        run.on_a_terminal_as(|dhow| format!("sh -c 'echo $$ >pid; exec {dhow}'; stty -a >after")).spawn_with_input();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    await_line(&mut screen, "ready");
    let pid: i32 = fs::read_to_string(world.path("pid")).unwrap().trim().parse().unwrap();
    let is_raw = || {
        let input = fs::File::open(format!("/proc/{pid}/fd/0")).unwrap();
        !rustix::termios::tcgetattr(&input).unwrap().local_modes.contains(rustix::termios::LocalModes::ICANON)
    };
    assert!((0..400).any(|_| is_raw() || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        false
    }));
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    terminal.wait().unwrap();
    let after = fs::read_to_string(world.path("after")).unwrap();
    assert!(after.contains(" icanon") && after.contains(" echo "), "{after}");
}

#[test]
fn a_program_without_a_terminal_never_gets_the_callers() {
    let world = world_with_image();
    let script = "tty; test -t 1 || echo no output; test -t 2 || echo no error >&2; (: </dev/tty) || true; cat";
    let run = run_script(&world, &["-t=false"], script);
    let mut terminal = run.on_a_terminal().spawn_with_input();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    for line in ["not a tty", "no output", "no error"] {
        await_line(&mut screen, line);
    }
    await_line(&mut screen, "sh: can't open /dev/tty: No such device or address");
    // Typed at the caller's terminal, which dhow reads for the program.
    terminal.stdin.as_mut().unwrap().write_all(b"typed\n\x04").unwrap();
    await_line(&mut screen, "typed");
    assert_eq!(terminal.wait().unwrap().code(), Some(0));
}

#[test]
fn flags_give_a_terminal_and_take_the_input() {
    let world = world_with_image();
    let plain = |flags: &[&str], command: &[&str]| {
        let arguments = ["run", "oci:image"].into_iter().chain(flags.iter().copied()).chain(["--"]);
        world.dhow(arguments.chain(command.iter().copied()))
    };
    assert_eq!(plain(&["-it"], &["busybox", "tty"]).run().success().stdout, "/dev/pts/0\r\n");
    assert_eq!(plain(&[], &["busybox", "tty"]).run().stdout, "not a tty\n");
    for (flags, expected) in [(&["-i"][..], "words"), (&["-i=false"], ""), (&["-t=false"], "words")] {
        let mut child = plain(flags, &["cat"]).spawn_with_input();
        // The program may be gone before it is written to.
        let _ = child.stdin.take().unwrap().write_all(b"words");
        assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), expected, "{flags:?}");
    }
    // What is piped to a terminal is typed, and its end is the key that says so.
    let mut child = plain(&["-t"], &["cat"]).spawn_with_input();
    child.stdin.take().unwrap().write_all(b"words\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"words\r\nwords\r\n");
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
