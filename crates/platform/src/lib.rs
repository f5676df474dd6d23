//! What a platform is to the lifecycle: it resolves a builder, prepares root filesystem and mounts,
//! runs the phases in sandboxes, and keeps caches.

pub mod app;
pub mod embedded;
mod location;
mod open;
mod user;
mod volume;

pub use location::{LayoutLocation, Location, LocationError, Medium, Place};
pub use open::{OpenError, Opened, open};
pub use user::{User, UserError};
pub use volume::{Access, Volume, VolumeError};
