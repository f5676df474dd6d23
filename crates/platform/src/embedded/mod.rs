//! What `dhow build` uses when no builder is named: this machine's own system directories as the
//! build environment, buildpacks that are part of dhow, and a minimal run image made in memory.

pub mod buildpacks;
pub mod host_system;
pub mod run_image;
