//! What of the caller must not reach the job.

use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use dhow_sandbox::{HostIds, Identity, Mount, Network, plan_id_map};

use crate::fixture::{job, run, script, words};
use crate::harness::Case;

pub(crate) const ALL: &[Case] = &[
    ("the_environment_is_exactly_the_jobs", the_environment_is_exactly_the_jobs),
    ("no_descriptor_but_the_standard_streams_is_open", no_descriptor_is_open),
    ("only_the_containers_processes_are_in_proc", only_own_processes),
    ("process_1_tells_neither_its_environment_nor_its_file", process_1_tells_nothing),
    ("the_job_cannot_write_to_the_program_that_set_it_up", the_program_cannot_be_written),
    ("a_copy_of_the_program_that_set_it_up_is_sealed", a_copy_is_sealed),
    ("abstract_sockets_of_the_machine_cannot_be_reached", abstract_sockets),
    ("the_host_name_is_the_jobs", the_host_name_is_the_jobs),
    ("shared_memory_and_message_queues_are_the_containers_own", ipc_is_own),
    ("the_session_keyring_is_not_the_callers", keyring),
    ("signals_are_at_their_defaults_and_the_umask_is_022", signals_are_default),
    ("the_working_directory_is_in_the_container", working_directory),
];

fn the_environment_is_exactly_the_jobs() {
    let mut job = job(&["/inside", "environment"]);
    job.env = vec![("B".into(), "2=3".into()), ("A".into(), "".into())];
    assert_eq!(run(&job).text(), "\"B\"=\"2=3\"\n\"A\"=\"\"\n");
}

fn no_descriptor_is_open() {
    // Opened by C libraries and careless programs without close-on-exec.
    let leaky = std::fs::File::open("/").unwrap();
    let plain = rustix::io::dup(&leaky).unwrap();
    rustix::io::fcntl_setfd(&plain, rustix::io::FdFlags::empty()).unwrap();
    assert!(plain.as_raw_fd() > 2);
    assert_eq!(words(&run(&script("ls /proc/$$/fd")).text()), ["0", "1", "2"]);
}

fn only_own_processes() {
    let text = run(&script("cd /proc; ls -d [0-9]* | wc -l; echo $$; cat 1/comm 2>/dev/null; true")).text();
    let seen = words(&text);
    let processes: u32 = seen[0].parse().unwrap();
    // Process 1, the shell, and the two of the pipe.
    assert!(processes <= 4, "{text}");
    assert_eq!(seen[1], "2");
}

fn process_1_tells_nothing() {
    let outcome = run(&script(
        "cat /proc/1/environ; readlink /proc/1/exe /proc/1/root /proc/1/cwd; readlink /proc/1/fd/0 /proc/1/fd/4; cat /proc/1/maps; \
         tr '\\0' ' ' < /proc/1/cmdline",
    ));
    let line = words(&outcome.stdout);
    assert_eq!(line.first(), Some(&"dhow-sandbox-init"), "{}", outcome.stdout);
    assert_eq!(line.len(), 4, "{}", outcome.stdout);
}

/// `#!/proc/self/exe` makes the job's first program the one that set the container up (CVE-2019-5736).
fn the_program_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let evil = directory.path().join("evil");
    std::fs::write(&evil, "#!/proc/self/exe overwrite\n").unwrap();
    std::fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let mut job = job(&["/evil/evil"]);
    job.mounts.push(Mount::read_only(directory.path(), "/evil"));
    job.identity = Identity { uid: 0, gid: 0, supplementary: Vec::new() };
    job.id_map = plan_id_map(&HostIds::read(), 0, 0);
    assert_eq!(run(&job).text(), "read-only filesystem or storage medium\n");
}

/// A program whose file is gone cannot be mounted; its copy in memory is what runs then.
fn a_copy_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = directory.path().join("copy");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = std::process::Command::new(&copy).env(REPLACED, directory.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "SEAL | SHRINK | GROW | WRITE\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Removes its own file and runs a job, which looks at the file of the program that set it up.
pub(crate) fn be_replaced_if_asked() {
    let Some(directory) = std::env::var_os(REPLACED) else { return };
    let directory = std::path::Path::new(&directory);
    std::fs::remove_file(directory.join("copy")).unwrap();
    std::fs::write(directory.join("copy"), "another").unwrap();
    let evil = directory.join("evil");
    std::fs::write(&evil, "#!/proc/self/exe seals\n").unwrap();
    std::fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let mut job = job(&["/evil/evil"]);
    job.mounts.retain(|mount| mount.destination != std::path::Path::new("/inside"));
    job.mounts.push(Mount::read_only(directory, "/evil"));
    print!("{}", run(&job).text());
    std::process::exit(0);
}

const REPLACED: &str = "DHOW_SANDBOX_TEST_REPLACED";

fn abstract_sockets() {
    if !scopes_sockets() {
        return;
    }
    let name = format!("dhow-sandbox-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    for (network, answer) in [(Network::Host, "permission denied\n"), (Network::None, "connection refused\n")] {
        let mut job = job(&["/inside", "abstract", &name]);
        job.network = network;
        assert_eq!(run(&job).text(), answer);
    }
}

/// Linux 6.12 and newer.
fn scopes_sockets() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').filter_map(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 12)
}

fn the_host_name_is_the_jobs() {
    assert_eq!(run(&script("uname -n")).text(), "container\n");
}

fn ipc_is_own() {
    assert_eq!(words(&run(&script("ipcs -m | grep -c 0x; ls -A /dev/shm; true")).text()), ["0"]);
}

fn keyring() {
    assert_eq!(run(&script("test ! -s /proc/keys && echo none")).text(), "none\n");
}

fn signals_are_default() {
    let text = run(&script("grep -E '^Sig(Blk|Ign)' /proc/self/status; umask")).text();
    assert_eq!(words(&text), ["SigBlk:", "0000000000000000", "SigIgn:", "0000000000000000", "0022"]);
}

fn working_directory() {
    let mut job = script("pwd; readlink /proc/self/cwd");
    job.mounts.push(Mount::directory("/work/deep"));
    job.cwd = "/work/deep".into();
    assert_eq!(run(&job).text(), "/work/deep\n/work/deep\n");
}
