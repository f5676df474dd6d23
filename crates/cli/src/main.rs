//! The dhow binary: arguments, wiring, messages, hints, exit codes.
//!
//! The only crate that knows the terminal and the environment. Called by the name of a lifecycle
//! program (`analyzer`, `detector`, …) it is that program.

mod launcher;
mod lifecycle;
mod variables;

use std::process::ExitCode;

use variables::Variables;

fn main() -> ExitCode {
    lifecycle::entry(std::env::args_os(), &Variables::take()).unwrap_or(ExitCode::FAILURE)
}
