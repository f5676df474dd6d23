//! The buildpack lifecycle's phases as functions.

pub mod analyze;
pub mod cache;
pub mod content;
pub mod export;
mod extract;
pub mod files;
mod go_error;
pub mod image;
pub mod layers_directory;
mod log;
pub mod rebase;
pub mod restore;

pub use extract::ExtractError;
pub use go_error::GoPathError;
pub use log::{Level, Log, MemoryLog};
