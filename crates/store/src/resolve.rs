//! Finding one image: by tag or digest, then by platform.

mod documents;
mod error;
mod named;
mod search;

use dhow_oci::{Descriptor, Image, Platform, Reference, Selector, annotation};

pub(crate) use documents::Documents;
pub use error::ResolveError;
pub(crate) use named::{named, tags};

use crate::document::{read_config, read_manifest};
use crate::layout::SPARSE;
use crate::{Address, BlobSource, Completeness};

/// A place that names images: a layout, an archive of one, or a repository of a registry.
pub trait ImageSource: BlobSource {
    /// Returns where it is, for messages.
    fn location(&self) -> Address;

    /// Returns what is named so, indexes and manifests of any kind, in order of preference; never nothing.
    ///
    /// In an `index.json` a tag names the entries with exactly that `ref.name`; if there is none, those whose `ref.name` or
    /// containerd name is a full reference with that tag. A digest names what is listed, also below other indexes. A
    /// registry is asked once; [`Wanted::Preferably`] is for it what [`Wanted::Exactly`] is.
    ///
    /// # Errors
    /// If nothing is named so: an error for which [`ResolveError::is_not_found`] holds.
    fn named(&self, wanted: Wanted<'_>) -> Result<Vec<Named>, ResolveError>;

    /// Finds the manifest of one image, through nested indexes and Docker manifest lists.
    ///
    /// Entries that state no platform are looked at through their config; those that are not understood are passed over.
    /// Of several that serve the platform, one of the very variant wins, then the first.
    fn find(&self, query: &Query<'_>) -> Result<Resolved, ResolveError> {
        search::find(self, query)
    }

    /// Finds one image as [`ImageSource::find`] does, and reads its manifest and config.
    ///
    /// If one of them is missing, the image is looked for again: it may have been replaced and collected meanwhile.
    fn load(&self, query: &Query<'_>) -> Result<LoadedImage, ResolveError> {
        let mut looks = 1..LOOKS;
        loop {
            match self.load_once(query) {
                Err(ResolveError::Blob(error)) if error.is_absent() && looks.next().is_some() => {}
                other => return other,
            }
        }
    }

    /// As [`ImageSource::load`], in one look.
    fn load_once(&self, query: &Query<'_>) -> Result<LoadedImage, ResolveError> {
        let mut resolved = self.find(query)?;
        let manifest = read_manifest::<ResolveError, _>(self, &resolved.descriptor)?;
        let config = read_config::<ResolveError, _>(self, &manifest.value().config)?;
        let image = Image::new(manifest, config)?;
        resolved.descriptor.platform.get_or_insert_with(|| image.config().value().platform());
        Ok(LoadedImage { image, resolved })
    }
}

/// How often an image is looked for that others replace.
const LOOKS: usize = 5;

/// Which image is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// By name.
    pub wanted: Wanted<'a>,
    /// By platform; without one, whatever the only image is for.
    pub platform: Option<&'a Platform>,
}

/// How an image is chosen among what a place names.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The only one.
    Only,
    /// The one that is named so.
    Exactly(&'a Selector),
    /// The only one, or if there are several, the one with this tag.
    Preferably(&'a str),
}

impl<'a> Query<'a> {
    /// Asks for the image that `selector` names, or the only one, for a platform.
    #[must_use]
    pub fn new(selector: Option<&'a Selector>, platform: &'a Platform) -> Self {
        let wanted = selector.map_or(Wanted::Only, Wanted::Exactly);
        Self { wanted, platform: Some(platform) }
    }
}

/// What a tag or digest names.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// A manifest or index.
    pub descriptor: Descriptor,
    /// The entry of `index.json` that leads to it; at a place without one, the descriptor itself.
    pub entry: Descriptor,
}

impl Named {
    /// Returns a descriptor that is an entry itself.
    #[must_use]
    pub fn by_itself(descriptor: &Descriptor) -> Self {
        Self { descriptor: descriptor.clone(), entry: descriptor.clone() }
    }
}

/// An image that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The image's manifest, with its platform if a descriptor on the way stated it.
    pub descriptor: Descriptor,
    /// What the tag or digest names: an index, or the manifest itself.
    pub named: Descriptor,
    /// The entry of `index.json` that leads to it.
    pub entry: Descriptor,
}

/// An image that was found and read.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    /// The image.
    pub image: Image,
    /// How it was found.
    pub resolved: Resolved,
}

impl Resolved {
    /// Returns the reference under which the image is known, if the layout records one.
    #[must_use]
    pub fn known_name(&self) -> Option<&str> {
        let containerd = self.entry.annotations.get(annotation::CONTAINERD_IMAGE_NAME).map(String::as_str);
        containerd.into_iter().chain(self.entry.ref_name()).find(|name| is_full_reference(name))
    }

    /// Returns whether the layout records that layers were left out on purpose.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        completeness(&self.entry)
    }
}

/// Returns what an entry of `index.json` records about its image's layers.
pub(crate) fn completeness(entry: &Descriptor) -> Completeness {
    match entry.annotations.get(SPARSE).map(String::as_str) {
        Some("true") => Completeness::Sparse,
        _ => Completeness::Full,
    }
}

/// A bare tag parses as a reference too; only text with a `/` says which repository it means.
fn is_full_reference(name: &str) -> bool {
    name.contains('/') && name.parse::<Reference>().is_ok()
}
