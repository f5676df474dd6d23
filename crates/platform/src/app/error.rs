//! Why the app's source could not be copied.

use std::path::PathBuf;

use dhow_fs::PathError;
use dhow_layer::Limits;

use super::stat_index::IndexError;

/// How many bytes all files of an app together may have: as many as a layer, which they become.
pub(super) const LARGEST_APP: u64 = Limits::DEFAULT.bytes;

/// Why the app's source could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The filter leaves nothing.
    #[error("no file of {} passes the `include` and `exclude` of its project descriptor", .0.display())]
    Filtered(PathBuf),
    /// The app is larger than a layer may be. Nothing of it was copied.
    #[error(
        "the app has {size} bytes, more than the {LARGEST_APP} that a layer may have; its largest file is {}, which has \
         {largest_size}",
        .largest.display()
    )]
    TooLarge {
        /// The sizes of all files together.
        size: u64,
        /// The file with the most bytes, below the app's directory.
        largest: PathBuf,
        /// Its size.
        largest_size: u64,
    },
    /// The source cannot be read.
    #[error("cannot read the app's source {}", .path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// Why.
        source: PathError,
    },
    /// The zip archive is malformed or hostile.
    #[error("cannot unpack the app's source {}", .path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ZipSourceError,
    },
    /// The workspace cannot be written.
    #[error("cannot write the workspace")]
    Workspace(#[from] PathError),
    /// The indexes cannot be written.
    #[error("cannot record the state of the workspace")]
    Index(#[from] IndexError),
}

/// Why a zip archive cannot be the app's source.
#[derive(Debug, thiserror::Error)]
pub enum ZipSourceError {
    /// The archive or an entry is malformed, encrypted, or compressed by an unknown method.
    #[error("cannot read {what}")]
    Malformed {
        /// The entry, or `the archive`.
        what: String,
        /// What the zip reader says.
        source: ::zip::result::ZipError,
    },
    /// The content of an entry cannot be read.
    #[error("cannot read entry `{entry}`")]
    Content {
        /// The entry.
        entry: String,
        /// Why.
        source: std::io::Error,
    },
    /// A name would lead out of the app directory, or cannot be one of a file.
    #[error("entry `{0}` is not a path below the app directory")]
    Name(String),
    /// A link says nothing, or more than a link can.
    #[error("entry `{0}` is a link without a proper target")]
    Link(String),
    /// A link stands where a file is read.
    #[error("entry `{0}` is a link; a file is expected")]
    Linked(String),
    /// A file is larger than what is read of it.
    #[error("entry `{entry}` has more than {limit} bytes")]
    Long {
        /// The entry.
        entry: String,
        /// The limit.
        limit: u64,
    },
    /// Entries share data, so that the archive unpacks to far more than it is.
    #[error("entries of the archive overlap")]
    Overlap,
    /// The files are too large in total.
    #[error("entry `{entry}` makes the app larger than {limit} bytes")]
    TooLarge {
        /// The entry.
        entry: String,
        /// The limit.
        limit: u64,
    },
    /// An entry lies below one that is not a directory.
    #[error("entry `{entry}` lies below `{parent}`, which is not a directory")]
    BelowFile {
        /// The entry.
        entry: String,
        /// The other entry.
        parent: String,
    },
    /// The archive's file cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
}
