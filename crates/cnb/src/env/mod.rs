//! Environment variables of buildpacks and processes, as values: an [`Environment`] and the
//! changes ([`Change`]) that env directories, layer directories and platform files make to it.
//!
//! Reading the directories is the caller's part; names and contents are raw bytes throughout.

mod build;
mod change;
mod environment;
mod launch;
mod roots;

pub use build::{inherited, platform_changes};
pub use change::{Action, Change, EnvFile, PlainFile, changes};
pub use environment::Environment;
pub use launch::{LayerFiles, apply_layers, launch};
pub use roots::{Phase, Root, roots};
