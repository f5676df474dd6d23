//! The search for an image below what a name leads to.

use dhow_oci::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType, Platform};

use super::documents::Documents;
use super::named::{sorted, with_tag};
use super::{ImageSource, Named, Query, ResolveError, Resolved, Wanted};
use crate::{Address, BlobSource};

/// Finds one image; the rules are those of [`ImageSource::find`].
pub(super) fn find<S: ImageSource + ?Sized>(source: &S, query: &Query<'_>) -> Result<Resolved, ResolveError> {
    let named = source.named(query.wanted)?;
    let mut search = Search { documents: Documents::new(source, source.location()), candidates: Vec::new() };
    for Named { descriptor, entry } in &named {
        search.expand(entry, descriptor, descriptor, 0)?;
    }
    let place = source.location();
    let Some(first) = named.first().map(|named| &named.descriptor) else { return Err(ResolveError::Empty(place)) };
    if search.candidates.is_empty() && !first.media_type.is_index() {
        let (digest, media_type) = (first.digest.clone(), first.media_type.clone());
        return Err(ResolveError::NotAnImage { place, digest, media_type });
    }
    choose(place, query, search.candidates)
}

struct Search<'a, S: ?Sized> {
    documents: Documents<'a, S>,
    candidates: Vec<Candidate>,
}

struct Candidate {
    platform: Platform,
    resolved: Resolved,
}

impl<S: BlobSource + ?Sized> Search<'_, S> {
    /// Adds every image at or below `descriptor` to the candidates.
    fn expand(
        &mut self,
        entry: &Descriptor,
        named: &Descriptor,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<(), ResolveError> {
        let media_type = self.meaning(descriptor)?;
        let descriptor = Descriptor { media_type, ..descriptor.clone() };
        if descriptor.media_type.is_index() {
            for child in self.documents.children(&descriptor, depth)? {
                self.expand(entry, named, &child, depth + 1)?;
            }
            return Ok(());
        }
        if !descriptor.media_type.is_manifest() {
            return Ok(());
        }
        let Some(platform) = self.platform(&descriptor, depth)? else { return Ok(()) };
        // Attestations stand beside the images of an index and are marked like this.
        if platform.os == "unknown" && platform.architecture == "unknown" {
            return Ok(());
        }
        let resolved = Resolved { descriptor, named: named.clone(), entry: entry.clone() };
        self.candidates.push(Candidate { platform, resolved });
        Ok(())
    }

    /// Returns the media type, by content where none is stated.
    fn meaning(&mut self, descriptor: &Descriptor) -> Result<MediaType, ResolveError> {
        if !descriptor.media_type.as_str().is_empty() {
            return Ok(descriptor.media_type.clone());
        }
        let bytes = self.documents.read(descriptor)?;
        if Manifest::parse(bytes.clone()).is_ok() {
            return Ok(MediaType::OciManifest);
        }
        Ok(if Index::parse(bytes).is_ok() { MediaType::OciIndex } else { descriptor.media_type.clone() })
    }

    /// Returns the platform that the descriptor states or else the image's config; `None` for what is no image,
    /// and for an image of an index whose documents are left out.
    fn platform(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Option<Platform>, ResolveError> {
        if let Some(platform) = descriptor.platform.as_ref().filter(|platform| !platform.architecture.is_empty()) {
            return Ok(Some(platform.clone()));
        }
        let bytes = match self.documents.read(descriptor) {
            Err(ResolveError::Blob(error)) if error.is_absent() && depth > 0 => return Ok(None),
            other => other?,
        };
        let manifest = Manifest::parse_as(&descriptor.digest, bytes)?;
        let config = &manifest.value().config;
        if !matches!(config.media_type, MediaType::OciConfig | MediaType::DockerConfig) {
            return Ok(None);
        }
        let config = ImageConfig::parse_as(&config.digest, self.documents.read(config)?)?;
        let mut platform = config.value().platform();
        if platform.os.is_empty() {
            // Early Docker images state none, and were for Linux all.
            "linux".clone_into(&mut platform.os);
        }
        Ok(Some(platform))
    }
}

fn choose(place: Address, query: &Query<'_>, candidates: Vec<Candidate>) -> Result<Resolved, ResolveError> {
    let platforms = sorted(candidates.iter().map(|candidate| candidate.platform.to_string()));
    let mut fitting: Vec<Candidate> = candidates
        .into_iter()
        .filter(|candidate| query.platform.is_none_or(|wanted| candidate.platform.serves(wanted)))
        .collect();
    if let Some(wanted) = query.platform {
        let is_exact = |candidate: &Candidate| variant(&candidate.platform) == variant(wanted);
        if fitting.iter().any(is_exact) {
            fitting.retain(is_exact);
        }
        // An index lists the same platform twice in order of preference.
        fitting = first_of_each_entry(fitting);
    }
    if let (Wanted::Preferably(tag), true) = (query.wanted, distinct(&fitting).len() > 1) {
        let entries: Vec<Descriptor> = fitting.iter().map(|candidate| candidate.resolved.entry.clone()).collect();
        let tagged: Vec<Descriptor> = with_tag(entries.iter(), tag).into_iter().cloned().collect();
        fitting.retain(|candidate| tagged.is_empty() || tagged.contains(&candidate.resolved.entry));
    }
    match distinct(&fitting).len() {
        0 => {
            let wanted = query.platform.map_or_else(|| "any platform".to_owned(), ToString::to_string);
            Err(ResolveError::NoSuchPlatform { place, wanted, platforms })
        }
        1 => Ok(fitting.swap_remove(0).resolved),
        _ => {
            let choice = |candidate: &Candidate| {
                let entry = &candidate.resolved.entry;
                let name = entry.ref_name().map_or_else(|| entry.digest.to_string(), ToOwned::to_owned);
                match query.platform {
                    Some(_) => format!("{name}@{}", candidate.resolved.descriptor.digest),
                    None => format!("{name} ({})", candidate.platform),
                }
            };
            Err(ResolveError::Ambiguous { place, choices: sorted(fitting.iter().map(choice)) })
        }
    }
}

fn first_of_each_entry(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen: Vec<Descriptor> = Vec::new();
    let mut first = Vec::new();
    for candidate in candidates {
        if !seen.contains(&candidate.resolved.entry) {
            seen.push(candidate.resolved.entry.clone());
            first.push(candidate);
        }
    }
    first
}

fn distinct(candidates: &[Candidate]) -> std::collections::BTreeSet<&Digest> {
    candidates.iter().map(|candidate| &candidate.resolved.descriptor.digest).collect()
}

/// Returns the variant, or the one that an architecture without variant means.
fn variant(platform: &Platform) -> &str {
    match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("arm64", "") => "v8",
        ("arm", "") => "v7",
        ("amd64", "v1") => "",
        (_, variant) => variant,
    }
}
