//! Documents that are read on the way to an image, of which there may be only so many.

use dhow_oci::{Descriptor, Index, MANIFEST_LIMIT};

use super::ResolveError;
use crate::graph::MAX_DEPTH;
use crate::{Address, BlobSource, read_document};

/// How many documents one search may read.
const MAX_DOCUMENTS: usize = 2000;

/// Reads the documents of one place.
pub(crate) struct Documents<'a, S: ?Sized> {
    source: &'a S,
    pub(crate) place: Address,
    read: usize,
}

impl<'a, S: BlobSource + ?Sized> Documents<'a, S> {
    pub(crate) fn new(source: &'a S, place: Address) -> Self {
        Self { source, place, read: 0 }
    }

    /// Returns the bytes of a manifest, index or config.
    pub(crate) fn read(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        self.read += 1;
        if self.read > MAX_DOCUMENTS {
            return Err(self.too_much(descriptor, "too many documents beside it to find one image"));
        }
        Ok(read_document(self.source, descriptor, MANIFEST_LIMIT)?)
    }

    /// Returns what an index lists. One that is absent below another lists nothing.
    pub(crate) fn children(&mut self, index: &Descriptor, depth: usize) -> Result<Vec<Descriptor>, ResolveError> {
        if depth >= MAX_DEPTH {
            return Err(self.too_much(index, "indexes nested too deep in it"));
        }
        let bytes = match self.read(index) {
            Err(ResolveError::Blob(error)) if error.is_absent() && depth > 0 => return Ok(Vec::new()),
            other => other?,
        };
        Ok(Index::parse_as(&index.digest, bytes)?.value().descriptors().cloned().collect())
    }

    fn too_much(&self, descriptor: &Descriptor, reason: &'static str) -> ResolveError {
        ResolveError::TooMuch { place: self.place.clone(), digest: descriptor.digest.clone(), reason }
    }
}
