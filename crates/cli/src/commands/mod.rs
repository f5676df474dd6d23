//! One file for each command.

mod build;
mod builder;
mod cache;
mod completion;
mod config;
mod import;
mod inspect;
mod layout;
mod pull;
mod push;
mod rebase;
mod run;
mod sbom;
mod version;

use dhow_platform::Events;

use crate::arguments::{Arguments, BuilderCommand, Command, LayoutCommand, SbomCommand};
use crate::console::Console;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::variables::Variables;

/// What every command has at hand.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) variables: &'a Variables,
    pub(crate) console: &'a Console,
}

/// Runs the command; returns the exit code of a program that was run for the user, else 0.
pub(crate) fn dispatch(arguments: Arguments, context: &Context<'_>) -> Result<u8, Failure> {
    match arguments.command {
        Command::Build(arguments) => build::run(*arguments, context)?,
        Command::Run(arguments) => return run::run(arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context)?,
        Command::Rebase(arguments) => rebase::run(&arguments, context)?,
        Command::Import(arguments) => import::run(&arguments, context)?,
        Command::Pull(arguments) => pull::run(&arguments, context)?,
        Command::Push(arguments) => push::run(&arguments, context)?,
        Command::Builder(BuilderCommand::Create(arguments)) => builder::create(&arguments, context)?,
        Command::Sbom(SbomCommand::Download(arguments)) => sbom::download(&arguments, context)?,
        Command::Layout(LayoutCommand::Check(arguments)) => return layout::check(&arguments),
        Command::Layout(LayoutCommand::Gc(arguments)) => layout::gc(&arguments)?,
        Command::Cache(arguments) => cache::run(&arguments, context)?,
        Command::Config(arguments) => config::run(&arguments, context)?,
        Command::Version(arguments) => version::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments),
        Command::Man(arguments) => completion::manual(&arguments)?,
    }
    Ok(0)
}

/// Returns the settings; a file that cannot be read stops only the commands that need it.
pub(crate) fn settings(arguments: &Arguments, variables: &Variables, console: &Console) -> Result<Settings, Failure> {
    match &arguments.command {
        Command::Version(_) | Command::Completion(_) | Command::Man(_) => return Ok(Settings::default()),
        Command::Config(config) if config.value.is_some() => return Ok(Settings::unread(variables)?),
        _ => {}
    }
    let settings = Settings::load(variables, arguments.global.layout_repo_dir.as_deref())?;
    for key in settings.unknown() {
        console.warn(&format!("{}: `{key}` is not a setting", settings.file().display()));
    }
    Ok(settings)
}

/// Splits `KEY=VALUE` flags; `what` names them in an error.
fn pairs(texts: &[String], what: &str) -> Result<Vec<(String, String)>, Failure> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::new(format!("{what} `{text}` is not KEY=VALUE"))),
    };
    texts.iter().map(split).collect()
}
