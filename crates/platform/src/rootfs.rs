//! Image layers unpacked once per diffID, to serve as lower directories of overlays.
//!
//! ```text
//! <cache>/layers/<owned|squashed>/<algorithm>/<hex>/     one unpacked layer, never changed afterwards
//! ```
//!
//! A layer appears there whole, by a rename, or not at all; several processes may unpack the same one. It is on the disk
//! before it has its name, because nobody looks at its files again. What a killed process left is removed by the next.

use std::path::{Path, PathBuf};

use dhow_fs::{PathError, Root, TemporaryDirectory, Work, sync_filesystem, sync_path};
use dhow_layer::{Owners, UnpackError, UnpackOptions, Whiteouts};
use dhow_oci::{DiffId, Image, LayerRef};
use dhow_store::{BlobError, BlobSource};

use crate::progress::Counted;
use crate::{Event, Events, Progress};

/// Whether unpacked files belong to whom the image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    /// To whom the image says: only root can do so.
    AsImage,
    /// All to the caller.
    Squashed,
}

/// Why an image's file system could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A layer's blob cannot be read.
    #[error("cannot read layer {diff_id}")]
    Blob {
        /// The layer.
        diff_id: DiffId,
        /// Why.
        source: BlobError,
    },
    /// A layer cannot be unpacked.
    #[error("cannot unpack layer {diff_id}")]
    Unpack {
        /// The layer.
        diff_id: DiffId,
        /// Why.
        source: UnpackError,
    },
    /// The tar is another one than the config says.
    #[error("layer {found} is not the one that the image's config lists, {expected}")]
    OtherLayer {
        /// The diffID of what was unpacked.
        found: DiffId,
        /// The diffID that the config lists.
        expected: DiffId,
    },
    /// The cache directory cannot be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The image has no layers.
    #[error("image {0} has no layers, so there is nothing to run in")]
    Empty(dhow_oci::Digest),
}

impl Owned {
    fn directory(self) -> &'static str {
        match self {
            Self::AsImage => "owned",
            Self::Squashed => "squashed",
        }
    }
}

/// Returns the image's unpacked layers, topmost first, unpacking those that are not there yet.
pub(crate) fn lower_directories(
    image: &Image,
    blobs: &dyn BlobSource,
    cache: &Path,
    owned: Owned,
    work: &Work,
    events: &dyn Events,
) -> Result<Vec<PathBuf>, RootfsError> {
    let parent = cache.join("layers").join(owned.directory());
    Root::host()?.create_directories(&parent, 0o700)?;
    let layers = image.layers();
    let mut directories: Vec<PathBuf> = Vec::with_capacity(layers.len());
    for layer in &layers {
        let directory = unpacked(layer, blobs, &parent, owned, work, events)?;
        // An overlay refuses the same directory twice; of equal layers the topmost alone shows.
        directories.retain(|existing| *existing != directory);
        directories.push(directory);
    }
    if directories.is_empty() {
        return Err(RootfsError::Empty(image.manifest().digest().clone()));
    }
    events.emit(Event::ProgressEnd);
    directories.reverse();
    Ok(directories)
}

fn unpacked(
    layer: &LayerRef,
    blobs: &dyn BlobSource,
    parent: &Path,
    owned: Owned,
    work: &Work,
    events: &dyn Events,
) -> Result<PathBuf, RootfsError> {
    let host = Root::host()?;
    let diff_id = &layer.diff_id;
    let family = parent.join(diff_id.0.algorithm());
    let destination = family.join(diff_id.0.hex());
    if host.is_directory(&destination) {
        return Ok(destination);
    }
    host.create_directories(&family, 0o700)?;
    let subject = layer.descriptor.digest.to_string();
    let progress = Progress { action: "unpacking", subject: &subject, done: 0, total: Some(layer.descriptor.size) };
    let blob =
        blobs.open(&layer.descriptor).map_err(|source| RootfsError::Blob { diff_id: diff_id.clone(), source })?;
    let counted = Counted::new(blob, progress, events);
    TemporaryDirectory::sweep(&family);
    let temporary = TemporaryDirectory::create_in(&family)?;
    let root = Root::open(temporary.path())?;
    let options = UnpackOptions {
        whiteouts: Whiteouts::OverlayXattr { userxattr: true },
        owners: match owned {
            Owned::AsImage => Owners::Set,
            Owned::Squashed => Owners::Ignore,
        },
        ..UnpackOptions::image(work)
    };
    let unpacked = dhow_layer::unpack(counted, &root, Path::new("/"), &options)
        .map_err(|source| RootfsError::Unpack { diff_id: diff_id.clone(), source })?;
    if unpacked.diff_id != *diff_id {
        return Err(RootfsError::OtherLayer { found: unpacked.diff_id, expected: diff_id.clone() });
    }
    host.set_mode(temporary.path(), 0o755)?;
    sync_filesystem(temporary.path())?;
    match host.rename(temporary.path(), &destination) {
        Ok(()) => {
            drop(temporary.keep());
            sync_path(&family)?;
            work.syncs.add(2);
        }
        // Another process was faster, and its layer is as good.
        Err(_) if host.is_directory(&destination) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(destination)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use dhow_oci::{Digest, ImageConfig, MediaType};
    use dhow_store::{BlobSink, Layout};

    use super::*;
    use crate::events::Silent;

    #[test]
    fn a_layer_is_on_the_disk_before_it_has_its_name_and_what_killed_processes_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (work, cache) = (Arc::new(Work::default()), directory.path().join("cache"));
        let layout = Layout::open_or_create(&directory.path().join("layout"), &work).unwrap();
        let tar = [0; 1024];
        let descriptor = layout.store(&tar, MediaType::OciLayer).unwrap();
        let layer = LayerRef { descriptor, diff_id: DiffId(Digest::of(&tar)) };
        let image = Image::assemble(ImageConfig::default(), &[layer], BTreeMap::new());
        let family = cache.join("layers/squashed/sha256");
        let host = Root::host().unwrap();
        host.create_directories(&family.join(".dhow-1-dead/etc"), 0o755).unwrap();
        let live = TemporaryDirectory::create_in(&family).unwrap();
        let unpack = || lower_directories(&image, &layout, &cache, Owned::Squashed, &work, &Silent).unwrap();
        let before = work.report().syncs;
        let unpacked = unpack();
        assert!(host.is_directory(&unpacked[0]));
        assert_eq!(work.report().syncs - before, 2, "the file system, then the name");
        assert!(!host.exists(&family.join(".dhow-1-dead")) && host.exists(live.path()));
        assert_eq!(unpack(), unpacked);
        assert_eq!(work.report().syncs - before, 2, "nothing is synced again");
    }
}
