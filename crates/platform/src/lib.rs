//! What a platform is to the lifecycle: it resolves a builder, prepares root filesystem and mounts,
//! runs the phases in sandboxes, and keeps caches.

pub mod app;
pub mod author;
mod build;
pub mod cache;
mod container;
pub mod descriptor;
pub mod embedded;
mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod import;
mod inspect;
mod location;
mod open;
mod progress;
mod rebase;
mod rootfs;
mod run;
mod sbom;
mod sbom_files;
mod scratch;
mod user;
mod volume;

pub use build::{
    BuildError, BuildReport, BuildRequest, BuildpackChoice, BuildpackChoiceError, CannotStart, ContentsError,
    FailedBuildpack, Found, Machine, Missing, PHASE_FAILURE_VARIABLE, PhaseFailure, StateError, Tag, build,
};
pub use container::Network;
pub use events::{Event, Events, OutputStream, Phase, Progress};
pub use inspect::{Builder as InspectedBuilder, Completeness as InspectedCompleteness, Inspection};
pub use location::{LayoutLocation, Location, LocationError, Medium, Place};
pub use open::{OpenError, Opened, open};
pub use rebase::{RebaseError, RebaseReport, RebaseRequest, rebase};
pub use rootfs::{NamedLayer, RootfsError};
pub use run::{RunError, RunRequest, run};
pub use sbom::{SbomError, download_sbom};
pub use scratch::ScratchExceeded;
pub use user::UserError;
pub use volume::{Access, Volume, VolumeError};
