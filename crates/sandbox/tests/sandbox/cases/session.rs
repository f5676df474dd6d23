//! The job's session: no terminal of the caller, perhaps one of its own, and signals that stay inside.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use dhow_sandbox::{Exit, HostIds, Job, Network, Running, Streams, TerminalSize, plan_id_map, spawn};
use rustix::termios::Winsize;

use crate::fixture::{GID, UID, job, run, script};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("the_callers_terminal_cannot_be_opened", the_callers_terminal_cannot_be_opened),
    ("a_signal_to_its_own_process_group_stays_in_the_job", a_signal_to_its_group_stays),
    ("a_program_that_was_stopped_goes_on", a_stopped_program_goes_on),
    ("a_job_is_paused_with_every_process_of_it_and_goes_on", a_job_is_paused),
    ("a_program_can_have_a_terminal_of_its_own", a_terminal_of_its_own),
    ("a_terminal_of_its_own_is_in_the_containers_dev_and_belongs_to_the_job", a_terminal_belongs_to_the_job),
];

fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

fn the_callers_terminal_cannot_be_opened() {
    let mut on_terminal = Command::new("script");
    on_terminal.args(["--quiet", "--return", "--command", &this_program(), "/dev/null"]).env(TERMINAL, "1");
    let output = on_terminal.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.trim(), "caller: open\r\njob: closed", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Kernels before 6.12 scope no signals; a filter makes this one answer as they do.
fn a_signal_to_its_group_stays() {
    // In a process group of its own, as it would take this one along.
    let output = Command::new(this_program()).env(NO_LANDLOCK, "1").process_group(0).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The group is the container's, and nothing outside is in it: not even dhow's own helper, which cleans up.
    assert_eq!(run(&script("cut -d ' ' -f 5,6 /proc/$$/stat")).text(), "1 1\n");
    assert_eq!(
        text,
        "no scope: done\nkilled: Signal(9)\nnot paused: Code(5)\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What this program does when one of the tests above calls it.
pub(crate) fn be_the_caller_if_asked() {
    if std::env::var_os(TERMINAL).is_some() {
        let opens = std::fs::File::open("/dev/tty").is_ok();
        println!("caller: {}", if opens { "open" } else { "closed" });
        print!("job: {}", run(&script("(: </dev/tty) 2>/dev/null && echo open || echo closed")).text());
        std::process::exit(0);
    }
    if std::env::var_os(NO_LANDLOCK).is_some() {
        refuse_landlock();
        let mut connecting = job(&["/inside", "abstract", "dhow-sandbox-test-scope"]);
        let name = format!("dhow-sandbox-test-scope-{}", std::process::id());
        let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        connecting.argv[2] = name.into();
        connecting.network = Network::Host;
        print!("no scope: {}", run(&with_simple_map(connecting)).text());
        println!("killed: {:?}", run(&with_simple_map(script("kill -KILL 0"))).exit);
        println!("not paused: {:?}", end_of(&with_simple_map(script("kill -TSTP 1; sleep 0.1; exit 5"))));
        std::process::exit(0);
    }
}

/// The filter comes with `no_new_privs`, under which `newuidmap` has no power.
fn with_simple_map(mut job: Job) -> Job {
    job.id_map = plan_id_map(&HostIds { helpers: false, ..HostIds::read() }, UID, GID);
    job
}

fn refuse_landlock() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let calls = [(libc::SYS_landlock_create_ruleset, Vec::new())].into();
    let refusal = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, refusal, architecture).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

const TERMINAL: &str = "DHOW_SANDBOX_TEST_TERMINAL";
const NO_LANDLOCK: &str = "DHOW_SANDBOX_TEST_NO_LANDLOCK";

fn a_stopped_program_goes_on() {
    assert_eq!(end_of(&script("sh -c 'kill -STOP $PPID'; kill -STOP $$; exit 6")), Exit::Code(6));
}

/// Returns how a job ends, which is killed if it hangs.
fn end_of(job: &Job) -> Exit {
    let running = spawn(job, Streams::captured()).unwrap();
    end_of_running(running)
}

fn end_of_running(mut running: Running) -> Exit {
    let end = running.handle();
    let (done, timer) = std::sync::mpsc::channel::<()>();
    let killer = std::thread::spawn(move || {
        if timer.recv_timeout(Duration::from_secs(20)).is_err() {
            end.kill();
        }
    });
    let exit = running.wait().unwrap();
    // Nobody listens where it was killed.
    let _ = done.send(());
    killer.join().unwrap();
    exit
}

/// Returns the states of the processes of a job, without the container's process 1.
fn states(running: &Running) -> Vec<String> {
    let children = |pid: u32| -> Vec<u32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    };
    let mut pending: Vec<u32> = children(running.pid()).into_iter().flat_map(children).collect();
    let mut states = Vec::new();
    while let Some(pid) = pending.pop() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        states.extend(status.lines().filter_map(|line| Some(line.strip_prefix("State:\t")?[..1].to_owned())));
        pending.extend(children(pid));
    }
    states
}

fn a_job_is_paused() {
    let job = script("setsid sleep 1000 & echo ready; read word; exit 7");
    let streams = Streams { stdin: Stdio::piped(), ..Streams::captured() };
    let mut running = spawn(&job, streams).unwrap();
    let mut output = BufReader::new(running.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    let is_soon = |expected: &[&str]| {
        (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            states(&running) == expected
        })
    };
    assert!(is_soon(&["S", "S"]), "{:?}", states(&running));
    running.handle().pause();
    assert!(is_soon(&["T", "T"]), "{:?}", states(&running));
    running.handle().resume();
    assert!(is_soon(&["S", "S"]), "{:?}", states(&running));
    running.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert_eq!(end_of_running(running), Exit::Code(7));
}

/// A job on a terminal of its own, and both directions of that terminal's other end.
fn on_terminal(text: &str) -> (Running, BufReader<std::fs::File>, std::fs::File) {
    let mut job = script(text);
    job.terminal = Some(TerminalSize { rows: 33, columns: 99 });
    let mut running = spawn(&job, Streams::inherit()).unwrap();
    let writer = std::fs::File::from(running.terminal.take().unwrap());
    (running, BufReader::new(writer.try_clone().unwrap()), writer)
}

fn a_terminal_of_its_own() {
    let (mut running, mut screen, mut keyboard) = on_terminal(
        "trap 'echo interrupted; exit 5' INT; trap 'stty size' WINCH; test -t 0 && test -t 1 && test -t 2 && stty size; \
         read word; echo \"read $word\" >/dev/tty; while :; do sleep 0.02; done",
    );
    let mut line = || {
        let mut line = String::new();
        screen.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    assert_eq!(line(), "33 99");
    keyboard.write_all(b"typed\r").unwrap();
    assert_eq!([line(), line()], ["typed", "read typed"]);
    let larger = Winsize { ws_row: 44, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&keyboard, larger).unwrap();
    assert_eq!(line(), "44 111");
    keyboard.write_all(b"\x03").unwrap();
    assert_eq!(line(), "^Cinterrupted");
    assert_eq!(running.wait().unwrap(), Exit::Code(5));
    let end = screen.read(&mut [0]).unwrap_err();
    assert_eq!(end.raw_os_error(), Some(libc::EIO));
}

fn a_terminal_belongs_to_the_job() {
    let (mut running, mut screen, _keyboard) =
        on_terminal("tty; stat -c %u /dev/pts/0; (: <>/dev/pts/0) && echo opens; ls /dev/pts | tr '\\n' ' '");
    let mut text = String::new();
    // The end is an error of the terminal.
    let _ = screen.read_to_string(&mut text);
    assert_eq!(running.wait().unwrap(), Exit::Code(0), "{text}");
    assert_eq!(crate::fixture::words(&text), ["/dev/pts/0", "1000", "opens", "0", "ptmx"]);
}
