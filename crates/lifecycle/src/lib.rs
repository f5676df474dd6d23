//! The buildpack lifecycle's phases as functions.

pub mod analyze;
pub mod build;
pub mod cache;
pub mod content;
pub mod detect;
mod environment;
pub mod export;
mod extract;
pub mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod go_error;
pub mod image;
pub mod layers_directory;
pub mod lifecycle_file;
mod log;
mod modules;
mod program;
pub mod rebase;
pub mod restore;

pub use environment::{BuildEnvironment, RootFiles};
pub use extract::ExtractError;
pub use go_error::GoPathError;
pub use log::{Level, Log, MemoryLog};
pub use modules::ModuleError;
pub use program::{Ending, Program, RunError, Runner, SystemRunner};
