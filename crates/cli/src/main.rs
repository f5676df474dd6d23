//! The dhow binary: arguments, wiring, messages, hints, exit codes.
//!
//! The only crate that knows the terminal and the environment. Called by the name of a lifecycle
//! program (`analyzer`, `detector`, …) it is that program.

#[expect(rustdoc::broken_intra_doc_links, reason = "doc comments are help texts, where `[:GID]` means optional")]
mod arguments;
mod attached;
mod commands;
mod console;
mod environment_flags;
mod exit_code;
mod failure;
mod hints;
mod invocation;
mod launcher;
mod lifecycle;
mod program_output;
mod registries;
mod settings;
mod shown;
mod signals;
mod timestamp;
mod units;
mod variables;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use commands::Context;
use console::{Console, Style, Verbosity};
use invocation::Invocation;
use variables::Variables;

fn main() -> ExitCode {
    // A sandbox is set up by a re-executed dhow; this must come before any thread is started.
    dhow_sandbox::init_if_asked();
    dhow_platform::unpack_if_asked();
    signals::survive_file_size_limit();
    let variables = Variables::take();
    if let Some(code) = lifecycle::entry(std::env::args_os(), &variables) {
        return code;
    }
    let arguments = Arguments::parse();
    let invocation = Invocation::new(std::env::args_os().skip(1), &arguments.command);
    let global = &arguments.global;
    let verbosity = match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let style = Style::new(verbosity, global.no_color, global.timestamps, &variables);
    // Whoever waits for a lock tells it at any time until the process ends.
    let console: &'static Console = Box::leak(Box::new(Console::new(style)));
    dhow_fs::announce_waits(|holder| console.say(&waiting(holder)));
    let outcome = commands::settings(&arguments, &variables, console).and_then(|settings| {
        let context = Context { settings: &settings, variables: &variables, console };
        commands::dispatch(arguments, &context)
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(failure.report(console, &invocation)),
    }
}

/// Returns what is said when a lock is held by another process, such as `another writer of PATH`.
fn waiting(holder: &str) -> String {
    format!("Waiting for {holder}")
}
