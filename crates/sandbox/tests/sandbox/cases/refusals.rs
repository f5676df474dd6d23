//! Jobs that cannot be run say why.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use dhow_sandbox::{MapWriter, Mount, RootFs, SandboxError, Scratch};

use super::tree::layers;
use crate::fixture::{attempt, chain, job, script};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("a_program_that_is_not_there_is_named", a_missing_program_is_named),
    ("a_program_that_cannot_be_run_is_named", a_program_that_cannot_be_run),
    ("a_source_that_is_not_there_is_named", a_missing_source_is_named),
    ("a_layer_that_cannot_be_read_is_named", an_unreadable_layer_is_named),
    ("a_working_directory_that_is_not_there_is_named", a_missing_working_directory_is_named),
    ("a_file_is_not_mounted_over_a_directory", a_file_over_a_directory),
    ("proc_sys_and_dev_of_the_image_must_not_be_links", linked_proc_and_dev),
    ("nothing_is_mounted_over_proc_or_the_root", nothing_over_proc),
    ("a_link_of_the_image_into_proc_is_no_mount_point", a_link_into_proc),
    ("a_job_that_makes_no_sense_is_refused", nonsense_is_refused),
    ("user_namespaces_that_are_switched_off_are_named", switched_off_namespaces_are_named),
    ("the_probe_finds_that_this_machine_can_do_everything", the_probe_finds_everything),
    ("an_unmapped_user_is_refused", an_unmapped_user_is_refused),
];

fn error(job: &dhow_sandbox::Job) -> SandboxError {
    match attempt(job) {
        Ok(outcome) => panic!("ran: {} {}", outcome.stdout, outcome.stderr),
        Err(error) => error,
    }
}

fn a_missing_program_is_named() {
    for program in ["no-such-program", "/no/such/program", "/usr/no-such-program"] {
        let error = error(&job(&[program]));
        assert_eq!(error.to_string(), format!("program {program} not found in the container"));
        assert_eq!(error.exit_code(), 127);
    }
}

fn a_program_that_cannot_be_run() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, content: &str, mode| {
        std::fs::write(directory.path().join(name), content).unwrap();
        std::fs::set_permissions(directory.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    make("closed", "#!/bin/sh\n", 0o644);
    make("plain", "echo no format\n", 0o755);
    make("orphan", "#!/no/such/interpreter\n", 0o755);
    for (name, cause) in [
        ("closed", "Permission denied (os error 13)"),
        ("plain", "Exec format error (os error 8)"),
        ("orphan", "No such file or directory (os error 2)"),
    ] {
        let mut job = job(&[&format!("/programs/{name}")]);
        job.mounts.push(Mount::read_only(directory.path(), "/programs"));
        let error = error(&job);
        assert_eq!(chain(&error), format!("cannot run /programs/{name} in the container: {cause}"));
        assert_eq!(error.exit_code(), 126);
    }
}

fn a_missing_source_is_named() {
    let mut job = script("true");
    job.mounts.push(Mount::read_only("/no/such/source", "/x"));
    let expected = "cannot open /no/such/source to mount it: No such file or directory (os error 2)";
    assert_eq!(chain(&error(&job)), expected);
}

fn an_unreadable_layer_is_named() {
    let caller = rustix::process::geteuid();
    // What the first process sees is closed to all but root and its own user. A directory of the caller's would not do:
    // the caller is its owner in the container too, with power over it.
    let first = std::fs::metadata("/proc/1").map(|first| std::os::unix::fs::MetadataExt::uid(&first));
    if caller.is_root() || first.is_ok_and(|first| first == caller.as_raw()) {
        return;
    }
    let mut job = script("true");
    let scratch = Scratch::Memory { bytes: Some(1 << 20) };
    job.root = RootFs::Overlay { lower: vec!["/proc/1/root/layer".into()], scratch };
    let expected = "cannot open /proc/1/root/layer to mount it: Permission denied (os error 13)";
    assert_eq!(chain(&error(&job)), expected);
}

fn a_missing_working_directory_is_named() {
    let mut job = script("true");
    job.cwd = "/nowhere".into();
    let expected = "cannot enter the working directory /nowhere: No such file or directory (os error 2)";
    assert_eq!(chain(&error(&job)), expected);
}

fn a_file_over_a_directory() {
    let mut job = script("true");
    job.mounts.push(Mount::file("/usr/bin", "x"));
    let expected = "cannot prepare the mount point /usr/bin in the container: Is a directory (os error 21)";
    assert_eq!(chain(&error(&job)), expected);
}

fn linked_proc_and_dev() {
    for name in ["proc", "sys", "dev"] {
        let directory = tempfile::tempdir().unwrap();
        let mut job = script("true");
        job.root = layers(directory.path(), &["layer"]);
        symlink("data", directory.path().join("layer").join(name)).unwrap();
        assert_eq!(error(&job).to_string(), format!("/{name} of the root file system is a link or no directory"));
    }
}

fn nothing_over_proc() {
    for destination in ["/proc", "/proc/self", "/", "/dev"] {
        let mut job = script("true");
        job.mounts.push(Mount::temporary(destination));
        let expected = format!("nothing may be mounted at {destination} of the container");
        assert_eq!(error(&job).to_string(), expected);
    }
}

fn a_link_into_proc() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = script("true");
    job.root = layers(directory.path(), &["layer"]);
    symlink("/proc/sys", directory.path().join("layer/link")).unwrap();
    job.mounts.push(Mount::temporary("/link"));
    assert_eq!(error(&job).to_string(), "nothing may be mounted at /link of the container");
}

fn nonsense_is_refused() {
    let mut no_program = job(&[]);
    no_program.mounts.clear();
    assert_eq!(error(&no_program).to_string(), "the job names no program");
    let mut bad_variable = script("true");
    bad_variable.env.push(("A=B".into(), "x".into()));
    assert_eq!(error(&bad_variable).to_string(), "the job has an environment variable without a proper name");
    let mut relative = script("true");
    relative.cwd = "work".into();
    assert!(matches!(error(&relative), SandboxError::InvalidJob(_)));
    let mut upwards = script("true");
    upwards.mounts.push(Mount::temporary("/a/../proc"));
    assert!(matches!(error(&upwards), SandboxError::InvalidJob(_)));
}

fn an_unmapped_user_is_refused() {
    let mut job = script("true");
    job.identity.uid = if job.id_map.writer == MapWriter::Root { u32::MAX } else { 4_000_000_000 };
    let expected = "the job runs as a user or group that its id map does not hold";
    assert_eq!(error(&job).to_string(), expected);
}

fn the_probe_finds_everything() {
    let directory = tempfile::tempdir().unwrap();
    let probe = dhow_sandbox::probe(directory.path()).unwrap();
    for result in [&probe.id_map, &probe.container, &probe.overlay] {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// In a user namespace of one's own the switch can be turned without turning it for the machine.
fn switched_off_namespaces_are_named() {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\"")
        .arg(std::env::current_exe().unwrap())
        .env(NO_NAMESPACES, "1")
        .output()
        .unwrap();
    let expected =
        "cannot create a user namespace: user.max_user_namespaces is 0: No space left on device (os error 28)\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

/// Prints why a job cannot be run and ends.
pub(crate) fn fail_if_asked() {
    if std::env::var_os(NO_NAMESPACES).is_some() {
        println!("{}", chain(&error(&script("true"))));
        std::process::exit(0);
    }
}

const NO_NAMESPACES: &str = "DHOW_SANDBOX_TEST_NO_NAMESPACES";
