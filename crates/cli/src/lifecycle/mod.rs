//! The drop-in lifecycle: dhow called as `analyzer`, `detector`, … is that program of a Cloud Native Buildpacks
//! lifecycle, with its flags, variables, messages and exit codes.
//!
//! ```text
//! argv ─▶ program ─▶ Platform API ─▶ flags over variables over defaults ─▶ log ─▶ inputs ─▶ privileges ─▶ phase
//! ```

mod failure;
mod go_flag;
mod guard;
mod inputs;
mod install;
mod matrix;
mod open;
mod phases;
mod privileges;
mod program;
mod session;
mod settings;
mod terminal;
mod timer;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode as ProcessExit;

use dhow_cnb::{ExitCode, PlatformApi, PlatformRules};
use dhow_lifecycle::Log;
use dhow_platform::{PHASE_FAILURE_VARIABLE, PhaseFailure};

use crate::variables::Variables;
use failure::{Failure, chain};
use go_flag::FlagError;
use inputs::Given;
use program::{PROGRAMS, Program};
use session::Session;
use terminal::{Colour, Errors, Terminal};

/// The multi-call name, and the subcommand of dhow.
const LIFECYCLE: &str = "lifecycle";
/// Prints `lifecycle.toml`, for those who put the programs into a builder.
const DESCRIPTOR: &str = "descriptor";
/// Writes all programs to a directory, for those who make a builder.
const INSTALL: &str = "install";
/// A program of its own, because it is in every app image; dhow starts its embedded copy.
const LAUNCHER: &str = "launcher";
/// The program whose name is also a command of dhow.
const BUILDER: &str = "builder";

/// Runs the lifecycle's program that the arguments name; returns none if they name none.
///
/// It is named by the base name of the first argument, as in `/cnb/lifecycle/analyzer IMAGE`, or by the second, as
/// in `dhow analyzer IMAGE` and `dhow lifecycle analyze IMAGE`.
pub(crate) fn entry(arguments: impl Iterator<Item = OsString>, variables: &Variables) -> Option<ProcessExit> {
    let text = |argument: OsString| argument.to_string_lossy().into_owned();
    let arguments: Vec<String> = arguments.map(text).collect();
    let (first, rest) = arguments.split_first()?;
    let own_name = Path::new(first).file_stem()?.to_string_lossy();
    let (name, rest) = match rest.split_first() {
        _ if own_name == LAUNCHER => return Some(start_launcher(first, rest)),
        Some((name, rest)) if name == LAUNCHER && own_name != LIFECYCLE => return Some(start_launcher(name, rest)),
        _ if is_ours(&own_name) => (own_name.as_ref(), rest),
        // `dhow builder create` makes builders; the phase is `dhow lifecycle build`.
        Some((name, rest)) if is_ours(name) && name != BUILDER => (name.as_str(), rest),
        _ => return None,
    };
    let terminal = Terminal::new();
    let outcome = dispatch(name, rest, variables, terminal);
    Some(ProcessExit::from(outcome))
}

fn is_ours(name: &str) -> bool {
    name == LIFECYCLE || Program::named(name).is_some()
}

/// Becomes the launcher; returns only if that fails.
fn start_launcher(name: &str, arguments: &[String]) -> ProcessExit {
    let error = crate::launcher::become_launcher(name, arguments);
    Terminal::new().error(&format!("failed to launch: starting the embedded launcher: {error}"));
    ProcessExit::from(ExitCode::Launch.number())
}

fn dispatch(name: &str, arguments: &[String], variables: &Variables, mut terminal: Terminal<std::io::Stdout>) -> u8 {
    let outcome = match Program::named(name) {
        Some(program) => run(program, arguments, variables, &mut terminal),
        None => run_phase(arguments, variables, &mut terminal),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            if !hand_over(&failure, variables) {
                terminal.error(&failure.text);
            }
            failure.code.number()
        }
    }
}

/// Leaves the failure for `dhow build`, if that is who started this phase; tells whether it will be told there.
fn hand_over(failure: &Failure, variables: &Variables) -> bool {
    let Some(path) = variables.given(PHASE_FAILURE_VARIABLE) else { return false };
    let failure = PhaseFailure { reason: failure.text.clone(), buildpacks: failure.buildpacks.clone() };
    failure.write(Path::new(path)).is_ok()
}

/// Runs `lifecycle PHASE …`.
fn run_phase(
    arguments: &[String],
    variables: &Variables,
    terminal: &mut Terminal<std::io::Stdout>,
) -> Result<u8, Failure> {
    let Some((phase, rest)) = arguments.split_first() else {
        return Err(Failure::new(ExitCode::Arguments, "failed to parse arguments"));
    };
    if matches!(phase.trim_start_matches('-'), "version") && phase.starts_with('-') && rest.is_empty() {
        terminal.answer(dhow_lifecycle::lifecycle_file::VERSION);
        return Ok(0);
    }
    if phase == DESCRIPTOR {
        terminal.answer(dhow_lifecycle::lifecycle_file::lifecycle_toml().trim_end());
        return Ok(0);
    }
    if phase == INSTALL {
        return install::install(rest).map(|()| 0);
    }
    platform_api(variables)?;
    let Some(program) = Program::of_phase(phase).or_else(|| Program::named(phase)) else {
        let phases = PROGRAMS.map(Program::phase).join(", ");
        let text = format!("failed to recognize phase: {phase} \nValid phases: {phases}");
        return Err(Failure::new(ExitCode::Arguments, text));
    };
    run(program, rest, variables, terminal)
}

fn platform_api(variables: &Variables) -> Result<PlatformApi, Failure> {
    PlatformApi::negotiate(variables.get("CNB_PLATFORM_API"))
        .map_err(|error| Failure::of(ExitCode::PlatformApi, &error))
}

/// Runs one program.
fn run(
    program: Program,
    arguments: &[String],
    variables: &Variables,
    terminal: &mut Terminal<std::io::Stdout>,
) -> Result<u8, Failure> {
    let api = platform_api(variables)?;
    let (mut flags, others) = matrix::split(settings::flags(variables), program, &PlatformRules::of(api));
    let usage = go_flag::usage(&flags);
    let positional = match go_flag::parse(&mut flags, arguments) {
        Ok(positional) => positional,
        Err(error) => return Ok(refuse_flags(&error, &usage, terminal)),
    };
    flags.extend(others);
    let directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let given = Given::new(api, flags, positional, directory);
    if given.switch("version") {
        terminal.answer(dhow_lifecycle::lifecycle_file::VERSION);
        return Ok(0);
    }
    // What goes wrong is handed over, and told once.
    terminal.errors = match variables.given(PHASE_FAILURE_VARIABLE) {
        Some(_) => Errors::Left,
        None => Errors::Written,
    };
    terminal.colour = if given.switch("no-color") { Colour::Never } else { Colour::Always };
    let level = terminal::parse_level(given.text("log-level"));
    terminal.level =
        level.ok_or_else(|| Failure::new(ExitCode::Generic, "failed to parse log level: invalid level"))?;
    let talk = terminal.twin();
    dhow_fs::announce_waits(move |holder| talk.info(&crate::waiting(holder)));
    let session = Session::new(program, given, variables.clone(), terminal)?;
    session.start();
    phases::run(program, session)?;
    Ok(0)
}

/// Prints what is wrong with the flags, and which there are; returns the exit code.
fn refuse_flags(error: &FlagError, usage: &str, terminal: &Terminal<std::io::Stdout>) -> u8 {
    match error {
        FlagError::Help => {
            terminal.complain(usage);
            0
        }
        other => {
            terminal.complain(&format!("{}\n{usage}", chain(other)));
            ExitCode::Flags.number()
        }
    }
}
