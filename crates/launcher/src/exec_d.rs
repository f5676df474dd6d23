//! `exec.d`: programs of the layers that set variables at launch, by writing TOML to descriptor 3.

use std::io::{PipeReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use dhow_cnb::env::{Change, Environment};
use dhow_cnb::launch::exec_d_changes;

use crate::failure::{ExecDError, OutputError, RunError, SystemError};
use crate::files::{self, BuildpackLayers};

/// Runs the programs of all layers, each in the environment that those before it have made.
pub(crate) fn apply(
    environment: &mut Environment,
    buildpacks: &[BuildpackLayers],
    process_type: Option<&str>,
) -> Result<(), ExecDError> {
    for layer in buildpacks.iter().flatten() {
        let for_all = layer.join("exec.d");
        let for_process = process_type.map(|process_type| for_all.join(process_type));
        for directory in [Some(for_all), for_process].iter().flatten() {
            for program in files::programs(directory).map_err(ExecDError::List)? {
                environment.apply_all(&run(&program, environment)?);
            }
        }
    }
    Ok(())
}

fn run(program: &Path, environment: &Environment) -> Result<Vec<Change>, ExecDError> {
    let path = || program.to_owned();
    let (mut child, output) = spawn(program, environment).map_err(|source| ExecDError::Run { path: path(), source })?;
    // Read before waiting: a program whose output fills the pipe would never end.
    let output = read(program, output);
    let status = child.wait().map_err(|error| SystemError::new("wait", program, error)).map_err(RunError::Spawn);
    status.and_then(success).map_err(|source| ExecDError::Run { path: path(), source })?;
    output
        .and_then(|output| exec_d_changes(&output).map_err(OutputError::Content))
        .map_err(|source| ExecDError::Output { path: path(), source })
}

fn spawn(program: &Path, environment: &Environment) -> Result<(Child, PipeReader), RunError> {
    let failed = |error| RunError::Spawn(SystemError::new("fork/exec", program, error));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter()).stdin(Stdio::null());
    command
        .fd_mappings(vec![FdMapping { parent_fd: writer.into(), child_fd: 3 }])
        .map_err(|error| failed(std::io::Error::other(error)))?;
    // The command holds the writing end; when it is dropped here, the child's is the only one.
    Ok((command.spawn().map_err(failed)?, reader))
}

fn read(program: &Path, output: PipeReader) -> Result<Vec<u8>, OutputError> {
    let mut bytes = Vec::new();
    output
        .take(OUTPUT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| OutputError::Read(SystemError::new("read", program, error)))?;
    if bytes.len() as u64 > OUTPUT_LIMIT {
        return Err(OutputError::Length(OUTPUT_LIMIT));
    }
    Ok(bytes)
}

fn success(status: ExitStatus) -> Result<(), RunError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(RunError::Exit(code)),
        (None, signal) => Err(RunError::Signal(signal.unwrap_or_default())),
    }
}

/// More than the system lets a process have as its environment.
const OUTPUT_LIMIT: u64 = 8 << 20;
