//! Making images that are no app images: base images, builders, the embedded run image.
//!
//! Everything made here is reproducible: entries in a fixed order, one time for all of them, no host's
//! name, user or clock.

mod write;

pub use write::WriteError;
pub(crate) use write::{CREATED, Written, pack_layer, write_image};
