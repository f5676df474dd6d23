//! Buildpack, platform and distribution spec values and rules: no I/O.
//!
//! Each file of the specifications is a value with `parse` and, if a phase writes it, `emit`, whose
//! bytes are those of the reference. API versions are translated once, into [`PlatformRules`] and
//! [`BuildpackRules`].

mod analyzed;
mod api;
mod build_label;
mod build_plan;
mod buildpack_file;
mod data;
pub mod env;
mod exit_code;
mod go_float;
mod group;
pub mod label;
pub mod launch;
mod launch_file;
mod layer_file;
mod legacy_bom;
mod name;
mod order;
pub mod places;
mod plan;
pub mod plan_search;
mod project;
mod report;
mod rules;
mod run_image;
mod target;
pub mod toml_read;
mod toml_text;
pub mod toml_write;

pub use analyzed::{Analyzed, AnalyzedRunImage};
pub use api::{BuildpackApi, BuildpackApiError, ModuleKind, PlatformApi, PlatformApiError, StatedApi, Unsupported};
pub use build_label::{BuildMetadataLabel, GitSource, LauncherMetadata, LauncherSource};
pub use build_plan::{BuildPlan, PlanSections};
pub use buildpack_file::BuildpackFile;
pub use data::{Data, DataTable};
pub use exit_code::ExitCode;
pub use group::{Group, GroupElement, GroupError};
pub use label::{
    BuildpackLayer, BuildpackLayers, CacheMetadata, LayerSha, LifecycleMetadata, RunImageForRebase, RunImageNames,
    StackMetadata, Store,
};
pub use launch_file::{LaunchFile, LaunchFileError, LaunchProcess};
pub use layer_file::{BuildFile, LayerFile, LayerFileError};
pub use legacy_bom::emit_legacy_bom;
pub use name::{BuildpackId, BuildpackVersion, LayerName, NameError, ProcessType, ProcessTypeError};
pub use order::{Order, OrderElement, OrderFile, SystemFile};
pub use plan::{BuildpackPlan, Plan, PlanEntry, Provider, Require};
pub use project::{ProjectMetadata, ProjectSource};
pub use report::Report;
pub use rules::{BuildpackRules, PlatformRules};
pub use run_image::{RunFile, StackFile};
pub use target::{BuildpackTarget, Distribution, Target};
pub use toml_read::TomlError;
pub use toml_text::{NotUtf8, toml_text};
