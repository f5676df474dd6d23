//! What is in a layer, listed and packed only when it is needed.

use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{PathError, Root, Work};
use dhow_layer::{Compression, Entry, Owner, PackError, PackOptions, WalkError};
use dhow_oci::{Descriptor, DiffId};
use dhow_store::{BlobError, Staging};

use crate::go_error::GoPathError;

/// How layers are packed.
#[derive(Clone, Copy, Debug)]
pub struct Packing<'a> {
    /// The directory that the paths of layers are in.
    pub root: &'a Root,
    /// The owner of what buildpacks made, and of the app.
    pub owner: Owner,
    /// The compression of blobs.
    pub compression: Compression,
    /// How many threads compress.
    pub threads: NonZero<usize>,
    /// Counts what is done.
    pub work: &'a Work,
}

impl<'a> Packing<'a> {
    /// Returns gzip at level 1 by as many threads as there are processors.
    #[must_use]
    pub fn new(root: &'a Root, owner: Owner, work: &'a Work) -> Self {
        let options = PackOptions::new(work);
        Self { root, owner, compression: options.compression, threads: options.threads, work }
    }

    fn options(&self, compression: Compression) -> PackOptions<'a> {
        PackOptions { compression, threads: self.threads, ..PackOptions::new(self.work) }
    }
}

/// The content of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A directory with its parents.
    Directory(PathBuf),
    /// Entries that are listed already.
    Entries(Arc<[Entry]>),
}

/// A layer's blob.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedLayer {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The blob.
    pub descriptor: Descriptor,
}

/// Why a layer cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// A file cannot be read.
    #[error(transparent)]
    Path(GoPathError),
    /// The directory cannot be listed.
    #[error(transparent)]
    Walk(WalkError),
    /// The tar or blob cannot be made.
    #[error(transparent)]
    Pack(PackError),
    /// The blob cannot be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl From<PathError> for ContentError {
    fn from(error: PathError) -> Self {
        Self::Path(GoPathError(error))
    }
}

impl From<WalkError> for ContentError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Path(error) => error.into(),
            other @ WalkError::Relative(_) => Self::Walk(other),
        }
    }
}

impl From<PackError> for ContentError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Path(error) => error.into(),
            other => Self::Pack(other),
        }
    }
}

impl Content {
    /// Returns the content of a directory.
    #[must_use]
    pub fn directory(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }

    /// Returns the diffID, computed from the files; nothing is compressed or written.
    pub fn diff_id(&self, packing: &Packing<'_>) -> Result<DiffId, ContentError> {
        let entries = self.entries(packing)?;
        let (diff_id, _size) = dhow_layer::diff_id(packing.root, &entries, &packing.options(Compression::None))?;
        Ok(diff_id)
    }

    /// Packs the layer into a blob of `sink`, in one pass over the files.
    pub fn pack(&self, packing: &Packing<'_>, sink: &dyn Staging) -> Result<PackedLayer, ContentError> {
        let entries = self.entries(packing)?;
        let mut writer = sink.stage()?.without_hashing();
        let packed = dhow_layer::pack(packing.root, &entries, &mut writer, &packing.options(packing.compression))?;
        writer.finish_known(&packed.digest, packed.size)?;
        let descriptor = Descriptor::new(packing.compression.media_type(), packed.digest, packed.size);
        Ok(PackedLayer { diff_id: packed.diff_id, descriptor })
    }

    /// Writes the plain tar to `output` and returns its diffID.
    pub fn write_tar(&self, packing: &Packing<'_>, output: &mut dyn Write) -> Result<DiffId, ContentError> {
        let entries = self.entries(packing)?;
        let packed = dhow_layer::pack(packing.root, &entries, output, &packing.options(Compression::None))?;
        Ok(packed.diff_id)
    }

    fn entries(&self, packing: &Packing<'_>) -> Result<Arc<[Entry]>, ContentError> {
        match self {
            Self::Directory(path) => Ok(dhow_layer::directory_entries(packing.root, path, packing.owner)?.into()),
            Self::Entries(entries) => Ok(Arc::clone(entries)),
        }
    }
}
