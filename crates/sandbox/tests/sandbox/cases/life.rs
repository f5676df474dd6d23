//! How jobs begin and end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use dhow_sandbox::{Exit, Job, Mount, Streams, remove_tree, spawn};
use rustix::process::Signal;

use super::tree::layers;
use crate::fixture::{job, run, script};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("the_programs_exit_code_is_passed_through", exit_codes),
    ("the_signal_that_ended_the_program_is_passed_through", signals_that_end),
    ("a_signal_to_the_job_reaches_its_program", a_signal_reaches_the_program),
    ("processes_that_the_program_leaves_behind_are_killed", orphans_are_killed),
    ("zombies_of_orphans_are_reaped", zombies_of_orphans_are_reaped),
    ("standard_input_reaches_the_program", standard_input),
    ("killing_a_job_kills_every_process_of_it", kill_kills_everything),
    ("dropping_a_job_kills_every_process_of_it", drop_kills_everything),
    ("everything_dies_with_the_caller_even_by_sigkill", everything_dies_with_the_caller),
    ("everything_dies_with_the_helper_even_by_sigkill", everything_dies_with_the_helper),
    ("no_mount_remains_on_the_machine", no_mount_remains),
    ("a_hundred_jobs_leave_no_descriptor_and_no_zombie", a_hundred_jobs),
    ("jobs_run_side_by_side", jobs_run_side_by_side),
    ("a_tree_of_several_owners_can_be_removed", a_tree_can_be_removed),
    ("a_job_is_the_same_after_its_journey", a_job_survives_its_journey),
];

fn exit_codes() {
    for code in [0, 1, 77, 255] {
        assert_eq!(run(&script(&format!("exit {code}"))).exit, Exit::Code(code));
    }
}

fn signals_that_end() {
    let exit = run(&script("kill -SEGV $$")).exit;
    assert_eq!((exit, exit.code()), (Exit::Signal(11), 139));
    assert_eq!(run(&script("kill -KILL $$")).exit, Exit::Signal(9));
}

fn a_signal_reaches_the_program() {
    for (signal, name, code) in [(Signal::TERM, "TERM", 42), (Signal::INT, "INT", 43), (Signal::USR1, "USR1", 44)] {
        let job = script(&format!("trap 'exit {code}' {name}; echo ready; sleep 1000 & wait"));
        let mut running = ready(&job);
        running.handle().signal(signal);
        assert_eq!(running.wait().unwrap(), Exit::Code(code));
    }
    let mut running = ready(&script("echo ready; exec sleep 1000"));
    running.handle().signal(Signal::TERM);
    assert_eq!(running.wait().unwrap(), Exit::Signal(15));
}

fn orphans_are_killed() {
    // Ends when the last process that holds the pipe is dead.
    assert_eq!(run(&job(&["/inside", "orphan"])).exit, Exit::Code(0));
}

fn zombies_of_orphans_are_reaped() {
    // Process 1, the shell, and the two that count.
    let text = run(&script(
        "for i in 1 2 3 4 5; do (sh -c 'exit 0' & exec true); done; n=0; \
         while [ $(ls -d /proc/[0-9]* | wc -l) -gt 4 ]; do n=$((n+1)); [ $n -lt 10000 ] || exit 1; done; echo done",
    ))
    .text();
    assert_eq!(text, "done\n");
}

fn standard_input() {
    let job = script("cat; echo end");
    let streams = Streams { stdin: Stdio::piped(), ..Streams::captured() };
    let mut running = spawn(&job, streams).unwrap();
    running.stdin.take().unwrap().write_all(b"words\n").unwrap();
    let mut text = String::new();
    running.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), running.wait().unwrap()), ("words\nend\n", Exit::Code(0)));
}

/// Starts a job and waits until it has said that it is ready.
fn ready(job: &Job) -> dhow_sandbox::Running {
    let mut running = spawn(job, Streams::captured()).unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(running.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    running.stdout = Some(output.into_inner());
    running
}

/// A job with a process in the background; its output ends when the last of its processes is dead.
fn crowd() -> Job {
    script("trap '' TERM INT HUP; (setsid sleep 1000 &) ; sleep 1000 & echo ready; sleep 1000")
}

fn kill_kills_everything() {
    let mut running = ready(&crowd());
    let mut output = running.stdout.take().unwrap();
    assert_eq!(running.kill().unwrap(), Exit::Signal(9));
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
}

fn drop_kills_everything() {
    let mut running = ready(&crowd());
    let mut output = running.stdout.take().unwrap();
    drop(running);
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
}

fn everything_dies_with_the_caller() {
    let mut caller = Command::new(std::env::current_exe().unwrap())
        .env(CALLER, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(caller.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    caller.kill().unwrap();
    caller.wait().unwrap();
    // Ends when the last process that holds the pipe is dead.
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
}

/// Runs a job on this process's own streams until someone kills it.
pub(crate) fn be_the_caller_if_asked() {
    if std::env::var_os(CALLER).is_some() {
        let _ = spawn(&crowd(), Streams::inherit()).unwrap().wait();
    }
}

const CALLER: &str = "DHOW_SANDBOX_TEST_CALLER";

fn everything_dies_with_the_helper() {
    let mut running = ready(&crowd());
    let mut output = running.stdout.take().unwrap();
    running.handle().signal(Signal::KILL);
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
    assert_eq!(running.wait().unwrap(), Exit::Signal(9));
}

fn no_mount_remains() {
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("echo x > /tmp/x");
    job.root = layers(directory.path(), &["layer"]);
    run(&job).text();
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

fn a_hundred_jobs() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..100 {
        run(&job(&["true"])).text();
    }
    assert_eq!(descriptors(), before);
    assert!(rustix::process::waitpid(None, rustix::process::WaitOptions::NOHANG).is_err());
}

fn jobs_run_side_by_side() {
    let threads: Vec<_> =
        (0..8).map(|number| std::thread::spawn(move || run(&script(&format!("echo {number}"))).text())).collect();
    for (number, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), format!("{number}\n"));
    }
}

fn a_tree_can_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let mut job = script("mkdir -p /tree/a/b && touch /tree/a/b/c && chmod 0 /tree/a/b /tree/a");
    job.mounts.push(Mount::read_write(&tree, "/tree"));
    job.identity = dhow_sandbox::Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    if job.id_map.contains(0, 0) {
        job.privileges = dhow_sandbox::Privileges::FileOwners;
    } else {
        job.identity = dhow_sandbox::Identity { uid: 1000, gid: 1001, supplementary: Vec::new() };
    }
    run(&job).text();
    remove_tree(&tree, &job.id_map).unwrap();
    assert!(!tree.exists());
    remove_tree(&tree, &job.id_map).unwrap();
}

fn a_job_survives_its_journey() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("true");
    job.root = layers(directory.path(), &["layer"]);
    job.mounts.push(Mount::file("/x", (0..=255).collect::<Vec<u8>>()));
    let text = serde_json::to_string(&job).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
}
