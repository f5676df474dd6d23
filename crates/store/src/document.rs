//! Manifests, indexes and configs, read from where blobs are and parsed as what was asked for.

use dhow_oci::{Descriptor, Document, DocumentError, ImageConfig, Index, MANIFEST_LIMIT, Manifest};

use crate::{BlobError, BlobSource, read_document};

/// Returns the manifest that `descriptor` names.
pub(crate) fn read_manifest<E, S>(source: &S, descriptor: &Descriptor) -> Result<Document<Manifest>, E>
where
    E: From<BlobError> + From<DocumentError>,
    S: BlobSource + ?Sized,
{
    let bytes = read_document(source, descriptor, MANIFEST_LIMIT)?;
    Ok(Manifest::parse_as(&descriptor.digest, bytes)?)
}

/// Returns the index that `descriptor` names.
pub(crate) fn read_index<E, S>(source: &S, descriptor: &Descriptor) -> Result<Document<Index>, E>
where
    E: From<BlobError> + From<DocumentError>,
    S: BlobSource + ?Sized,
{
    let bytes = read_document(source, descriptor, MANIFEST_LIMIT)?;
    Ok(Index::parse_as(&descriptor.digest, bytes)?)
}

/// Returns the config that `descriptor` names.
pub(crate) fn read_config<E, S>(source: &S, descriptor: &Descriptor) -> Result<Document<ImageConfig>, E>
where
    E: From<BlobError> + From<DocumentError>,
    S: BlobSource + ?Sized,
{
    let bytes = read_document(source, descriptor, MANIFEST_LIMIT)?;
    Ok(ImageConfig::parse_as(&descriptor.digest, bytes)?)
}
