//! What every phase has at hand: the disk, the log, the environment.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use dhow_cnb::ExitCode;
use dhow_fs::{Root, Work};
use dhow_lifecycle::{BuildEnvironment, GoPathError, Level, Log};

use super::failure::Failure;
use super::inputs::Given;
use super::program::Program;
use super::terminal::Terminal;
use crate::variables::Variables;

/// A program's run.
pub(crate) struct Session<'a> {
    pub(crate) program: Program,
    pub(crate) given: Given,
    pub(crate) variables: Variables,
    pub(crate) terminal: &'a Terminal<std::io::Stdout>,
    pub(crate) root: Root,
    pub(crate) work: Arc<Work>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        program: Program,
        given: Given,
        variables: Variables,
        terminal: &'a Terminal<std::io::Stdout>,
    ) -> Result<Self, Failure> {
        let root = Root::host().map_err(|error| Failure::of(ExitCode::Generic, &GoPathError(error)))?;
        Ok(Self { program, given, variables, terminal, root, work: Arc::default() })
    }

    /// Says that the program has begun, and warns of arguments that look like flags but are not.
    pub(crate) fn start(&self) {
        self.debug(&format!("Starting {}...", self.program.name()));
        for argument in self.given.positional.iter().filter(|argument| argument.starts_with('-')) {
            let text = format!(
                "Warning: unconsumed flag-like positional arg: \n\t{argument}\n\t This will not be interpreted as a flag.\n\t \
                 Did you mean to put this before the first positional argument?"
            );
            self.terminal.log(Level::Warn, &text);
        }
        self.debug("Parsing inputs...");
    }

    /// Returns how many threads work at the same time: one for each processor.
    pub(crate) fn threads(&self) -> NonZero<usize> {
        std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
    }

    /// Returns the execution environment that is built for.
    pub(crate) fn exec_env(&self) -> &str {
        self.variables.given("CNB_EXEC_ENV").unwrap_or("production")
    }

    /// Returns the variables that buildpacks see.
    pub(crate) fn build_environment(&self) -> BuildEnvironment {
        let own = self.variables.all().iter().map(|(name, value)| (name.into(), value.into()));
        BuildEnvironment::new(own, self.exec_env())
    }

    /// Returns the directory for temporary files.
    pub(crate) fn temporary_directory(&self) -> PathBuf {
        self.variables.given("TMPDIR").unwrap_or("/tmp").into()
    }

    pub(crate) fn debug(&self, text: &str) {
        self.terminal.log(Level::Debug, text);
    }
}
