//! The search for an image below the entries of `index.json`.

use dhow_oci::{
    Descriptor, Digest, Entry, Foreign, ImageConfig, Index, MANIFEST_LIMIT, Manifest, MediaType, Platform, Selector,
    annotation,
};

use super::{ImageSource, Query, ResolveError, Resolved, Wanted};
use crate::graph::MAX_DEPTH;
use crate::read_document;

/// How many documents one search may read.
const MAX_DOCUMENTS: usize = 2000;

/// Finds one image; the rules are those of [`ImageSource::find`].
pub(super) fn find<S: ImageSource + ?Sized>(source: &S, query: &Query<'_>) -> Result<Resolved, ResolveError> {
    let index = source.index()?;
    let mut search = Search { source, documents: 0, candidates: Vec::new() };
    let named = search.named(index.value(), query.wanted)?;
    for (entry, named) in &named {
        search.expand(entry, named, named, 0)?;
    }
    let candidates = std::mem::take(&mut search.candidates);
    let Some((_, first)) = named.first() else {
        let foreign = search.foreign(index.value(), |_, _| true);
        return Err(foreign.unwrap_or_else(|| ResolveError::Empty(source.location())));
    };
    if candidates.is_empty() && !first.media_type.is_index() {
        let (digest, media_type) = (first.digest.clone(), first.media_type.clone());
        return Err(ResolveError::NotAnImage { place: source.location(), digest, media_type });
    }
    choose(source, query, candidates)
}

struct Search<'a, S: ?Sized> {
    source: &'a S,
    documents: usize,
    candidates: Vec<Candidate>,
}

struct Candidate {
    platform: Platform,
    resolved: Resolved,
}

impl<S: ImageSource + ?Sized> Search<'_, S> {
    /// Returns the named descriptors, each with the entry that leads to it.
    fn named(&mut self, index: &Index, wanted: Wanted<'_>) -> Result<Vec<(Descriptor, Descriptor)>, ResolveError> {
        let pair = |entry: &Descriptor| (entry.clone(), entry.clone());
        match wanted {
            Wanted::Only | Wanted::Preferably(_) => Ok(index.descriptors().map(pair).collect()),
            Wanted::Exactly(Selector::Tag(tag)) => {
                let is_exact = |entry: &&Descriptor| entry.ref_name() == Some(tag);
                if !index.descriptors().any(|entry| is_exact(&entry))
                    && let Some(error) = self.foreign(index, |entry, _| entry.ref_name() == Some(tag))
                {
                    return Err(error);
                }
                let tagged = with_tag(index.descriptors(), tag);
                if tagged.is_empty() {
                    let (place, wanted) = (self.source.location(), tag.clone());
                    return Err(ResolveError::NoSuchTag { place, wanted, tags: tags(index) });
                }
                Ok(tagged.into_iter().map(pair).collect())
            }
            Wanted::Exactly(Selector::Digest(digest)) => {
                for entry in index.descriptors() {
                    if let Some(named) = self.locate(entry, digest, 0)? {
                        return Ok(vec![(entry.clone(), named)]);
                    }
                }
                let foreign = self.foreign(index, |_, foreign| foreign.digest() == Some(digest));
                Err(foreign.unwrap_or_else(|| ResolveError::NoSuchDigest {
                    place: self.source.location(),
                    wanted: digest.clone(),
                    digests: index.descriptors().map(|entry| entry.digest.to_string()).collect(),
                }))
            }
        }
    }

    /// Returns the error for the first entry that is not understood and fits.
    fn foreign(&self, index: &Index, fits: impl Fn(&Entry, &Foreign) -> bool) -> Option<ResolveError> {
        let foreign = index.manifests.iter().filter_map(|entry| Some((entry, entry.foreign()?)));
        let (entry, foreign) = foreign.into_iter().find(|(entry, foreign)| fits(entry, foreign))?;
        let (entry, reason) = (foreign.label(entry), foreign.reason().to_owned());
        Some(ResolveError::Foreign { place: self.source.location(), entry, reason })
    }

    fn locate(
        &mut self,
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
        for child in self.children(descriptor, depth)? {
            if let Some(found) = self.locate(&child, wanted, depth + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

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
            for child in self.children(&descriptor, depth)? {
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
        let bytes = self.read(descriptor)?;
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
        let bytes = match self.read(descriptor) {
            Err(ResolveError::Blob(error)) if error.is_absent() && depth > 0 => return Ok(None),
            other => other?,
        };
        let manifest = Manifest::parse_as(&descriptor.digest, bytes)?;
        let config = &manifest.value().config;
        if !matches!(config.media_type, MediaType::OciConfig | MediaType::DockerConfig) {
            return Ok(None);
        }
        let config = ImageConfig::parse_as(&config.digest, self.read(config)?)?;
        let mut platform = config.value().platform();
        if platform.os.is_empty() {
            // Early Docker images state none, and were for Linux all.
            "linux".clone_into(&mut platform.os);
        }
        Ok(Some(platform))
    }

    fn children(&mut self, index: &Descriptor, depth: usize) -> Result<Vec<Descriptor>, ResolveError> {
        if depth >= MAX_DEPTH {
            return Err(self.too_much(index, "indexes nested too deep in it"));
        }
        let bytes = match self.read(index) {
            Err(ResolveError::Blob(error)) if error.is_absent() && depth > 0 => return Ok(Vec::new()),
            other => other?,
        };
        Ok(Index::parse_as(&index.digest, bytes)?.value().descriptors().cloned().collect())
    }

    fn read(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        self.documents += 1;
        if self.documents > MAX_DOCUMENTS {
            return Err(self.too_much(descriptor, "too many documents beside it to find one image"));
        }
        Ok(read_document(self.source, descriptor, MANIFEST_LIMIT)?)
    }

    fn too_much(&self, descriptor: &Descriptor, reason: &'static str) -> ResolveError {
        let (place, digest) = (self.source.location(), descriptor.digest.clone());
        ResolveError::TooMuch { place, digest, reason }
    }
}

fn choose<S: ImageSource + ?Sized>(
    source: &S,
    query: &Query<'_>,
    candidates: Vec<Candidate>,
) -> Result<Resolved, ResolveError> {
    let place = || source.location();
    let platforms = names(candidates.iter().map(|candidate| candidate.platform.to_string()));
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
            Err(ResolveError::NoSuchPlatform { place: place(), wanted, platforms })
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
            Err(ResolveError::Ambiguous { place: place(), choices: names(fitting.iter().map(choice)) })
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

/// Returns the entries with a tag: by exact `ref.name`, else by the tag of a full reference.
fn with_tag<'a>(entries: impl Iterator<Item = &'a Descriptor> + Clone, tag: &str) -> Vec<&'a Descriptor> {
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

fn tags(index: &Index) -> Vec<String> {
    names(index.manifests.iter().filter_map(Entry::ref_name).map(ToOwned::to_owned))
}

fn names(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
