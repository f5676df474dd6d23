//! `dhow completion` and the manual pages: both made from the arguments' definition.

use std::path::Path;

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
    dhow_fs::sweep(&arguments.directory);
    write_page(&arguments.directory, Arguments::command())
}

/// Man pages of inner commands are named by the whole path, which `build` fills in.
fn write_page(directory: &Path, mut command: clap::Command) -> Result<(), Failure> {
    command.build();
    write_built(directory, &command)
}

fn write_built(directory: &Path, command: &clap::Command) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|source| Failure::new("cannot render a manual page").because(source))?;
    AtomicFile::replace(&directory.join(format!("{name}.1")), &page, 0o644)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        write_built(directory, inner)?;
    }
    Ok(())
}
