//! Where machines are made.

use std::fs;

/// Where files are kept in memory, unless `TMPDIR` says where temporary files go.
const MEMORY: &str = "/dev/shm";

/// Makes a directory in memory where that is possible, because phases wait until the disk has what they write.
pub(super) fn temporary_directory() -> tempfile::TempDir {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let runs_programs = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[1] == MEMORY && fields[2] == "tmpfs" && !fields[3].split(',').any(|option| option == "noexec")
    };
    let in_memory = || mounts.lines().any(runs_programs).then(|| tempfile::tempdir_in(MEMORY).ok()).flatten();
    let is_asked_for = std::env::var_os("TMPDIR").is_some();
    (if is_asked_for { None } else { in_memory() })
        .unwrap_or_else(|| tempfile::tempdir().expect("a temporary directory"))
}
