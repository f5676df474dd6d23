//! Verification of a whole layout.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

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
use crate::{BlobError, BlobSource, Completeness, read_document};

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
        let mut check = Check { layout: self, findings: Vec::new(), seen: HashSet::new(), hashed: BTreeSet::new() };
        if let Err(error) = super::create::require_layout(&self.root, &self.path) {
            check.findings.push(Finding::Layout(error));
        }
        match self.index() {
            Err(error) => check.findings.push(Finding::Layout(error)),
            Ok(index) => check.index(index.value()),
        }
        check.rest()?;
        Ok(check.findings)
    }
}

struct Check<'a> {
    layout: &'a Layout,
    findings: Vec<Finding>,
    seen: HashSet<(Digest, u64, MediaType, bool)>,
    hashed: BTreeSet<Digest>,
}

/// For whom a blob is looked at.
struct Need {
    name: String,
    completeness: Completeness,
}

impl Check<'_> {
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
            self.content(layer, need, need.completeness);
        }
        let config = manifest.value().config.clone();
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
        if self.hashed.contains(&descriptor.digest) && self.layout.presence(descriptor).is_ok() {
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
        let path = blob_path(&self.layout.path, &digest);
        let result = match stat.kind {
            FileKind::File => hash(self.layout, &Descriptor::new(MediaType::Other("".into()), digest, stat.size)),
            found => Err(BlobError::NotAFile { digest, path, found }),
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

fn hash(layout: &Layout, descriptor: &Descriptor) -> Result<(), BlobError> {
    let of_read = |error| BlobError::of_read(error, &descriptor.digest, blob_path(&layout.path, &descriptor.digest));
    read_through(BlobSource::open(layout, descriptor)?).map_err(of_read)
}
