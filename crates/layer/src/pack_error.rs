//! Why a layer could not be packed.

use std::io;
use std::path::PathBuf;

use dhow_fs::PathError;

use crate::{HeaderError, LevelError, LimitError};

/// Why a layer could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file is no longer what was listed.
    #[error("{} changed while it was packed: it has {found} bytes, {expected} were listed", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The size when it was listed.
        expected: u64,
        /// The size, or the bytes that could be read.
        found: u64,
    },
    /// An entry does not fit into a tar.
    #[error("cannot put {} into a tar", .path.display())]
    Header {
        /// The entry's name.
        path: PathBuf,
        /// Why.
        source: HeaderError,
    },
    /// It would be more than can be unpacked again.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The blob cannot be written.
    #[error("cannot write the layer")]
    Output(#[source] io::Error),
    /// A block cannot be compressed.
    #[error("cannot compress the layer")]
    Compress(#[source] io::Error),
    /// There is no such compression level.
    #[error(transparent)]
    Level(#[from] LevelError),
}
