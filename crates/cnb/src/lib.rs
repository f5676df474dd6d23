//! Buildpack, platform and distribution spec values and rules: no I/O.

mod api;
mod data;
pub mod env;
mod exit_code;
mod go_float;
pub mod launch;
mod name;
mod rules;
pub mod toml_read;
pub mod toml_write;

pub use api::{BuildpackApi, BuildpackApiError, ModuleKind, PlatformApi, PlatformApiError, Unsupported};
pub use data::{Data, DataTable};
pub use exit_code::ExitCode;
pub use name::{BuildpackId, BuildpackVersion, LayerName, NameError, ProcessType, ProcessTypeError};
pub use rules::{BuildpackRules, PlatformRules};
pub use toml_read::TomlError;
