//! Verification of a whole layout.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dhow_fs::{FileKind, PathError};
use dhow_oci::{
    Descriptor, Digest, Document, DocumentError, Image, ImageConfig, ImageError, Index, MANIFEST_LIMIT, Manifest,
    MediaType,
};

use super::{Layout, LayoutError, found};
use crate::graph::MAX_DEPTH;
use crate::resolve::completeness;
use crate::staging::{blob_path, in_layout};
use crate::verify::read_through;
use crate::{BlobError, BlobSource, Completeness, Presence, read_document};

/// Something that is wrong with a layout.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// `oci-layout` or `index.json` is not what it must be.
    #[error(transparent)]
    Layout(LayoutError),
    /// A blob that is needed is not there.
    #[error("blob {digest} is missing; {needed_by} needs it")]
    Absent {
        /// The blob.
        digest: Digest,
        /// The tag, if the image has one, and the manifest.
        needed_by: String,
    },
    /// A blob is corrupt, of the wrong size, no regular file, or unreadable.
    #[error("blob is damaged")]
    Blob(#[source] BlobError),
    /// A manifest, index or config is malformed.
    #[error("document is malformed")]
    Document(#[source] DocumentError),
    /// A manifest and its config contradict each other.
    #[error("image contradicts itself")]
    Image(#[source] ImageError),
    /// Indexes are nested too deep.
    #[error("{0} is nested in more than {MAX_DEPTH} indexes")]
    TooDeep(Digest),
    /// Two entries of `index.json` have the same name and platform, but are different images.
    #[error("two images are named `{0}`")]
    DuplicateName(String),
    /// Something that is listed is not understood, so what it needs was not looked at.
    #[error("{place} lists `{entry}`, which dhow does not understand: {reason}")]
    Foreign {
        /// Where it is listed.
        place: String,
        /// What is listed.
        entry: String,
        /// Why it is not understood.
        reason: String,
    },
    /// What a descriptor embeds is not what it names.
    #[error("the descriptor of {digest} embeds other `data`: {reason}")]
    Data {
        /// The blob.
        digest: Digest,
        /// How it differs.
        reason: String,
    },
    /// Something in the blob directories is no blob.
    #[error("{} is not a blob: its name is not a digest", .0.display())]
    Stray(PathBuf),
}

impl Layout {
    /// Verifies everything and returns what is wrong, in a stable order; nothing if all is well.
    ///
    /// Every blob is hashed, referenced or not. Everything that `index.json` leads to must be there, but for the
    /// layers of images that are recorded as sparse.
    pub fn check(&self) -> Result<Vec<Finding>, LayoutError> {
        let mut whole = BTreeSet::new();
        let index = || self.index().ok().map(|index| index.bytes().to_vec());
        look_until_it_stays(index, || {
            let mut check = Check { layout: self, hashed: std::mem::take(&mut whole), ..Check::new(self) };
            if let Err(error) = super::create::require_layout(&self.root, &self.path) {
                check.findings.push(Finding::Layout(error));
            }
            match self.index() {
                Err(error) => check.findings.push(Finding::Layout(error)),
                Ok(index) => check.index(index.value()),
            }
            check.rest()?;
            whole = check.hashed.difference(&check.damaged).cloned().collect();
            Ok(check.findings)
        })
    }
}

/// Looks again while something is wrong and the index is another one afterwards: what was replaced or collected meanwhile
/// is not wrong.
fn look_until_it_stays<T: PartialEq>(
    index: impl Fn() -> T,
    mut look: impl FnMut() -> Result<Vec<Finding>, LayoutError>,
) -> Result<Vec<Finding>, LayoutError> {
    let mut looks = 1..LOOKS;
    loop {
        let before = index();
        let findings = look()?;
        if findings.is_empty() || index() == before || looks.next().is_none() {
            return Ok(findings);
        }
    }
}

/// How often a layout is looked at that others write to.
const LOOKS: usize = 10;

struct Check<'a> {
    layout: &'a Layout,
    findings: Vec<Finding>,
    seen: HashSet<(Digest, u64, MediaType, bool)>,
    /// The blobs that were read; they are not read twice.
    hashed: BTreeSet<Digest>,
    /// Those of them that are damaged.
    damaged: BTreeSet<Digest>,
}

/// For whom a blob is looked at.
struct Need {
    name: String,
    completeness: Completeness,
}

impl<'a> Check<'a> {
    fn new(layout: &'a Layout) -> Self {
        let (hashed, damaged) = (BTreeSet::new(), BTreeSet::new());
        Self { layout, findings: Vec::new(), seen: HashSet::new(), hashed, damaged }
    }

    fn index(&mut self, index: &Index) {
        self.names(index);
        self.foreign("`index.json`", index);
        for entry in index.descriptors() {
            let name = match entry.ref_name() {
                Some(name) => format!("`{name}` ({})", entry.digest),
                None => entry.digest.to_string(),
            };
            self.visit(entry, &Need { name, completeness: completeness(entry) }, 0);
        }
    }

    fn foreign(&mut self, place: &str, index: &Index) {
        for entry in &index.manifests {
            let Some(foreign) = entry.foreign() else { continue };
            let (place, entry, reason) = (place.to_owned(), foreign.label(entry), foreign.reason().to_owned());
            self.findings.push(Finding::Foreign { place, entry, reason });
        }
    }

    fn names(&mut self, index: &Index) {
        let mut names: BTreeMap<(&str, String), &Digest> = BTreeMap::new();
        for entry in index.descriptors() {
            let Some(name) = entry.ref_name() else { continue };
            let platform = entry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            if *names.entry((name, platform)).or_insert(&entry.digest) != &entry.digest {
                self.findings.push(Finding::DuplicateName(name.to_owned()));
            }
        }
    }

    fn visit(&mut self, descriptor: &Descriptor, need: &Need, depth: usize) {
        let is_sparse = need.completeness == Completeness::Sparse;
        let meaning = (descriptor.digest.clone(), descriptor.size, descriptor.media_type.clone(), is_sparse);
        if !self.seen.insert(meaning) {
            return;
        }
        self.data(descriptor);
        if depth > MAX_DEPTH {
            self.findings.push(Finding::TooDeep(descriptor.digest.clone()));
            return;
        }
        if descriptor.media_type.is_index() {
            let Some(bytes) = self.read(descriptor, need) else { return };
            match Index::parse_as(&descriptor.digest, bytes) {
                Err(error) => self.findings.push(Finding::Document(error)),
                Ok(index) => {
                    self.foreign(&format!("index {}", descriptor.digest), index.value());
                    index.value().descriptors().for_each(|child| self.visit(child, need, depth + 1));
                }
            }
        } else if descriptor.media_type.is_manifest() {
            let Some(bytes) = self.read(descriptor, need) else { return };
            match Manifest::parse_as(&descriptor.digest, bytes) {
                Err(error) => self.findings.push(Finding::Document(error)),
                Ok(manifest) => self.manifest(manifest, need),
            }
        } else {
            self.content(descriptor, need, Completeness::Full);
        }
    }

    fn manifest(&mut self, manifest: Document<Manifest>, need: &Need) {
        for layer in &manifest.value().layers {
            self.data(layer);
            self.content(layer, need, need.completeness);
        }
        let config = manifest.value().config.clone();
        self.data(&config);
        if !matches!(config.media_type, MediaType::OciConfig | MediaType::DockerConfig) {
            return self.content(&config, need, Completeness::Full);
        }
        let Some(bytes) = self.read(&config, need) else { return };
        match ImageConfig::parse_as(&config.digest, bytes) {
            Err(error) => self.findings.push(Finding::Document(error)),
            Ok(config) => {
                if let Err(error) = Image::new(manifest, config) {
                    self.findings.push(Finding::Image(error));
                }
            }
        }
    }

    /// Compares what a descriptor embeds with what it names.
    fn data(&mut self, descriptor: &Descriptor) {
        let Some(data) = &descriptor.data else { return };
        let wrong = match STANDARD.decode(data) {
            Err(_) => Some("it is no base64".to_owned()),
            Ok(bytes) => wrong_data(descriptor, &bytes),
        };
        if let Some(reason) = wrong {
            self.findings.push(Finding::Data { digest: descriptor.digest.clone(), reason });
        }
    }

    fn read(&mut self, descriptor: &Descriptor, need: &Need) -> Option<Vec<u8>> {
        match read_document(self.layout, descriptor, MANIFEST_LIMIT) {
            Ok(bytes) => {
                self.hashed.insert(descriptor.digest.clone());
                Some(bytes)
            }
            Err(error) => {
                self.report(error, need);
                None
            }
        }
    }

    /// Hashes a blob whose meaning does not matter.
    fn content(&mut self, descriptor: &Descriptor, need: &Need, completeness: Completeness) {
        let presence = self.layout.presence(descriptor);
        if self.hashed.contains(&descriptor.digest) && presence.is_ok_and(|presence| presence == Presence::Present) {
            return;
        }
        match hash(self.layout, descriptor) {
            Ok(()) => {
                self.hashed.insert(descriptor.digest.clone());
            }
            Err(error) if error.is_absent() && completeness == Completeness::Sparse => {}
            Err(error) => self.report(error, need),
        }
    }

    /// Each damaged blob is reported once, each missing one for every image that lacks it.
    fn report(&mut self, error: BlobError, need: &Need) {
        if let BlobError::Absent { digest, .. } = error {
            return self.findings.push(Finding::Absent { digest, needed_by: need.name.clone() });
        }
        let damaged = match &error {
            BlobError::Digest { expected: digest, .. }
            | BlobError::NotAFile { digest, .. }
            | BlobError::Size { digest, .. } => Some(digest.clone()),
            _ => None,
        };
        self.damaged.extend(damaged.clone());
        if damaged.is_none_or(|digest| self.hashed.insert(digest)) {
            self.findings.push(Finding::Blob(error));
        }
    }

    /// Looks at what is in the blob directories and was not reached.
    fn rest(&mut self) -> Result<(), PathError> {
        for algorithm in ["sha256", "sha512"] {
            let directory = PathBuf::from("blobs").join(algorithm);
            let entries = match self.layout.root.read_directory(&directory) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            for entry in entries {
                let path = self.layout.path.join(&directory).join(&entry.name);
                match format!("{algorithm}:{}", Path::new(&entry.name).display()).parse::<Digest>() {
                    Err(_) => self.findings.push(Finding::Stray(path)),
                    Ok(digest) if self.hashed.contains(&digest) => {}
                    Ok(digest) => self.unreached(digest)?,
                }
            }
        }
        Ok(())
    }

    fn unreached(&mut self, digest: Digest) -> Result<(), PathError> {
        let Some(stat) = found(self.layout.root.symlink_metadata(&in_layout(&digest)))? else { return Ok(()) };
        let address = blob_path(&self.layout.path, &digest).into();
        let result = match stat.kind {
            FileKind::File => hash(self.layout, &Descriptor::new(MediaType::Other("".into()), digest, stat.size)),
            found => Err(BlobError::NotAFile { digest, address, found }),
        };
        match result {
            // A `gc` elsewhere may have removed it since.
            Err(error) if error.is_absent() => {}
            Err(error) => self.findings.push(Finding::Blob(error)),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Says how embedded bytes differ from what the descriptor names.
fn wrong_data(descriptor: &Descriptor, bytes: &[u8]) -> Option<String> {
    if bytes.len() as u64 != descriptor.size {
        return Some(format!("it has {} bytes, but the descriptor states {}", bytes.len(), descriptor.size));
    }
    let mut hasher = descriptor.digest.hasher();
    hasher.update(bytes);
    let found = hasher.finish();
    (found != descriptor.digest).then(|| format!("its bytes have the digest {found}"))
}

fn hash(layout: &Layout, descriptor: &Descriptor) -> Result<(), BlobError> {
    let of_read = |error| BlobError::of_read(error, &descriptor.digest, layout.address(descriptor));
    read_through(BlobSource::open(layout, descriptor)?).map_err(of_read)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn looks(until: usize, changes: usize) -> (usize, usize) {
        let looks = Cell::new(0);
        let index = || looks.get().min(changes);
        let look = || {
            looks.set(looks.get() + 1);
            Ok((looks.get() < until).then(|| Finding::Stray(PathBuf::new())).into_iter().collect())
        };
        let found = look_until_it_stays(index, look).unwrap().len();
        (found, looks.get())
    }

    #[test]
    fn what_is_wrong_while_the_index_changes_is_looked_at_again() {
        assert_eq!(looks(1, 0), (0, 1), "nothing is wrong");
        assert_eq!(looks(99, 0), (1, 1), "wrong, and nobody changes anything");
        assert_eq!(looks(3, 99), (0, 3), "well in the end");
        assert_eq!(looks(99, 2), (1, 3), "wrong when the index stays");
        assert_eq!(looks(99, 99), (1, LOOKS), "the index never stays");
    }
}
