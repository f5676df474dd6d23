//! Why a layer is not packed: it could not be read again.

use std::path::{Path, PathBuf};

/// Why a layer is not packed: dhow could not read it again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// It would have too many bytes.
    #[error(
        "the layer would have {size} bytes, more than the {limit} that a layer may have; its largest file is {}, \
         which has {largest_size}",
        .largest.display()
    )]
    Bytes {
        /// The size of the tar.
        size: u64,
        /// The limit.
        limit: u64,
        /// The file with the most bytes.
        largest: PathBuf,
        /// Its size.
        largest_size: u64,
    },
    /// It would have too many headers.
    #[error("the layer would have {headers} tar headers, more than the {limit} that a layer may have")]
    Headers {
        /// The number of headers: one or two for an entry.
        headers: u64,
        /// The limit.
        limit: u64,
    },
    /// A directory, or what it holds, lies in too many others.
    #[error("{} lies more than {limit} directories deep, so that the layer could not be unpacked", shortened(.path))]
    Depth {
        /// The first such entry.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// Names that are very deep are too long to be read.
fn shortened(path: &Path) -> String {
    const SHOWN: usize = 8;
    let start: PathBuf = path.components().take(SHOWN).collect();
    format!("{}/…", start.display())
}
