//! Builders, root filesystems, caches: runs the phases in sandboxes.

pub mod app;
pub mod embedded;
