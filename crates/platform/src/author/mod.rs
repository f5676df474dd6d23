//! Making images that are no app images: base images, builders, the embedded run image.
//!
//! Everything made here is reproducible: entries in a fixed order, one time for all of them, no host's
//! name, user or clock.

mod builder;
mod buildpack_directory;
mod config;
mod contents;
mod create;
mod metadata;
mod order;
mod write;

pub use builder::{
    ApiPair, ApiSet, ApiSets, BuilderImage, BuilderImageError, BuilderMetadata, BuildpackLayerInfo,
    BuildpackLayersLabel, Creator, LifecycleInfo, ModuleInfo, OrderGroup, OrderedBuildpack, StackInfo, StackRunImage,
    TargetInfo,
};
pub use buildpack_directory::BuildpackError;
pub use config::{BuilderConfig, BuilderConfigError, ConfiguredBuildpack, ConfiguredElement, ConfiguredVariable};
pub use contents::LifecyclePrograms;
pub use create::{CreateError, CreateRequest, CreatedBuilder, create};
pub use order::OrderError;
pub use write::WriteError;
pub(crate) use write::{CREATED, Written, pack_layer, write_image};
