//! The buildpack lifecycle's phases as functions.

pub mod build;
pub mod detect;
mod environment;
pub mod files;
pub mod go_error;
mod log;
mod modules;
mod program;

pub use environment::BuildEnvironment;
pub use log::{Level, Log, MemoryLog};
pub use modules::ModuleError;
pub use program::{Ending, Program, RunError, Runner, SystemRunner};
