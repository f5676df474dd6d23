//! What refers to a manifest by its `subject`: signatures, bills of materials and other artifacts.

use std::collections::HashSet;

use dhow_oci::{Descriptor, Digest, Index, Manifest, MediaType};

use crate::graph::pointers;
use crate::resolve::Documents;
use crate::{Address, BlobSource, ResolveError};

/// A place that can tell what refers to a manifest or index.
pub trait Referrers: Send + Sync {
    /// Returns the manifests and indexes whose `subject` has this digest, each once, with their artifact types and
    /// annotations; nothing if there are none, or if the subject is not here.
    ///
    /// A registry is asked by its referrers API and its [fallback tag](fallback_tag); the union counts. In a layout or
    /// archive what `index.json` leads to is looked through, and the fallback tag too.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ResolveError>;
}

/// Returns the tag under which a place without a referrers API lists what refers to `subject`
/// (distribution-spec, "Referrers Tag Schema").
///
/// ```
/// let digest = dhow_oci::Digest::of(b"x");
/// assert_eq!(dhow_store::fallback_tag(&digest), format!("sha256-{}", digest.hex()));
/// ```
#[must_use]
pub fn fallback_tag(subject: &Digest) -> String {
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let tag = format!("{}-{}", cut(subject.algorithm(), 32), cut(subject.hex(), 64));
    tag.replace(|sign: char| !sign.is_ascii_alphanumeric() && !"_.-".contains(sign), "-")
}

/// Returns what refers to `subject` in the layout at `place`.
pub(crate) fn in_index<S: BlobSource + ?Sized>(
    source: &S,
    place: Address,
    index: &Index,
    subject: &Digest,
) -> Result<Vec<Descriptor>, ResolveError> {
    let mut scan = Scan { documents: Documents::new(source, place), subject, seen: HashSet::new(), found: Vec::new() };
    for entry in index.descriptors() {
        scan.visit(entry, 0)?;
    }
    let fallback = fallback_tag(subject);
    let is_fallback = |entry: &&Descriptor| entry.ref_name() == Some(&fallback) && entry.media_type.is_index();
    for list in index.descriptors().filter(is_fallback) {
        for listed in scan.documents.children(list, 0)? {
            scan.add(listed);
        }
    }
    Ok(scan.found)
}

struct Scan<'a, S: ?Sized> {
    documents: Documents<'a, S>,
    subject: &'a Digest,
    seen: HashSet<Digest>,
    found: Vec<Descriptor>,
}

impl<S: BlobSource + ?Sized> Scan<'_, S> {
    fn visit(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), ResolveError> {
        let is_document = descriptor.media_type.is_index() || descriptor.media_type.is_manifest();
        if !is_document || !self.seen.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        let bytes = match self.documents.read(descriptor) {
            Err(ResolveError::Blob(error)) if error.is_absent() => return Ok(()),
            other => other?,
        };
        let subjects = pointers(&bytes).map(|pointers| pointers.subjects).unwrap_or_default();
        let named = |subject: &dhow_oci::Entry| subject.descriptor().is_some_and(|named| named.digest == *self.subject);
        if subjects.iter().any(named)
            && let Some(referrer) = referrer(descriptor, &bytes)
        {
            self.add(referrer);
        }
        if descriptor.media_type.is_index() {
            for child in self.documents.children(descriptor, depth)? {
                self.visit(&child, depth + 1)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, descriptor: Descriptor) {
        if !self.found.iter().any(|found| found.digest == descriptor.digest) {
            self.found.push(descriptor);
        }
    }
}

/// Returns the descriptor of a referrer as a registry lists it: with the document's annotations, and its artifact type, for
/// which a manifest's config stands in. `None` for what is neither a manifest nor an index.
#[must_use]
pub fn referrer(descriptor: &Descriptor, bytes: &[u8]) -> Option<Descriptor> {
    let bare = Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size);
    if descriptor.media_type.is_index() {
        let index = Index::parse_as(&descriptor.digest, bytes.to_vec()).ok()?;
        let (artifact_type, annotations) = (index.value().artifact_type(), index.value().annotations());
        return Some(Descriptor { artifact_type, annotations, ..bare });
    }
    let manifest = Manifest::parse_as(&descriptor.digest, bytes.to_vec()).ok()?;
    let Manifest { artifact_type, annotations, config, .. } = manifest.value().clone();
    let of_config = |config: MediaType| Some(config.as_str().to_owned()).filter(|text| !text.is_empty());
    let artifact_type = artifact_type.or_else(|| of_config(config.media_type));
    Some(Descriptor { artifact_type, annotations, ..bare })
}
