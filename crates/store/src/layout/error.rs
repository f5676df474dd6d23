//! Why a layout cannot be read or written.

use std::path::PathBuf;

use dhow_fs::{LockError, PathError};
use dhow_oci::{Digest, DocumentError};

use crate::{BlobError, CopyError};

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Nothing is at the path.
    #[error("no OCI layout at {}: nothing is there", .0.display())]
    Missing(PathBuf),
    /// Something else is at the path.
    #[error("no OCI layout at {}: {found}", .path.display())]
    NotALayout {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The layout is of a version that is not known.
    #[error("the layout at {} states the version `{found}` in `oci-layout`; expected `1.0.0`", .path.display())]
    Version {
        /// The layout.
        path: PathBuf,
        /// What its `oci-layout` file says.
        found: String,
    },
    /// The layout has lost its `index.json`, or was never finished. What its blobs belong to is not known.
    #[error("the layout at {} has no `index.json`{}", .path.display(), and_blobs(*.blobs))]
    NoIndex {
        /// The layout.
        path: PathBuf,
        /// How many files are in its blob directories.
        blobs: usize,
    },
    /// `index.json` is malformed.
    #[error("cannot read {}", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// The name cannot be an `org.opencontainers.image.ref.name`.
    #[error(
        "`{0}` cannot name an image in a layout; use up to 512 letters, digits and `-._:@+/`, beginning with a letter or digit, with something between slashes"
    )]
    TagName(String),
    /// The image to be named is not all there.
    #[error("cannot name {name} in {}: of {root}, {} blobs are missing, the first is {}", .path.display(), .missing.len(), .missing[0])]
    Incomplete {
        /// The layout.
        path: PathBuf,
        /// The tag.
        name: String,
        /// The manifest or index.
        root: Digest,
        /// The blobs that are missing; never empty.
        missing: Vec<Digest>,
    },
    /// `index.json` was replaced again and again by a program that takes no lock.
    #[error("{} is being rewritten by another program", .0.display())]
    Unsettled(PathBuf),
    /// The name does not name what the caller expects any more, so it was left as it is.
    #[error("`{name}` in {} was changed meanwhile: it named {}, and names {}", .path.display(), or_nothing(.expected), or_nothing(.found))]
    Changed {
        /// The layout.
        path: PathBuf,
        /// The tag.
        name: String,
        /// What it was to name; nothing if `None`.
        expected: Option<Digest>,
        /// What it names; nothing if `None`.
        found: Option<Digest>,
    },
    /// The directory that was opened is not at its path any more.
    #[error("the layout at {} was moved, replaced or removed while it was in use", .0.display())]
    Moved(PathBuf),
    /// A document that decides what is kept is missing or cannot be read, so nothing was removed.
    #[error("cannot tell what {} needs; nothing was removed", quoted_name(.name, .digest))]
    Unreadable {
        /// The layout.
        path: PathBuf,
        /// The document.
        digest: Digest,
        /// Its tag, if it has one.
        name: Option<String>,
        /// What is wrong with it.
        source: BlobError,
    },
    /// Something that is listed is not understood, so nobody can tell what it needs; nothing was removed.
    #[error("cannot tell what `{entry}` refers to; nothing was removed: {reason}")]
    Foreign {
        /// What is listed.
        entry: String,
        /// Why it is not understood.
        reason: String,
    },
    /// A blob cannot be read or stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The graph of an image cannot be walked.
    #[error(transparent)]
    Graph(#[from] CopyError),
    /// A file or directory cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The layout's lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl LayoutError {
    /// Tells whether the layout, or a part of it, is not there any more.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Missing(_) | Self::NoIndex { blobs: 0, .. } => true,
            Self::Path(error)
            | Self::Lock(LockError::Path(error))
            | Self::Blob(BlobError::Path(error) | BlobError::Lock(LockError::Path(error))) => error.is_not_found(),
            _ => false,
        }
    }
}

fn and_blobs(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", but a blob".to_owned(),
        _ => format!(", but {count} blobs"),
    }
}

/// Returns the digest, or the word for none.
pub(crate) fn or_nothing(digest: &Option<Digest>) -> &str {
    digest.as_ref().map_or("nothing", Digest::as_str)
}

fn quoted_name(name: &Option<String>, digest: &Digest) -> String {
    match name {
        Some(name) => format!("`{name}` ({digest})"),
        None => digest.to_string(),
    }
}
