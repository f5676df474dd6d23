//! What a name leads to among the entries of an `index.json`.

use dhow_oci::{Descriptor, Digest, Entry, Foreign, Index, Selector, annotation};

use super::documents::Documents;
use super::{Named, ResolveError, Wanted};
use crate::{Address, BlobSource};

/// Returns what the layout at `place` names so: never nothing. A digest is looked for through nested indexes too.
pub(crate) fn named<S: BlobSource + ?Sized>(
    source: &S,
    place: Address,
    index: &Index,
    wanted: Wanted<'_>,
) -> Result<Vec<Named>, ResolveError> {
    match wanted {
        Wanted::Only | Wanted::Preferably(_) => {
            let all: Vec<Named> = index.descriptors().map(Named::by_itself).collect();
            match all.is_empty() {
                true => Err(foreign(&place, index, |_, _| true).unwrap_or(ResolveError::Empty(place))),
                false => Ok(all),
            }
        }
        Wanted::Exactly(Selector::Tag(tag)) => tagged(place, index, tag),
        Wanted::Exactly(Selector::Digest(digest)) => of_digest(&mut Documents::new(source, place), index, digest),
    }
}

fn tagged(place: Address, index: &Index, tag: &str) -> Result<Vec<Named>, ResolveError> {
    let is_exact = |name: Option<&str>| name == Some(tag);
    if !index.descriptors().any(|entry| is_exact(entry.ref_name()))
        && let Some(error) = foreign(&place, index, |entry, _| is_exact(entry.ref_name()))
    {
        return Err(error);
    }
    let tagged = with_tag(index.descriptors(), tag);
    if tagged.is_empty() {
        return Err(ResolveError::NoSuchTag { place, wanted: tag.to_owned(), tags: tags(index) });
    }
    Ok(tagged.into_iter().map(Named::by_itself).collect())
}

fn of_digest<S: BlobSource + ?Sized>(
    documents: &mut Documents<'_, S>,
    index: &Index,
    digest: &Digest,
) -> Result<Vec<Named>, ResolveError> {
    for entry in index.descriptors() {
        if let Some(descriptor) = locate(documents, entry, digest, 0)? {
            return Ok(vec![Named { descriptor, entry: entry.clone() }]);
        }
    }
    let place = documents.place.clone();
    let foreign = foreign(&place, index, |_, foreign| foreign.digest() == Some(digest));
    Err(foreign.unwrap_or_else(|| ResolveError::NoSuchDigest {
        place,
        wanted: digest.clone(),
        digests: index.descriptors().map(|entry| entry.digest.to_string()).collect(),
    }))
}

fn locate<S: BlobSource + ?Sized>(
    documents: &mut Documents<'_, S>,
    descriptor: &Descriptor,
    wanted: &Digest,
    depth: usize,
) -> Result<Option<Descriptor>, ResolveError> {
    if descriptor.digest == *wanted {
        return Ok(Some(descriptor.clone()));
    }
    if !descriptor.media_type.is_index() {
        return Ok(None);
    }
    for child in documents.children(descriptor, depth)? {
        if let Some(found) = locate(documents, &child, wanted, depth + 1)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns the error for the first entry that is not understood and fits.
fn foreign(place: &Address, index: &Index, fits: impl Fn(&Entry, &Foreign) -> bool) -> Option<ResolveError> {
    let foreign = index.manifests.iter().filter_map(|entry| Some((entry, entry.foreign()?)));
    let (entry, foreign) = foreign.into_iter().find(|(entry, foreign)| fits(entry, foreign))?;
    let (entry, reason) = (foreign.label(entry), foreign.reason().to_owned());
    Some(ResolveError::Foreign { place: place.clone(), entry, reason })
}

/// Returns the entries with a tag: by exact `ref.name`, else by the tag of a full reference.
pub(super) fn with_tag<'a>(entries: impl Iterator<Item = &'a Descriptor> + Clone, tag: &str) -> Vec<&'a Descriptor> {
    let exact: Vec<_> = entries.clone().filter(|entry| entry.ref_name() == Some(tag)).collect();
    if !exact.is_empty() {
        return exact;
    }
    let known = |entry: &Descriptor| {
        let containerd = entry.annotations.get(annotation::CONTAINERD_IMAGE_NAME).map(String::as_str);
        let mut full = entry.ref_name().into_iter().chain(containerd);
        full.any(|name| name == tag || tag_of(name) == Some(tag))
    };
    entries.filter(|entry| known(entry)).collect()
}

/// Returns the tag of a full reference, which has a `/` before it.
fn tag_of(name: &str) -> Option<&str> {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let (repository, tag) = name.rsplit_once(':')?;
    (!tag.contains('/') && !repository.is_empty()).then_some(tag)
}

/// Returns the tags, sorted, each once.
pub(crate) fn tags(index: &Index) -> Vec<String> {
    sorted(index.manifests.iter().filter_map(Entry::ref_name).map(ToOwned::to_owned))
}

/// Returns the names, sorted, each once.
pub(super) fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
