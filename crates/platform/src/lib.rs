//! What a platform is to the lifecycle: it resolves a builder, prepares root filesystem and mounts,
//! runs the phases in sandboxes, and keeps caches.
//!
//! Each folder is a room with one door, its `mod.rs`: what other rooms use is listed there, and nothing else of it can be
//! seen. ARCHITECTURE.md says what the rooms are.

pub mod app;
pub mod author;
mod build;
pub mod cache;
mod container;
pub mod descriptor;
pub mod embedded;
mod events;
mod existing;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod import;
mod place;
mod verified;

pub use build::{
    BuildError, BuildReport, BuildRequest, BuildpackChoice, BuildpackChoiceError, CannotStart, ContentsError,
    FailedBuildpack, Found, Machine, Missing, PHASE_FAILURE_VARIABLE, PhaseFailure, StateError, Tag, build,
};
pub use container::{
    Access, CurrentJob, NamedLayer, Network, RootfsError, ScratchExceeded, UserError, Volume, VolumeError,
    unpack_if_asked,
};
pub use events::{Event, Events, OutputStream, Phase, Progress};
pub use existing::{
    InspectedBuilder, InspectedCompleteness, Inspection, RebaseError, RebaseReport, RebaseRequest, RunError,
    RunRequest, SbomError, download_sbom, rebase, run,
};
pub use place::{LayoutLocation, Location, LocationError, Medium, OpenError, Opened, Place, open};
