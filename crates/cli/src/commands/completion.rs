//! `dhow completion` and the manual pages: both made from the arguments' definition.

use clap::CommandFactory;
use dhow_fs::{AtomicFile, Root};

use crate::arguments::{Arguments, CompletionArguments, ManArguments};
use crate::console::answer;
use crate::failure::Failure;

pub(crate) fn run(arguments: &CompletionArguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "dhow", &mut script);
    answer(&String::from_utf8_lossy(&script));
}

/// Writes `dhow.1` and a page for each command, for packagers.
pub(crate) fn manual(arguments: &ManArguments) -> Result<(), Failure> {
    Root::host()?.create_directories(&arguments.directory, 0o755)?;
    write_page(&arguments.directory, &Arguments::command(), "dhow")
}

fn write_page(directory: &std::path::Path, command: &clap::Command, name: &str) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.to_owned()))
        .render(&mut page)
        .map_err(|source| Failure::new("cannot render a manual page").because(source))?;
    AtomicFile::replace(&directory.join(format!("{name}.1")), &page, 0o644)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        write_page(directory, inner, &format!("{name}-{}", inner.get_name()))?;
    }
    Ok(())
}
