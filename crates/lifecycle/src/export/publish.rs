//! Naming an image in layouts.

use dhow_cnb::Report;
use dhow_cnb::launch::Bom;
use dhow_oci::{Descriptor, Digest, Image, Oversized};
use dhow_store::{BlobError, BlobSink, BlobSource, Completeness, Layout, LayoutError, Presence};

use crate::Log;

/// A name that an image gets.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The layout.
    pub layout: &'a Layout,
    /// The tag in it.
    pub tag: &'a str,
    /// What messages and the report call it.
    pub name: &'a str,
}

/// An image that has its names.
#[derive(Clone, Debug)]
pub struct Published {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The entry of the first target's `index.json`.
    pub entry: Descriptor,
    /// What `report.toml` says.
    pub report: Report,
}

/// Why an image cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no target.
    #[error("saving image: no name is given")]
    NoTarget,
    /// A layout cannot be written, or lacks blobs of the image.
    #[error("saving image")]
    Layout(#[from] LayoutError),
    /// A blob cannot be taken over.
    #[error("saving image")]
    Blob(#[from] BlobError),
    /// The image could not be read again.
    #[error("saving image")]
    Oversized(#[from] Oversized),
    /// Layers that must be there are not.
    #[error("saving image: {name} lacks {} layer(s) that are not the run image's, the first is {}", .missing.len(), .missing[0])]
    Incomplete {
        /// The target.
        name: String,
        /// The blobs; never empty.
        missing: Vec<Digest>,
    },
    /// Some names could not be given; those before were.
    #[error("failed to write image to the following tags: [{name}: {source}]")]
    Tag {
        /// The name.
        name: String,
        /// Why.
        source: Box<PublishError>,
    },
}

/// What is published.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The image; its blobs are in the layout of the first target.
    pub image: &'a Image,
    /// Whether the run image's layers are there.
    pub completeness: Completeness,
    /// How many layers, from the base, are the run image's.
    pub base_layers: usize,
    /// What the report says of the build's old bill of materials.
    pub bom: &'a [Bom],
}

/// Names the image in the first target, copies it to the others and names it there.
///
/// The closure of what is named is checked. A target that fails is told, and the others are still written.
pub fn publish(
    publication: &Publication<'_>,
    targets: &[Output<'_>],
    log: &dyn Log,
) -> Result<Published, PublishError> {
    let (first, others) = targets.split_first().ok_or(PublishError::NoTarget)?;
    log.info(&format!("Saving {}...", first.name));
    let entry = save(publication, first, first.layout)?;
    let digest = publication.image.manifest().digest().clone();
    let outcomes: Vec<Result<Descriptor, PublishError>> =
        others.iter().map(|target| save(publication, target, first.layout)).collect();

    log.info(&format!("*** Images ({}@{digest}):", first.name));
    log.info(&format!("      {}", first.name));
    let mut tags = vec![first.name.to_owned()];
    let mut failed = None;
    for (target, outcome) in others.iter().zip(outcomes) {
        match outcome {
            Ok(_) => {
                log.info(&format!("      {}", target.name));
                tags.push(target.name.to_owned());
            }
            Err(error) => {
                log.info(&format!("      {} - {error}", target.name));
                failed.get_or_insert((target.name.to_owned(), error));
            }
        }
    }
    let manifest_size = publication.image.manifest().bytes().len() as u64;
    log.debug(&format!("\n*** Digest: {digest}"));
    log.debug(&format!("\n*** Manifest Size: {manifest_size}"));
    if let Some((name, error)) = failed {
        return Err(PublishError::Tag { name, source: Box::new(error) });
    }
    let report =
        Report { bom: publication.bom.to_vec(), tags, digest: digest.to_string(), manifest_size, ..Report::default() };
    Ok(Published { digest, entry, report })
}

fn save(publication: &Publication<'_>, target: &Output<'_>, from: &Layout) -> Result<Descriptor, PublishError> {
    let Publication { image, completeness, base_layers, .. } = *publication;
    image.check_size()?;
    let manifest = image.manifest().value();
    target.layout.store(image.config().bytes(), manifest.config.media_type.clone())?;
    target.layout.store(image.manifest().bytes(), manifest.media_type())?;
    let mut missing = Vec::new();
    for (position, layer) in manifest.layers.iter().enumerate() {
        let is_needed = completeness == Completeness::Full || position >= base_layers;
        let is_there = target.layout.presence(layer)? == Presence::Present;
        if is_needed && !is_there && from.presence(layer)? == Presence::Absent {
            missing.push(layer.digest.clone());
        } else if is_needed {
            target.layout.adopt(from, layer)?;
        }
    }
    if !missing.is_empty() {
        return Err(PublishError::Incomplete { name: target.name.to_owned(), missing });
    }
    Ok(target.layout.tag(target.tag, image.descriptor(), completeness)?)
}
