//! Layers that are kept from one build to the next.

mod directory;
mod image;

use std::io::Read;

use dhow_cnb::CacheMetadata;
use dhow_oci::{Descriptor, DiffId, MediaType};
use dhow_store::{BlobError, BlobSource};

pub use directory::{DirectoryCache, OpenCacheError};
pub use image::LayoutCache;

use crate::content::{Content, ContentError, Packing};
use crate::go_error::GoPathError;

/// A store of layers. What is added becomes visible by [`LayerCache::commit`], all at once.
pub trait LayerCache: Send + Sync {
    /// Returns what the last commit said of the layers; nothing when that cannot be read.
    fn metadata(&self) -> CacheMetadata;

    /// Opens a layer of the last commit. The caller compares the diffID.
    fn open(&self, diff_id: &DiffId) -> Result<CachedLayer, CacheReadError>;

    /// Reads a layer of the last commit to its end and says what is wrong with it.
    fn verify(&self, diff_id: &DiffId) -> Result<(), CacheReadError>;

    /// Takes a layer of the last commit over into the next. It is verified.
    fn reuse(&mut self, diff_id: &DiffId) -> Result<(), ReuseError>;

    /// Adds a layer and returns its diffID. One that is added already is not written again.
    fn add(&mut self, layer: &NewLayer<'_>) -> Result<DiffId, CacheError>;

    /// Makes what was added the content of the cache; what was neither added nor reused is gone.
    fn commit(&mut self, metadata: &CacheMetadata) -> Result<(), CacheError>;
}

/// A layer that is to be read.
pub struct CachedLayer {
    /// The tar, compressed as `media_type` says.
    pub reader: Box<dyn Read + Send>,
    /// What the bytes are.
    pub media_type: MediaType,
}

/// A layer that enters a cache.
#[derive(Clone, Copy)]
pub struct NewLayer<'a> {
    /// Its files.
    pub content: &'a Content,
    /// How to pack them.
    pub packing: &'a Packing<'a>,
    /// The diffID, if it is known.
    pub diff_id: Option<&'a DiffId>,
    /// Its blob, if there is one already.
    pub blob: Option<(&'a dyn BlobSource, &'a Descriptor)>,
}

/// A cached layer is missing or damaged: the build goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum CacheReadError {
    /// It is not there.
    #[error("failed to find cache layer with SHA '{0}'")]
    Absent(DiffId),
    /// Its bytes are others.
    #[error("expected layer contents to have SHA '{expected}'; found '{found}'")]
    Corrupt {
        /// The diffID that was asked for.
        expected: DiffId,
        /// The digest of what is there.
        found: DiffId,
    },
    /// Its blob cannot be decompressed.
    #[error("cannot read cache layer with SHA '{diff_id}': {source}")]
    Decompress {
        /// The layer.
        diff_id: DiffId,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be read.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// Its blob cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Why a cached layer cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReuseError {
    /// The cached layer is of no use; it can be added anew.
    #[error(transparent)]
    Read(#[from] CacheReadError),
    /// The cache cannot be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The cache cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file of the cache.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// The layer.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The layer's files changed while the cache was written.
    #[error("layer changed while it was cached: expected '{expected}', found '{found}'")]
    Changed {
        /// The diffID that was known.
        expected: DiffId,
        /// That of the tar that was written.
        found: DiffId,
    },
    /// The metadata cannot be written.
    #[error("cannot write cache metadata")]
    Layout(#[from] dhow_store::LayoutError),
    /// A blob of the cache.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A cache image that could not be read again.
    #[error(transparent)]
    Oversized(#[from] dhow_oci::Oversized),
    /// It was committed before.
    #[error("cache cannot be modified after commit")]
    Committed,
}

impl From<dhow_fs::PathError> for CacheError {
    fn from(error: dhow_fs::PathError) -> Self {
        Self::Path(GoPathError(error))
    }
}
