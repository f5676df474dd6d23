//! The layers of images, unpacked once, to serve as lower directories of overlays.
//!
//! ```text
//! <cache>/chains/<owned|squashed>/<algorithm>/<ChainID>/        what a layer adds to those below it
//! <cache>/chains/<owned|squashed>/<algorithm>/<ChainID>.<N>/    what the last N layers add together
//! <cache>/chains/users-<digest of the id map>/…                  the same, owned by subordinate ids
//! ```
//!
//! What a layer means depends on what lies below it: where a link leads, which mode a directory has, what a whiteout hides.
//! So a layer is unpacked in the knowledge of those below, and kept by the ChainID, which names them all. A base that many
//! images share is unpacked once.
//!
//! A directory appears there whole, by a rename, or not at all; several processes may unpack the same one. It is on the disk
//! before it has its name, because nobody looks at its files again. What a killed process left is removed by the next.

mod mapped;

use std::ops::Range;
use std::path::{Path, PathBuf};

use dhow_fs::{
    Lock, LockError, LockMode, PathError, Root, TemporaryDirectory, Work, sweep, sync_filesystem, sync_path,
};
use dhow_layer::{Owners, Stack, StatedOwners, UnpackError, UnpackOptions, Whiteouts};
use dhow_oci::{DiffId, Digest, Image, LayerRef, chain_ids};
use dhow_sandbox::{IdMap, SandboxError};
use dhow_store::{BlobError, BlobSource};

use self::mapped::MappedError;
pub use self::mapped::unpack_if_asked;
use crate::events::Counted;
use crate::{Event, Events, Progress};

/// The most directories that an image is given. The kernel takes 500 in one overlay, but each is held open while the image
/// is set up, and each is asked for a name that is nowhere. What an image has more is unpacked into the last one.
const MOST_DIRECTORIES: usize = 128;

/// Whether unpacked files belong to whom the image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned<'a> {
    /// To whom the image says: only root can do so.
    AsImage,
    /// To whom the image says, as subordinate ids of the caller.
    Mapped(&'a IdMap),
    /// All to the caller, with a note to whom the image says.
    Squashed,
}

/// Why an image's file system could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A layer's blob cannot be read.
    #[error("cannot read layer {layer}")]
    Blob {
        /// The layer.
        layer: NamedLayer,
        /// Why.
        source: BlobError,
    },
    /// A layer cannot be unpacked.
    #[error("cannot unpack layer {layer}")]
    Unpack {
        /// The layer.
        layer: NamedLayer,
        /// Why.
        source: UnpackError,
    },
    /// The tar is another one than the config says.
    #[error("layer {expected} is another one than the image's config lists: its diffID is {found}")]
    OtherLayer {
        /// The diffID of what was unpacked.
        found: DiffId,
        /// The layer that the config lists.
        expected: NamedLayer,
    },
    /// The cache directory cannot be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A layer cannot be unpacked in a container, with its owners.
    #[error("cannot unpack layer {layer} with the owners of its files: {message}")]
    WithOwners {
        /// The layer.
        layer: NamedLayer,
        /// What the program in the container says.
        message: String,
    },
    /// The container in which a layer is to be unpacked cannot be had.
    #[error("cannot unpack layer {layer} with the owners of its files")]
    Container {
        /// The layer.
        layer: NamedLayer,
        /// Why.
        source: SandboxError,
    },
    /// The image has no layers.
    #[error("image {0} has no layers, so there is nothing to run in")]
    Empty(Digest),
}

/// A layer as people find it: by its diffID, as configs name it, and by its blob, as manifests and disks do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLayer {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The digest of the blob.
    pub blob: Digest,
    /// Where the blob is, if it is a file of its own.
    pub path: Option<PathBuf>,
}

impl NamedLayer {
    fn of(layer: &LayerRef, blobs: &dyn BlobSource) -> Self {
        let LayerRef { descriptor, diff_id } = layer;
        Self {
            diff_id: diff_id.clone(),
            blob: descriptor.digest.clone(),
            path: blobs.address(descriptor).path().map(Path::to_owned),
        }
    }
}

impl std::fmt::Display for NamedLayer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} (blob {}", self.diff_id, self.blob)?;
        if let Some(path) = &self.path {
            write!(formatter, " in {}", path.display())?;
        }
        formatter.write_str(")")
    }
}

/// The directories that an overlay of an image is made of, topmost first. While this lives, nobody prunes them.
#[derive(Debug)]
pub(crate) struct LowerDirectories {
    /// Where they are.
    pub(crate) paths: Vec<PathBuf>,
    _in_use: Vec<Lock>,
}

impl Owned<'_> {
    fn directory(self) -> String {
        match self {
            Self::AsImage => "owned".to_owned(),
            Self::Squashed => "squashed".to_owned(),
            Self::Mapped(map) => {
                let lines: String = [&map.uids, &map.gids].map(|runs| format!("{runs:?}\n")).concat();
                format!("users-{}", &Digest::of(lines.as_bytes()).hex()[..16])
            }
        }
    }

    /// Returns where the owners that the image states are found.
    pub(crate) fn stated(self) -> StatedOwners {
        match self {
            Self::AsImage | Self::Mapped(_) => StatedOwners::OnDisk,
            Self::Squashed => StatedOwners::Noted,
        }
    }
}

/// Returns the directories that an overlay of the image is made of, topmost first, unpacking the layers that are not kept
/// yet. What of an image cannot be made is told as a warning when it is unpacked.
pub(crate) fn lower_directories(
    image: &Image,
    blobs: &dyn BlobSource,
    cache: &Path,
    owned: Owned<'_>,
    work: &Work,
    events: &dyn Events,
) -> Result<LowerDirectories, RootfsError> {
    directories_of(image, blobs, cache, owned, work, events, MOST_DIRECTORIES)
}

fn directories_of(
    image: &Image,
    blobs: &dyn BlobSource,
    cache: &Path,
    owned: Owned<'_>,
    work: &Work,
    events: &dyn Events,
    most: usize,
) -> Result<LowerDirectories, RootfsError> {
    let layers = image.layers();
    if layers.is_empty() {
        return Err(RootfsError::Empty(image.manifest().digest().clone()));
    }
    let host = Root::host()?;
    let chain = chain_ids(layers.iter().map(|layer| &layer.diff_id));
    let mut unpacking = Unpacking { blobs, owned, work, events, lost: Lost::default() };
    // Lowest first, as they come.
    let (mut directories, mut in_use): (Vec<PathBuf>, Vec<Lock>) = (Vec::new(), Vec::new());
    for run in runs(layers.len(), most) {
        let name = &chain[run.end - 1];
        let family = cache.join("chains").join(owned.directory()).join(name.algorithm());
        let directory = family.join(match run.len() {
            1 => name.hex().to_owned(),
            several => format!("{}.{several}", name.hex()),
        });
        in_use.push(loop {
            if let Some(lock) = hold(&host, &directory)? {
                break lock;
            }
            let below: Vec<PathBuf> = directories.iter().rev().cloned().collect();
            unpacking.unpack(&layers[run.clone()], &below, &family, &directory)?;
        });
        directories.push(directory);
    }
    events.emit(Event::ProgressEnd);
    unpacking.lost.tell(events);
    directories.reverse();
    // An overlay shows all its roots, whatever their attributes say, so what an opaque one hides is left out here.
    let shown = Stack::open(&directories)?.len();
    directories.truncate(shown);
    Ok(LowerDirectories { paths: directories, _in_use: in_use })
}

/// Takes hold of an unpacked directory, so that it is not pruned, and notes that it is used; `None` if it is not there.
fn hold(host: &Root, directory: &Path) -> Result<Option<Lock>, RootfsError> {
    let lock = match Lock::take(host, directory, LockMode::Shared, || "a command that prunes the cache".to_owned()) {
        Ok(lock) => lock,
        Err(LockError::Path(error)) if error.is_not_found() => return Ok(None),
        Err(LockError::Path(error)) => return Err(error.into()),
        Err(LockError::Held(_)) => return Ok(None),
    };
    let held = lock.stat()?.identity();
    let is_there = host.metadata(directory).is_ok_and(|stat| stat.identity() == held);
    // In a cache that cannot be written nothing is pruned either.
    let _noted = host.touch(directory);
    Ok(is_there.then_some(lock))
}

/// Returns which layers, counted from the lowest, have a directory together if there are to be at most as many. The lower
/// ones have one each whatever comes above them, so that images share them.
fn runs(layers: usize, most: usize) -> Vec<Range<usize>> {
    let singles = if layers <= most { layers } else { most.saturating_sub(1) };
    let mut runs: Vec<Range<usize>> = (0..singles).map(|layer| layer..layer + 1).collect();
    if singles < layers {
        runs.push(singles..layers);
    }
    runs
}

/// Where the layers of one directory are unpacked, on top of what.
enum Way<'a> {
    /// By this process.
    Here { below: Stack, owners: Owners },
    /// In a container, which opens the directories by itself.
    Container { map: &'a IdMap, below: &'a [PathBuf], family: &'a Path },
}

/// What unpacking needs, and what it could not make.
struct Unpacking<'a> {
    blobs: &'a dyn BlobSource,
    owned: Owned<'a>,
    work: &'a Work,
    events: &'a dyn Events,
    lost: Lost,
}

impl Unpacking<'_> {
    /// Unpacks layers, the lowest first, into one new directory on top of `below`.
    fn unpack(
        &mut self,
        layers: &[LayerRef],
        below: &[PathBuf],
        family: &Path,
        directory: &Path,
    ) -> Result<(), RootfsError> {
        let host = Root::host()?;
        host.create_directories(family, 0o700)?;
        sweep(family);
        let temporary = TemporaryDirectory::create_in(family)?;
        host.set_mode(temporary.path(), 0o755)?;
        let way = match self.owned {
            Owned::AsImage => Way::Here { below: Stack::open(below)?, owners: Owners::Set },
            Owned::Squashed => Way::Here { below: Stack::open(below)?, owners: Owners::Note },
            Owned::Mapped(map) => Way::Container { map, below, family },
        };
        for layer in layers {
            self.unpack_layer(layer, &way, &temporary)?;
        }
        sync_filesystem(temporary.path())?;
        match host.rename(temporary.path(), directory) {
            Ok(()) => {
                drop(temporary.keep());
                sync_path(family)?;
                self.work.syncs.add(2);
            }
            // Another process was faster, and its directory is as good.
            Err(_) if host.is_directory(directory) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn unpack_layer(
        &mut self,
        layer: &LayerRef,
        way: &Way<'_>,
        directory: &TemporaryDirectory,
    ) -> Result<(), RootfsError> {
        let descriptor = &layer.descriptor;
        let blobs = self.blobs;
        let named = || NamedLayer::of(layer, blobs);
        let subject = descriptor.digest.to_string();
        let progress = Progress { action: "unpacking", subject: &subject, done: 0, total: Some(descriptor.size) };
        let blob = self.blobs.open(descriptor).map_err(|source| RootfsError::Blob { layer: named(), source })?;
        let counted = Counted::new(blob, progress, self.events);
        let (found, lost) = match way {
            Way::Container { map, below, family } => {
                mapped::unpack(counted, map, below, family, directory.name(), &layer.diff_id)
                    .map_err(|error| of_mapped(named(), error))?
            }
            Way::Here { below, owners } => {
                let root = Root::open(directory.path())?;
                let options = UnpackOptions {
                    expected: Some(&layer.diff_id),
                    whiteouts: Whiteouts::Overlay(below),
                    owners: *owners,
                    ..UnpackOptions::image(self.work)
                };
                let unpacked = dhow_layer::unpack(counted, &root, Path::new("/"), &options)
                    .map_err(|source| RootfsError::Unpack { layer: named(), source })?;
                let lost = Lost { devices: unpacked.skipped, capabilities: unpacked.without_capabilities };
                (unpacked.diff_id, lost)
            }
        };
        self.take(named(), found, lost)
    }

    fn take(&mut self, expected: NamedLayer, found: DiffId, lost: Lost) -> Result<(), RootfsError> {
        if found != expected.diff_id {
            return Err(RootfsError::OtherLayer { found, expected });
        }
        self.lost.devices.extend(lost.devices);
        self.lost.capabilities.extend(lost.capabilities);
        Ok(())
    }
}

fn of_mapped(layer: NamedLayer, error: MappedError) -> RootfsError {
    match error {
        MappedError::Input(source) => RootfsError::Unpack { layer, source: UnpackError::Input(source) },
        MappedError::Sandbox(source) => RootfsError::Container { layer, source },
        MappedError::Said(message) => RootfsError::WithOwners { layer, message },
    }
}

/// What of an image could not be made.
#[derive(Default)]
struct Lost {
    devices: Vec<PathBuf>,
    capabilities: Vec<PathBuf>,
}

impl Lost {
    /// Tells it, each kind once for all layers that were unpacked.
    fn tell(&self, events: &dyn Events) {
        if let Some(devices) = some_of(&self.devices) {
            events.warn(&format!("device nodes of the image cannot be made here and are left out: {devices}"));
        }
        if let Some(files) = some_of(&self.capabilities) {
            events.warn(&format!("file capabilities of the image are not applied: {files}"));
        }
    }
}

/// Returns the first of some paths and how many more there are.
fn some_of(paths: &[PathBuf]) -> Option<String> {
    let first = paths.first()?.display();
    Some(match paths.len() {
        1 => format!("/{first}"),
        number => format!("/{first} and {} more", number - 1),
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at files as other programs would")]
mod differential;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use dhow_layer::{Entry, EntryKind, Owner, PackOptions};
    use dhow_oci::{Digest, ImageConfig, MediaType};
    use dhow_store::{BlobSink, Layout};

    use super::*;
    use crate::events::Silent;

    /// Remembers warnings.
    #[derive(Default)]
    struct Warnings(std::sync::Mutex<Vec<String>>);

    impl Events for Warnings {
        fn emit(&self, event: Event<'_>) {
            if let Event::Remark(dhow_lifecycle::Level::Warn, message) = event {
                self.0.lock().unwrap().push(message.to_owned());
            }
        }
    }

    /// Returns a tar with a file of each name, with capabilities, and a device node that no image can make.
    fn tar_with_capabilities(names: &[&str]) -> Vec<u8> {
        let work = Work::default();
        let pack = |entries: &[Entry]| {
            let compression = dhow_layer::Compression::None;
            let options = PackOptions { compression, ..PackOptions::new(&work) };
            let mut tar = Vec::new();
            dhow_layer::pack(&Root::host().unwrap(), entries, &mut tar, &options).unwrap();
            tar.truncate(tar.len() - 1024);
            tar
        };
        let record = "40 SCHILY.xattr.security.capability=abc\n";
        assert_eq!(record.len(), 40);
        let mut tar = Vec::new();
        for name in names {
            // A file whose header is made that of the records of the next entry.
            let mut records = pack(&[Entry::file("records", record.as_bytes(), 0o644, Owner::ROOT)]);
            records[156] = b'x';
            records[148..156].fill(b' ');
            let sum: u32 = records[..512].iter().map(|byte| u32::from(*byte)).sum();
            records[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            tar.extend(records);
            tar.extend(pack(&[Entry::file(*name, *b"x", 0o755, Owner::ROOT)]));
        }
        let kind = EntryKind::CharDevice { major: 0, minor: 0 };
        tar.extend(pack(&[Entry { path: "dev/none".into(), kind, mode: 0o666, owner: Owner::ROOT }]));
        tar.extend([0; 1024]);
        tar
    }

    #[test]
    fn what_of_an_image_cannot_be_made_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let (work, cache) = (Arc::new(Work::default()), directory.path().join("cache"));
        let layout = Layout::open_or_create(&directory.path().join("layout"), &work).unwrap();
        let layers = [tar_with_capabilities(&["bin/ping", "bin/other"]), tar_with_capabilities(&["sbin/more"])];
        let layers = layers.map(|tar| {
            let descriptor = layout.store(&tar, MediaType::OciLayer).unwrap();
            LayerRef { descriptor, diff_id: DiffId(Digest::of(&tar)) }
        });
        let image = Image::assemble(ImageConfig::default(), &layers, BTreeMap::new());
        let warnings = Warnings::default();
        let owned = Owned::Squashed;
        lower_directories(&image, &layout, &cache, owned, &work, &warnings).unwrap();
        lower_directories(&image, &layout, &cache, owned, &work, &warnings).unwrap();
        let told = [
            "device nodes of the image cannot be made here and are left out: /dev/none and 1 more",
            "file capabilities of the image are not applied: /bin/ping and 2 more",
        ];
        assert_eq!(*warnings.0.lock().unwrap(), told);
    }

    #[test]
    fn a_layer_is_on_the_disk_before_it_has_its_name_and_what_killed_processes_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (work, cache) = (Arc::new(Work::default()), directory.path().join("cache"));
        let layout = Layout::open_or_create(&directory.path().join("layout"), &work).unwrap();
        let tar = [0; 1024];
        let descriptor = layout.store(&tar, MediaType::OciLayer).unwrap();
        let layer = LayerRef { descriptor, diff_id: DiffId(Digest::of(&tar)) };
        let image = Image::assemble(ImageConfig::default(), &[layer], BTreeMap::new());
        let family = cache.join("chains/squashed/sha256");
        let host = Root::host().unwrap();
        host.create_directories(&family.join(".dhow-1-dead/etc"), 0o755).unwrap();
        let live = TemporaryDirectory::create_in(&family).unwrap();
        let unpack = || lower_directories(&image, &layout, &cache, Owned::Squashed, &work, &Silent).unwrap();
        let before = work.report().syncs;
        let unpacked = unpack();
        assert!(host.is_directory(&unpacked.paths[0]));
        assert_eq!(work.report().syncs - before, 2, "the file system, then the name");
        assert!(!host.exists(&family.join(".dhow-1-dead")) && host.exists(live.path()));
        assert_eq!(unpack().paths, unpacked.paths);
        assert_eq!(work.report().syncs - before, 2, "nothing is synced again");
        let everything = crate::cache::PrunePolicy::nothing();
        let prune = || crate::cache::prune(&cache, &everything, crate::cache::PruneMode::Remove).unwrap();
        assert_eq!((prune().removed.len(), host.is_directory(&unpacked.paths[0])), (0, true), "it is in use");
        drop(unpacked);
        assert_eq!((prune().removed.len(), host.read_directory(&family).unwrap().len()), (1, 1));
        assert!(host.is_directory(&unpack().paths[0]), "and unpacked again");
    }
}
