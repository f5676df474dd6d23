//! What `dhow build` uses when no builder is named: this machine's own system directories as the
//! build environment, buildpacks that are part of dhow, and a minimal run image made in memory.

mod buildpacks;
mod host_system;
mod run_image;

pub use buildpacks::{BUILDPACKS, EmbeddedBuildpack, EmbeddedFile, ORDER, identity};
pub use host_system::{HOME, HostFacts, HostSystem, HostSystemError, NameResolution, Note, ScratchOwner, SystemMount};
pub use run_image::{RunImage, RunImageError, ensure as ensure_run_image, reference as run_image_reference};
