//! What a platform is to the lifecycle: it resolves a builder, prepares root filesystem and mounts,
//! runs the phases in sandboxes, and keeps caches.

mod location;

pub use location::{LayoutLocation, Location, LocationError, Medium, Place};
