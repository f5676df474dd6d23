//! Naming an image in layouts.

use std::collections::BTreeSet;

use dhow_cnb::Report;
use dhow_cnb::launch::Bom;
use dhow_oci::{Descriptor, Digest, Image, Oversized};
use dhow_store::{BlobError, BlobSource, Completeness, CopyError, Expected, Gathered, Layout, LayoutError, copy_graph};

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
    /// What the tag must name so that it is given.
    pub expected: &'a Expected,
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
#[derive(Clone, Copy)]
pub struct Publication<'a> {
    /// The image.
    pub image: &'a Image,
    /// Where its layers are, if not in a target.
    pub blobs: &'a [&'a dyn BlobSource],
    /// Whether the run image's layers are there.
    pub completeness: Completeness,
    /// How many layers, from the base, are the run image's.
    pub base_layers: usize,
    /// What the report says of the build's old bill of materials.
    pub bom: &'a [Bom],
}

/// Copies the image to each target and names it there.
///
/// What is named is all there, and each of its layers has been read once. A target that fails is told, and the others
/// are still written.
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

fn save(publication: &Publication<'_>, target: &Output<'_>, first: &Layout) -> Result<Descriptor, PublishError> {
    let Publication { image, completeness, base_layers, blobs, .. } = *publication;
    image.check_size()?;
    let digest = |layer: &Descriptor| layer.digest.clone();
    let (base, own) = image.manifest().value().layers.split_at_checked(base_layers).unwrap_or_default();
    let own: BTreeSet<Digest> = own.iter().map(digest).collect();
    let left_out = match completeness {
        Completeness::Full => BTreeSet::new(),
        // An app may have a layer of its base once more.
        Completeness::Sparse => base.iter().map(digest).filter(|layer| !own.contains(layer)).collect(),
    };
    let places = blobs.iter().copied().chain([first as &dyn BlobSource, target.layout]).collect();
    let source = Gathered::new(image, places).without(left_out);
    let incomplete = |missing| PublishError::Incomplete { name: target.name.to_owned(), missing };
    let copied = match copy_graph(&image.descriptor(), &source, target.layout, completeness) {
        Err(CopyError::Incomplete { missing, .. }) => return Err(incomplete(missing)),
        Err(CopyError::Blob(error)) => return Err(error.into()),
        other => other.map_err(LayoutError::from)?,
    };
    let missing: Vec<Digest> = copied.missing.iter().map(digest).filter(|layer| own.contains(layer)).collect();
    if !missing.is_empty() {
        return Err(incomplete(missing));
    }
    Ok(target.layout.tag_if(target.tag, target.expected, image.descriptor(), completeness)?)
}
