//! Trees and tars: reproducible packing, safe unpacking, compression.
//!
//! [`directory_entries`] lists a tree, [`pack`] writes its tar, byte for byte as the reference
//! lifecycle does, [`unpack`] makes a tree of a layer without ever leaving its directory, and
//! [`import`] takes in a foreign root filesystem.

mod block;
mod compress;
mod entry;
mod header;
mod pack;
mod pipeline;
mod walk;

pub use compress::{Compression, LevelError};
pub use entry::{Entry, EntryKind, FileSource, Owner};
pub use header::HeaderError;
pub use pack::{PackError, diff_id, pack};
pub use pipeline::{PackOptions, Packed};
pub use walk::{WalkError, directory_entries, parent_entries};
