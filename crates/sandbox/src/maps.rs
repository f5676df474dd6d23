//! Writes the id map of a new user namespace.

use std::process::{Child, Command, Stdio};

use dhow_fs::IdRun;
use rustix::fs::{Mode, OFlags};

use crate::error::{Barrier, SandboxError};
use crate::host;
use crate::id_map::{IdMap, MapWriter};

/// Writes `map` for the user namespace of `process`, a child that waits for it.
pub(crate) fn write(process: u32, map: &IdMap) -> Result<(), SandboxError> {
    match map.writer {
        MapWriter::Root => {
            write_file(process, "gid_map", &lines(&map.gids))?;
            write_file(process, "uid_map", &lines(&map.uids))
        }
        MapWriter::Helpers => {
            // Side by side: each takes a millisecond or two.
            let groups = start_helper("newgidmap", process, &map.gids)?;
            let users = start_helper("newuidmap", process, &map.uids)?;
            finish_helper("newgidmap", groups).and(finish_helper("newuidmap", users))
        }
        MapWriter::Single => {
            // The kernel's condition for mapping one's own group without privileges (user_namespaces(7)).
            write_file(process, "setgroups", "deny")?;
            write_file(process, "gid_map", &lines(&map.gids))?;
            write_file(process, "uid_map", &lines(&map.uids))
        }
    }
}

fn lines(runs: &[IdRun]) -> String {
    runs.iter().map(|run| format!("{} {} {}\n", run.inside, run.outside, run.count)).collect()
}

fn write_file(process: u32, file: &'static str, content: &str) -> Result<(), SandboxError> {
    let failed = |source: rustix::io::Errno| match Barrier::of(source.raw_os_error()) {
        barrier @ Barrier::AppArmor => SandboxError::UserNamespace { barrier, source: source.into() },
        _ => SandboxError::IdMap { file, source: source.into() },
    };
    let path = format!("/proc/{process}/{file}");
    let opened = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    rustix::io::write(&opened, content.as_bytes()).map_err(failed)?;
    Ok(())
}

fn start_helper(program: &'static str, process: u32, runs: &[IdRun]) -> Result<Child, SandboxError> {
    let failed = |message: String| SandboxError::MapHelper { program, message };
    let path = host::helper(program).ok_or_else(|| failed("it is not installed".to_owned()))?;
    let numbers = runs.iter().flat_map(|run| [run.inside, run.outside, run.count]);
    let arguments = std::iter::once(process).chain(numbers).map(|number| number.to_string());
    let mut command = Command::new(path);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().map_err(|error| failed(error.to_string()))
}

fn finish_helper(program: &'static str, child: Child) -> Result<(), SandboxError> {
    let failed = |message: String| SandboxError::MapHelper { program, message };
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(if message.is_empty() { output.status.to_string() } else { message }))
}
