//! The buildpack lifecycle's phases as functions.

pub mod files;
mod go_error;
mod log;

pub use go_error::GoPathError;
pub use log::{Level, Log, MemoryLog};
