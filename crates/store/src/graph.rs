//! The graph of an image: what its manifests name, walked and copied.
//!
//! Only blobs that a source holds are looked at; the `urls` of a descriptor are never followed.

use std::collections::{BTreeSet, HashSet};

use dhow_oci::{Descriptor, Digest, DocumentError, Entry, Fields, MediaType, Reading};

use crate::document::{read_index, read_manifest};
use crate::{Adopted, BlobError, BlobSink, BlobSource, Presence};

/// How deep indexes may be nested.
pub(crate) const MAX_DEPTH: usize = 16;
/// How many blobs a graph may have.
const MAX_NODES: usize = 100_000;

/// Whether all of an image is meant to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Every blob.
    Full,
    /// Manifests and configs; layers may be left out.
    Sparse,
}

/// What [`copy_graph`] did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Copied {
    /// The number of blobs that were there already.
    pub present: usize,
    /// The number of blobs that were linked.
    pub linked: usize,
    /// The number of blobs that a registry took from another of its repositories.
    pub mounted: usize,
    /// The number of blobs that were read and written, documents among them.
    pub copied: usize,
    /// The blobs that the source lacks; empty unless the copy may be sparse.
    pub missing: Vec<Descriptor>,
}

/// Why a graph cannot be walked or copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source lacks blobs of the graph.
    #[error("{root} is not complete: {} blobs are missing, the first is {}", .missing.len(), .missing[0])]
    Incomplete {
        /// The manifest or index that was to be copied.
        root: Digest,
        /// The missing blobs; never empty.
        missing: Vec<Digest>,
    },
    /// An index lists something that is not understood, so nobody can tell what it needs.
    #[error("index {index} lists `{entry}`, which dhow does not understand: {reason}")]
    Foreign {
        /// The index.
        index: Digest,
        /// What it lists.
        entry: String,
        /// Why that is not understood.
        reason: String,
    },
    /// Indexes are nested too deep.
    #[error("{0} is nested in more than {MAX_DEPTH} indexes")]
    TooDeep(Digest),
    /// The graph has too many blobs.
    #[error("{0} names more than {MAX_NODES} blobs")]
    TooLarge(Digest),
    /// A manifest or index is malformed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A blob cannot be read or stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Copies everything that `root` names, children before parents, so that nothing stored lacks its parts.
///
/// Absent blobs are an error before anything is copied, unless the copy may be [`Completeness::Sparse`].
///
/// ```
/// use std::sync::Arc;
///
/// use dhow_fs::{TemporaryDirectory, Work};
/// use dhow_oci::{Image, ImageConfig, MediaType};
/// use dhow_store::{BlobSink, BlobSource, Completeness, Layout, Presence, copy_graph};
///
/// let directory = TemporaryDirectory::create_in(&std::env::temp_dir())?;
/// let layout = |name: &str| Layout::open_or_create(&directory.path().join(name), &Arc::new(Work::default()));
/// let (from, to) = (layout("from")?, layout("to")?);
/// let image = Image::assemble(ImageConfig::default(), &[], Default::default());
/// from.store(image.config().bytes(), MediaType::OciConfig)?;
/// from.store(image.manifest().bytes(), MediaType::OciManifest)?;
///
/// copy_graph(&image.descriptor(), &from, &to, Completeness::Full)?;
/// assert_eq!(to.presence(&image.manifest().value().config)?, Presence::Present);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`CopyError::Incomplete`] names what a full copy lacks. Nothing was copied then.
pub fn copy_graph(
    root: &Descriptor,
    from: &dyn BlobSource,
    to: &dyn BlobSink,
    completeness: Completeness,
) -> Result<Copied, CopyError> {
    let walk = walk(from, root, completeness)?;
    if completeness == Completeness::Full && !walk.missing.is_empty() {
        let missing = walk.missing.into_iter().map(|descriptor| descriptor.digest).collect();
        return Err(CopyError::Incomplete { root: root.digest.clone(), missing });
    }
    Ok(Copied { missing: walk.missing, ..move_blobs(&walk.order, from, to)? })
}

/// Moves blobs from one place to another, in this order; the one way in which blobs get from here to there.
pub fn move_blobs<'a>(
    blobs: impl IntoIterator<Item = &'a Descriptor>,
    from: &dyn BlobSource,
    to: &dyn BlobSink,
) -> Result<Copied, BlobError> {
    let mut copied = Copied::default();
    for descriptor in blobs {
        match to.adopt(from, descriptor)? {
            Adopted::Present => copied.present += 1,
            Adopted::Linked => copied.linked += 1,
            Adopted::Mounted => copied.mounted += 1,
            Adopted::Copied => copied.copied += 1,
        }
    }
    Ok(copied)
}

/// A walked graph.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The blobs that are there, each once, children before parents.
    pub(crate) order: Vec<Descriptor>,
    /// The blobs that are not.
    pub(crate) missing: Vec<Descriptor>,
    /// Whether an index lists something that is not understood and was passed over.
    pub(crate) has_foreign: bool,
}

/// Walks from `root`, reading manifests and indexes and looking at the presence of the rest.
///
/// `root` itself must be there, and for a sparse walk the configs of the manifests that are. What an index lists and is not
/// understood is an error, unless the walk is sparse.
pub(crate) fn walk<S: BlobSource + ?Sized>(
    source: &S,
    root: &Descriptor,
    completeness: Completeness,
) -> Result<Walk, CopyError> {
    let mut walker = Walker { source, root, completeness, walk: Walk::default(), seen: HashSet::new() };
    walker.visit(root, 0)?;
    let mut listed = BTreeSet::new();
    walker.walk.order.retain(|descriptor| listed.insert(descriptor.digest.clone()));
    let mut listed = BTreeSet::new();
    walker.walk.missing.retain(|descriptor| listed.insert(descriptor.digest.clone()));
    Ok(walker.walk)
}

struct Walker<'a, S: ?Sized> {
    source: &'a S,
    root: &'a Descriptor,
    completeness: Completeness,
    walk: Walk,
    /// A digest may be named with two media types; both meanings are walked.
    seen: HashSet<(Digest, MediaType)>,
}

impl<S: BlobSource + ?Sized> Walker<'_, S> {
    fn visit(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), CopyError> {
        if !self.seen.insert((descriptor.digest.clone(), descriptor.media_type.clone())) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(CopyError::TooDeep(descriptor.digest.clone()));
        }
        if self.seen.len() > MAX_NODES {
            return Err(CopyError::TooLarge(self.root.digest.clone()));
        }
        let is_config = matches!(descriptor.media_type, MediaType::OciConfig | MediaType::DockerConfig);
        let required = depth == 0 || is_config && self.completeness == Completeness::Sparse;
        if self.source.presence(descriptor)? == Presence::Absent {
            if required {
                // Opening it makes the error in the source's own words.
                self.source.open(descriptor)?;
            }
            self.walk.missing.push(descriptor.clone());
            return Ok(());
        }
        for child in self.children(descriptor)? {
            self.visit(&child, depth + 1)?;
        }
        self.walk.order.push(descriptor.clone());
        Ok(())
    }

    fn children(&mut self, descriptor: &Descriptor) -> Result<Vec<Descriptor>, CopyError> {
        if descriptor.media_type.is_index() {
            let index = read_index::<CopyError, _>(self.source, descriptor)?;
            return index
                .value()
                .manifests
                .iter()
                .filter_map(|entry| self.child(descriptor, entry).transpose())
                .collect();
        }
        if descriptor.media_type.is_manifest() {
            let manifest = read_manifest::<CopyError, _>(self.source, descriptor)?;
            let manifest = manifest.value();
            return Ok(std::iter::once(&manifest.config).chain(&manifest.layers).cloned().collect());
        }
        Ok(Vec::new())
    }

    fn child(&mut self, index: &Descriptor, entry: &Entry) -> Result<Option<Descriptor>, CopyError> {
        match (entry.reading(), self.completeness) {
            (Reading::Descriptor(descriptor), _) => Ok(Some(descriptor.as_ref().clone())),
            (Reading::Foreign(_), Completeness::Sparse) => {
                self.walk.has_foreign = true;
                Ok(None)
            }
            (Reading::Foreign(foreign), Completeness::Full) => Err(CopyError::Foreign {
                index: index.digest.clone(),
                entry: foreign.label(entry),
                reason: foreign.reason().to_owned(),
            }),
        }
    }
}

/// What the bytes of a document of any kind point at, by content rather than by media type.
#[derive(Debug, Default)]
pub(crate) struct Pointers {
    /// What it is made of, understood or not.
    pub(crate) parts: Vec<Entry>,
    /// What it refers to.
    pub(crate) subjects: Vec<Entry>,
}

/// Returns what is at the places where manifests of any kind have descriptors; `None` if `bytes` are no JSON object.
pub(crate) fn pointers(bytes: &[u8]) -> Option<Pointers> {
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    let lists = ["manifests", "layers", "blobs"].into_iter().flat_map(|name| fields.all(name));
    let mut parts: Vec<Entry> = lists.filter_map(|list| list.read::<Vec<Entry>>().ok()).flatten().collect();
    parts.extend(fields.all("config").filter_map(|config| config.read().ok()));
    let subjects = fields.all("subject").filter_map(|subject| subject.read().ok()).collect();
    Some(Pointers { parts, subjects })
}
