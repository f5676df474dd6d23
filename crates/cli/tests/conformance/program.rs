//! Running a program where the disk plays no part: no machine is made for it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::machine::{Outcome, output};

/// The lifecycle's programs, and the phases that they are called by as subcommands of `lifecycle`.
pub(crate) const PROGRAMS: [(&str, &str); 8] = [
    ("analyzer", "analyze"),
    ("builder", "build"),
    ("creator", "create"),
    ("detector", "detect"),
    ("exporter", "export"),
    ("extender", "extend"),
    ("rebaser", "rebase"),
    ("restorer", "restore"),
];

/// Runs a program in an environment of only these variables.
pub(crate) fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dhow"));
    command.arg0(program).args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    let output = output(&mut command);
    Outcome {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a program that must end with `exit`, with nothing on standard error; returns what it said.
#[track_caller]
pub(crate) fn expect(exit: i32, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let outcome = run(program, arguments, variables);
    assert_eq!(
        (outcome.exit, outcome.stderr.as_str()),
        (exit, ""),
        "{program} {arguments:?} {variables:?} said:\n{}",
        outcome.stdout
    );
    outcome.stdout
}
