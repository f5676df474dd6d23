//! What may be removed from a layout, and its removal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dhow_fs::{FileKind, file_clock_ns};
use dhow_oci::{Descriptor, Digest, Entry, MANIFEST_LIMIT, MediaType, Reading};

use super::session::sweep;
use super::{Layout, LayoutError};
use crate::blob::is_document;
use crate::graph::{Pointers, pointers};
use crate::resolve::completeness;
use crate::staging::in_layout;
use crate::{BlobError, BlobSource, Completeness, Presence, read_document};

/// What [`Layout::gc`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The number of blobs that are referred to.
    pub kept: usize,
    /// The number of unreferenced blobs that were left because a writer at work may need them.
    pub spared: usize,
    /// How many of them were left only because they are young.
    pub young: usize,
    /// The blobs that were removed, sorted.
    pub removed: Vec<Digest>,
    /// The sum of their sizes in bytes.
    pub freed: u64,
    /// The number of dead writers whose unfinished files were removed.
    pub reclaimed: usize,
}

impl Layout {
    /// Removes the blobs that nothing refers to, and what dead writers left.
    ///
    /// Kept is what any descriptor of `index.json` leads to, tagged or not, whatever its media type, what that
    /// has as subject, and the manifests whose subject is kept.
    ///
    /// Spared are the blobs that were stored or touched since the oldest live writer began, and those that are younger
    /// than `grace`: other tools store blobs before they name them, and nothing tells that they are at work. In a layout
    /// that no other tool writes to, no grace is needed.
    ///
    /// # Errors
    /// If what an entry of `index.json` names, or a manifest that is kept, is missing or cannot be read, so that nobody
    /// knows what it needs; likewise if it or the index lists something of which not even the digest is understood.
    /// Nothing is removed then.
    pub fn gc(&self, grace: Duration) -> Result<GcReport, LayoutError> {
        let _lock = self.lock()?;
        let sweep = sweep(&self.root, None)?;
        let blobs = self.blobs()?;
        let kept = self.keep(&self.index()?.value().manifests, &blobs)?;
        let mut report = GcReport { reclaimed: sweep.reclaimed, ..GcReport::default() };
        let grace = i128::try_from(grace.as_nanos()).unwrap_or(i128::MAX);
        let adult = (grace > 0).then(|| file_clock_ns().saturating_sub(grace));
        for (digest, blob) in &blobs {
            if kept.contains_key(digest) {
                report.kept += 1;
            } else if sweep.oldest_live.is_some_and(|began| blob.ctime_ns >= began) {
                report.spared += 1;
            } else if adult.is_some_and(|adult| blob.ctime_ns > adult) {
                report.spared += 1;
                report.young += 1;
            } else {
                self.root.remove_file(&in_layout(digest))?;
                report.removed.push(digest.clone());
                report.freed += blob.size;
            }
        }
        Ok(report)
    }

    /// Removes those of `candidates` that no full image of the layout needs, and returns them.
    ///
    /// For an image that takes the place of another, whose blobs the candidates are: a sparse one leaves its base out.
    /// Manifests and configs of sparse images stay, and so does what another live writer may need. There is no grace as
    /// with [`Layout::gc`], since the candidates are known not to be another tool's: the caller has just given them up.
    pub fn drop_unneeded(&self, candidates: &[Digest]) -> Result<Vec<Digest>, LayoutError> {
        let _lock = self.lock()?;
        let own = self.own_session();
        let sweep = sweep(&self.root, own.as_deref().map(super::Session::directory))?;
        let blobs = self.blobs()?;
        let index = self.index()?;
        let is_full = |entry: &Entry| entry.descriptor().map(completeness) != Some(Completeness::Sparse);
        let (full, sparse): (Vec<_>, Vec<_>) = index.value().manifests.iter().cloned().partition(is_full);
        let full = match self.keep(&full, &blobs) {
            // What is not understood may need any of them.
            Err(LayoutError::Foreign { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let sparse = self.keep(&sparse, &blobs)?;
        let mut dropped = Vec::new();
        for digest in candidates {
            let Some(blob) = blobs.get(digest) else { continue };
            let is_needed = full.contains_key(digest) || sparse.get(digest) == Some(&Role::Document);
            if is_needed || sweep.oldest_live.is_some_and(|began| blob.ctime_ns >= began) {
                continue;
            }
            self.root.remove_file(&in_layout(digest))?;
            dropped.push(digest.clone());
        }
        Ok(dropped)
    }

    /// Returns the regular files of the blob directories that have a digest's name.
    pub(super) fn blobs(&self) -> Result<BTreeMap<Digest, dhow_fs::Stat>, LayoutError> {
        let mut blobs = BTreeMap::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = PathBuf::from("blobs").join(algorithm);
            let entries = match self.root.read_directory(&directory) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            for entry in entries {
                let Ok(digest) = format!("{algorithm}:{}", Path::new(&entry.name).display()).parse() else { continue };
                let stat = self.root.symlink_metadata(&directory.join(&entry.name))?;
                if stat.kind == FileKind::File {
                    blobs.insert(digest, stat);
                }
            }
        }
        Ok(blobs)
    }

    fn keep(
        &self,
        roots: &[Entry],
        blobs: &BTreeMap<Digest, dhow_fs::Stat>,
    ) -> Result<HashMap<Digest, Role>, LayoutError> {
        let mut keeper = Keeper { layout: self, blobs, seen: HashSet::new(), kept: HashMap::new(), left: Vec::new() };
        for root in roots {
            keeper.require(root)?;
        }
        keeper.follow(roots, true)?;
        keeper.drain(&HashMap::new())?;
        let referrers = self.referrers(blobs, &keeper.kept);
        let found: Vec<Descriptor> =
            keeper.kept.keys().filter_map(|digest| referrers.get(digest)).flatten().cloned().collect();
        keeper.left.extend(found);
        keeper.drain(&referrers)?;
        Ok(keeper.kept)
    }

    /// Returns, by subject, the manifests among the blobs that are not kept yet.
    fn referrers(
        &self,
        blobs: &BTreeMap<Digest, dhow_fs::Stat>,
        kept: &HashMap<Digest, Role>,
    ) -> HashMap<Digest, Vec<Descriptor>> {
        let mut referrers: HashMap<Digest, Vec<Descriptor>> = HashMap::new();
        for (digest, blob) in blobs {
            if kept.contains_key(digest) || blob.size > MANIFEST_LIMIT.0 {
                continue;
            }
            // Whatever is not a readable document refers to nothing.
            let descriptor = Descriptor::new(MediaType::OciManifest, digest.clone(), blob.size);
            let Ok(Some(pointers)) = self.pointers_of(&descriptor) else { continue };
            for subject in &pointers.subjects {
                let subject = match subject.reading() {
                    Reading::Descriptor(subject) => Some(&subject.digest),
                    Reading::Foreign(foreign) => foreign.digest(),
                };
                if let Some(subject) = subject {
                    referrers.entry(subject.clone()).or_default().push(descriptor.clone());
                }
            }
        }
        referrers
    }

    /// Returns what a blob points at if it is a JSON object; of other content only the first byte is read.
    fn pointers_of(&self, descriptor: &Descriptor) -> Result<Option<Pointers>, BlobError> {
        if !self.starts_as_object(descriptor)? && !is_index_or_manifest(descriptor) {
            return Ok(None);
        }
        Ok(pointers(&read_document(self, descriptor, MANIFEST_LIMIT)?))
    }

    /// Tells whether a blob's first byte is that of a JSON object.
    pub(super) fn starts_as_object(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        let mut file = self.root.open_file_nofollow(&in_layout(&descriptor.digest))?;
        let mut first = [0];
        Ok(std::io::Read::read(&mut file, &mut first).is_ok_and(|count| count == 1) && first == *b"{")
    }
}

/// What a kept blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Document,
    Content,
}

struct Keeper<'a> {
    layout: &'a Layout,
    blobs: &'a BTreeMap<Digest, dhow_fs::Stat>,
    /// One digest may be named with several media types; each is looked into.
    seen: HashSet<(Digest, MediaType)>,
    kept: HashMap<Digest, Role>,
    left: Vec<Descriptor>,
}

impl Keeper<'_> {
    /// Fails if what an entry of `index.json` names is missing or cannot be read. Of a layer or config, what it holds
    /// decides nothing.
    fn require(&self, entry: &Entry) -> Result<(), LayoutError> {
        let name = || entry.ref_name().map(str::to_owned);
        let absent = |digest: &Digest| BlobError::Absent { digest: digest.clone(), place: self.layout.path().into() };
        let descriptor = match entry.reading() {
            Reading::Descriptor(descriptor) => descriptor,
            Reading::Foreign(foreign) => match foreign.digest().filter(|digest| !self.blobs.contains_key(digest)) {
                Some(digest) => return Err(self.unreadable(digest, name(), absent(digest))),
                None => return Ok(()),
            },
        };
        let digest = &descriptor.digest;
        let unreadable = |source| self.unreadable(digest, name(), source);
        if self.layout.presence(descriptor).map_err(unreadable)? == Presence::Absent {
            return Err(unreadable(absent(digest)));
        }
        if is_index_or_manifest(descriptor) || may_point(descriptor) {
            self.layout.pointers_of(descriptor).map_err(unreadable)?;
        }
        Ok(())
    }

    fn unreadable(&self, digest: &Digest, name: Option<String>, source: BlobError) -> LayoutError {
        LayoutError::Unreadable { path: self.layout.path.clone(), digest: digest.clone(), name, source }
    }

    fn drain(&mut self, referrers: &HashMap<Digest, Vec<Descriptor>>) -> Result<(), LayoutError> {
        while let Some(descriptor) = self.left.pop() {
            if !self.seen.insert((descriptor.digest.clone(), descriptor.media_type.clone())) {
                continue;
            }
            let role = if is_document(&descriptor.media_type) { Role::Document } else { Role::Content };
            let known = self.kept.entry(descriptor.digest.clone()).or_insert(role);
            if role == Role::Document {
                *known = role;
            }
            self.left.extend(referrers.get(&descriptor.digest).into_iter().flatten().cloned());
            let Some(pointers) = self.look_into(&descriptor)? else { continue };
            self.follow(&pointers.parts, is_index_or_manifest(&descriptor))?;
            self.follow(&pointers.subjects, false)?;
        }
        Ok(())
    }

    /// Goes on to what is listed. Fails if that is `decisive` and nobody can tell which blobs it needs.
    fn follow(&mut self, entries: &[Entry], decisive: bool) -> Result<(), LayoutError> {
        for entry in entries {
            let foreign = match entry.reading() {
                Reading::Descriptor(descriptor) => {
                    self.left.push(descriptor.as_ref().clone());
                    continue;
                }
                Reading::Foreign(foreign) => foreign,
            };
            match foreign.digest().and_then(|digest| Some((digest, self.blobs.get(digest)?))) {
                // Its media type may be wrong too, so what it points at is read from its content.
                Some((digest, blob)) => {
                    let descriptor = Descriptor::new(MediaType::Other("".into()), digest.clone(), blob.size);
                    let unreadable = |source| self.unreadable(digest, None, source);
                    if may_point(&descriptor) {
                        self.layout.pointers_of(&descriptor).map_err(unreadable)?;
                    }
                    self.left.push(descriptor);
                }
                None if decisive && foreign.digest().is_none() => {
                    let (entry, reason) = (foreign.label(entry), foreign.reason().to_owned());
                    return Err(LayoutError::Foreign { entry, reason });
                }
                None => {}
            }
        }
        Ok(())
    }

    fn look_into(&self, descriptor: &Descriptor) -> Result<Option<Pointers>, LayoutError> {
        let is_decisive = is_index_or_manifest(descriptor);
        if !is_decisive && !may_point(descriptor) {
            return Ok(None);
        }
        let unreadable = |source| self.unreadable(&descriptor.digest, None, source);
        match self.layout.presence(descriptor) {
            Ok(Presence::Absent) => return Ok(None),
            Ok(Presence::Present) => {}
            Err(error) if is_decisive => return Err(unreadable(error)),
            Err(_) => return Ok(None),
        }
        match self.layout.pointers_of(descriptor) {
            Err(error) if is_decisive => Err(unreadable(error)),
            Err(_) => Ok(None),
            Ok(pointers) => Ok(pointers),
        }
    }
}

fn is_index_or_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_index() || descriptor.media_type.is_manifest()
}

/// Unknown media types may be manifests of other kinds; layers and configs point at nothing.
fn may_point(descriptor: &Descriptor) -> bool {
    matches!(descriptor.media_type, MediaType::Other(_)) && descriptor.size <= MANIFEST_LIMIT.0
}
