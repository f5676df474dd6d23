//! Why no image, or not one image, was found.

use std::error::Error;

use dhow_oci::{Digest, DocumentError, ImageError, MediaType};

use crate::{Address, BlobError, LayoutError};

/// Why no image, or not one image, was found.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The index has no entries.
    #[error("{0} holds no image")]
    Empty(Address),
    /// No entry has the tag.
    #[error("{place} has no image `{wanted}`; it has {}", listed(.tags, "no tags"))]
    NoSuchTag {
        /// The layout, archive or repository.
        place: Address,
        /// The tag.
        wanted: String,
        /// The tags that are there.
        tags: Vec<String>,
    },
    /// No entry, nor one of an index that is listed, has the digest.
    #[error("{place} does not list {wanted}; it has {}", listed(.digests, "nothing"))]
    NoSuchDigest {
        /// The layout, archive or repository.
        place: Address,
        /// The digest.
        wanted: Digest,
        /// The digests that `index.json` lists.
        digests: Vec<String>,
    },
    /// What was named is listed, but not understood.
    #[error("{place} lists `{entry}`, which dhow does not understand: {reason}")]
    Foreign {
        /// The layout, archive or repository.
        place: Address,
        /// What was named.
        entry: String,
        /// Why it is not understood.
        reason: String,
    },
    /// No image serves the platform.
    #[error("{place} has no image for {wanted}; it has {}", listed(.platforms, "none that states a platform"))]
    NoSuchPlatform {
        /// The layout, archive or repository.
        place: Address,
        /// The platform.
        wanted: String,
        /// The platforms that are there.
        platforms: Vec<String>,
    },
    /// What was named is no image.
    #[error("{digest} in {place} is not an image: its type is `{media_type}`")]
    NotAnImage {
        /// The layout, archive or repository.
        place: Address,
        /// What was named.
        digest: Digest,
        /// Its media type, as stated.
        media_type: MediaType,
    },
    /// Several images qualify.
    #[error("{place} has several images that qualify: {}; name one", listed(.choices, "none"))]
    Ambiguous {
        /// The layout, archive or repository.
        place: Address,
        /// What could be named instead.
        choices: Vec<String>,
    },
    /// Indexes are nested too deep, or too many documents would have to be read.
    #[error("{digest} in {place} has {reason}")]
    TooMuch {
        /// The layout, archive or repository.
        place: Address,
        /// The index.
        digest: Digest,
        /// What there is too much of.
        reason: &'static str,
    },
    /// A place that is no file, such as a registry, failed: it cannot be reached, refuses, or answers what it must not.
    #[error("cannot use {place}")]
    Remote {
        /// The repository, or what was asked of it.
        place: Address,
        /// Why, in the words and the type of whoever speaks to it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// `index.json` cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A manifest, index or config cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A manifest, index or config is malformed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Manifest and config do not belong together.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl ResolveError {
    /// Tells whether what was asked for is not there, rather than there and unusable.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Empty(_) | Self::NoSuchTag { .. } | Self::NoSuchDigest { .. })
            || matches!(self, Self::Layout(LayoutError::Missing(_)))
    }
}

/// Lists the first few of `items`, quoted.
fn listed(items: &[String], none: &str) -> String {
    const SHOWN: usize = 10;
    if items.is_empty() {
        return none.to_owned();
    }
    let shown: Vec<String> = items.iter().take(SHOWN).map(|item| format!("`{item}`")).collect();
    match items.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
