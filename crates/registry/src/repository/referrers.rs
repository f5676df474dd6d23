//! What refers to a manifest: the referrers API, and the tag that stands in for it (distribution-spec, "Listing Referrers").

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use dhow_oci::{Descriptor, Digest, Document, Entry, Index, MediaType, Selector};

use dhow_store::fallback_tag;

use super::Repository;
use crate::error::{Reason, RegistryError};

/// How often the stand-in tag is looked at after it was written.
const LOOKS: usize = 5;

/// Who lists a referrer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotedBy {
    /// The registry's API.
    Registry,
    /// The tag that stands in for it.
    Tag,
}

impl Repository {
    /// Returns the entries of all that refer to `subject`, each digest once: those that the API lists, and those of the
    /// stand-in tag, since a registry may have got the API later.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Entry>, RegistryError> {
        let mut found = self.listed_referrers(subject)?.unwrap_or_default();
        let tagged = self.tagged_referrers(subject)?;
        found.extend(tagged.map(|index| index.value().manifests.clone()).unwrap_or_default());
        let mut seen = HashSet::new();
        found.retain(|entry| entry.descriptor().is_none_or(|descriptor| seen.insert(descriptor.digest.clone())));
        Ok(found)
    }

    /// Returns what the API lists; `None` if the registry has none.
    pub fn listed_referrers(&self, subject: &Digest) -> Result<Option<Vec<Entry>>, RegistryError> {
        let list = || {
            let mut all = Vec::new();
            let pages =
                self.pages::<Index>(self.url(&format!("referrers/{subject}"))?, |page| all.extend(page.manifests));
            match pages {
                // A registry with the API never answers so.
                Err(Reason::NotFound { .. } | Reason::Status { status: 400 | 405 | 501, .. }) => Ok(None),
                // A registry that has other things at this path has no API.
                Err(Reason::Malformed(_)) if all.is_empty() => Ok(None),
                other => other.map(|_| Some(all)),
            }
        };
        list().map_err(|reason: Reason| reason.of("list what refers to", format!("{}@{subject}", self.name)))
    }

    /// Returns the index under the stand-in tag; `None` if there is no such tag.
    pub fn tagged_referrers(&self, subject: &Digest) -> Result<Option<Document<Index>>, RegistryError> {
        let tag = Selector::Tag(fallback_tag(subject));
        let fetched = match self.manifest(&tag) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let parsed = Index::parse(fetched.bytes).ok().filter(|_| fetched.descriptor.media_type.is_index());
        let words = || Reason::Malformed("what this tag names is no index of referrers".to_owned());
        parsed.map(Some).ok_or_else(|| words().of("read", self.named(&tag)))
    }

    /// Makes sure that a stored manifest, described by `referrer` with its artifact type and annotations, is found from its
    /// subject.
    ///
    /// Whatever the registry said when it stored the manifest, only what its API lists counts. Else the manifest is added
    /// to the index under the stand-in tag. Registries cannot replace a tag on condition, so another writer may overwrite
    /// that index at the same moment: it is looked at again, and written again, a few times. That is the best there is.
    pub fn note_referrer(&self, referrer: &Descriptor, subject: &Digest) -> Result<NotedBy, RegistryError> {
        let is_it = |entry: &Entry| entry.descriptor().is_some_and(|listed| listed.digest == referrer.digest);
        if self.listed_referrers(subject)?.is_some_and(|listed| listed.iter().any(is_it)) {
            return Ok(NotedBy::Registry);
        }
        let tag = Selector::Tag(fallback_tag(subject));
        for _ in 0..LOOKS {
            let present = self.tagged_referrers(subject)?;
            if present.as_ref().is_some_and(|index| index.value().manifests.iter().any(is_it)) {
                return Ok(NotedBy::Tag);
            }
            let added = |index: &mut Index| index.manifests.push(referrer.clone().into());
            let index = present.unwrap_or_else(|| Document::of(Index::default())).edited(added);
            self.put(&tag, index.bytes(), &MediaType::OciIndex)?;
            std::thread::sleep(pause());
        }
        match self.tagged_referrers(subject)?.is_some_and(|index| index.value().manifests.iter().any(is_it)) {
            true => Ok(NotedBy::Tag),
            false => Err(Reason::Overwritten(LOOKS).of("write", self.named(&tag))),
        }
    }
}

/// Returns a wait of 0.2 to 1 s, so that two writers who met do not meet again.
fn pause() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(200 + random % 800)
}
