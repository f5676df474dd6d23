//! Trees and tars: reproducible packing, safe unpacking, compression.
//!
//! [`directory_entries`] lists a tree, [`pack`] writes its tar, byte for byte as the reference
//! lifecycle does, [`unpack`] makes a tree of a layer without ever leaving its directory, and
//! [`import`] takes in a root filesystem that was made elsewhere.

mod block;
mod compress;
mod decompress;
mod entry;
mod entry_check;
mod import;
mod limit_error;
mod limits;
mod measure;
mod pack;
mod pack_error;
mod pipeline;
mod stack;
mod stream;
mod threads;
mod unpack;
mod walk;
mod whiteout_name;

pub use compress::{Compression, LevelError};
pub use decompress::{Encoding, decompress};
pub use dhow_tar::{HeaderError, Member, MemberKind, Owner, ReadError, Reader};
pub use entry::{Entry, EntryKind, FileSource};
pub use entry_check::EntryFault;
pub use import::{ImportError, ImportOptions, Imported, ImportedTree, import};
pub use limit_error::LimitError;
pub use limits::Limits;
pub use pack::{diff_id, pack};
pub use pack_error::PackError;
pub use pipeline::{PackOptions, Packed};
pub use stack::{Stack, StatedOwners};
pub use unpack::{Owners, Rules, UnpackError, UnpackOptions, Unpacked, Whiteouts, unpack};
pub use walk::{WalkError, directory_entries, parent_entries};
