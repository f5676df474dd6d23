//! An image that is made of blobs at several places.

use std::collections::BTreeSet;
use std::io::Read;

use dhow_oci::{Descriptor, Digest, Image};

use crate::verify::VerifiedReader;
use crate::{Address, BlobError, BlobSource, Presence};

/// An image as one source: manifest and config from the value, each layer from the first place that has it.
///
/// So a rebased image, whose layers are the app's and another base's, is copied as any other graph.
pub struct Gathered<'a> {
    image: &'a Image,
    places: Vec<&'a dyn BlobSource>,
    left_out: BTreeSet<Digest>,
}

impl<'a> Gathered<'a> {
    /// Returns the image with its layers at `places`.
    #[must_use]
    pub fn new(image: &'a Image, places: Vec<&'a dyn BlobSource>) -> Self {
        Self { image, places, left_out: BTreeSet::new() }
    }

    /// Returns this without these blobs, which are absent wherever they are.
    #[must_use]
    pub fn without(self, left_out: BTreeSet<Digest>) -> Self {
        Self { left_out, ..self }
    }

    fn document(&self, digest: &Digest) -> Option<&'a [u8]> {
        let (manifest, config) = (self.image.manifest(), self.image.config());
        match () {
            () if manifest.digest() == digest => Some(manifest.bytes()),
            () if config.digest() == digest => Some(config.bytes()),
            () => None,
        }
    }

    /// Returns the first place that has the blob. One that has something else in its place counts if no other has it.
    fn place(&self, descriptor: &Descriptor) -> Result<Option<&'a dyn BlobSource>, BlobError> {
        if self.left_out.contains(&descriptor.digest) {
            return Ok(None);
        }
        let mut failed = None;
        for place in &self.places {
            match place.presence(descriptor) {
                Ok(Presence::Present) => return Ok(Some(*place)),
                Ok(Presence::Absent) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

impl BlobSource for Gathered<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        if let Some(bytes) = self.document(&descriptor.digest) {
            let reader = std::io::Cursor::new(bytes.to_vec());
            return Ok(Box::new(VerifiedReader::new(reader, descriptor, Address::Memory, None)));
        }
        match (self.place(descriptor)?, self.places.first()) {
            (Some(place), _) => place.open(descriptor),
            // It makes the error in its own words.
            (None, Some(first)) if !self.left_out.contains(&descriptor.digest) => first.open(descriptor),
            (None, _) => Err(BlobError::Absent { digest: descriptor.digest.clone(), place: Address::Memory }),
        }
    }

    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError> {
        if self.document(&descriptor.digest).is_some() {
            return Ok(Presence::Present);
        }
        Ok(if self.place(descriptor)?.is_some() { Presence::Present } else { Presence::Absent })
    }

    fn address(&self, descriptor: &Descriptor) -> Address {
        match self.place(descriptor) {
            Ok(Some(place)) if self.document(&descriptor.digest).is_none() => place.address(descriptor),
            _ => Address::Memory,
        }
    }
}
