//! From a layer of the lifecycle to the one directory that it holds.
//!
//! The layer is unpacked in a scratch directory beside, compared with its diffID, and only then moved to its place:
//! what is damaged or holds other paths changes nothing.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use dhow_fs::{FileKind, PathError, Root, TemporaryDirectory, Work};
use dhow_layer::{Encoding, UnpackError, UnpackOptions, unpack};
use dhow_oci::{DiffId, MediaType};
use dhow_store::BlobError;

use crate::go_error::GoPathError;

/// Where a layer belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) root: &'a Root,
    /// The layers directory; the scratch directory is made in it.
    pub(crate) layers: &'a Path,
    /// The directory that the layer holds.
    pub(crate) directory: &'a Path,
}

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Its blob cannot be opened.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// It is no proper layer.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Its content is another one than was asked for.
    #[error("expected layer contents to have SHA '{expected}'; found '{found}'")]
    OtherContent {
        /// The diffID that was asked for.
        expected: DiffId,
        /// The diffID of the content.
        found: DiffId,
    },
    /// It does not hold the directory that it should.
    #[error("layer {diff_id} does not hold {}", .directory.display())]
    OtherDirectory {
        /// The layer.
        diff_id: DiffId,
        /// The directory.
        directory: PathBuf,
    },
    /// A file cannot be moved to its place.
    #[error(transparent)]
    Path(GoPathError),
}

impl From<PathError> for ExtractError {
    fn from(error: PathError) -> Self {
        Self::Path(GoPathError(error))
    }
}

/// Puts the directory of the layer `expected` in its place, instead of what is there.
pub(crate) fn extract(
    reader: impl Read + Send,
    media_type: &MediaType,
    expected: &DiffId,
    destination: &Destination<'_>,
    work: &Work,
) -> Result<(), ExtractError> {
    let Destination { root, layers, directory } = *destination;
    let scratch = Scratch::create(root, layers)?;
    let options = UnpackOptions {
        encoding: Encoding::of(media_type),
        expected: Some(expected),
        ..UnpackOptions::lifecycle(work)
    };
    let found = unpack(reader, root, &scratch.path, &options)?.diff_id;
    if found != *expected {
        return Err(ExtractError::OtherContent { expected: expected.clone(), found });
    }
    let Some(unpacked) = scratch.plain(directory) else {
        return Err(ExtractError::OtherDirectory { diff_id: found, directory: directory.to_owned() });
    };
    root.remove_all(directory)?;
    if let Some(parent) = directory.parent() {
        root.create_directories(parent, 0o777)?;
    }
    move_closed(root, &unpacked, directory)
}

/// Moves a file or directory. A directory that denies writing to its owner is moved, too.
fn move_closed(root: &Root, from: &Path, to: &Path) -> Result<(), ExtractError> {
    let stat = root.symlink_metadata(from)?;
    let is_closed = stat.kind == FileKind::Directory && !lets_owner(stat.mode);
    if is_closed {
        root.set_mode(from, stat.mode | OWNER)?;
    }
    root.rename(from, to)?;
    if is_closed {
        root.set_mode(to, stat.mode)?;
    }
    Ok(())
}

fn lets_owner(mode: u32) -> bool {
    mode & OWNER == OWNER
}

const OWNER: u32 = 0o700;

/// A directory in the layers directory that is removed with all that is in it when dropped.
struct Scratch<'a> {
    root: &'a Root,
    path: PathBuf,
    _directory: TemporaryDirectory,
}

impl<'a> Scratch<'a> {
    fn create(root: &'a Root, layers: &Path) -> Result<Self, PathError> {
        root.create_directories(layers, 0o777)?;
        let directory = TemporaryDirectory::create_at(root, layers)?;
        Ok(Self { root, path: layers.join(directory.name()), _directory: directory })
    }

    /// Returns where `path` was unpacked, if it is there and no link is on the way to it. The way is opened to its owner:
    /// the layer may have been packed below directories that deny it.
    fn plain(&self, path: &Path) -> Option<PathBuf> {
        let mut unpacked = self.path.clone();
        let mut kind = FileKind::Directory;
        for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
            if kind != FileKind::Directory {
                return None;
            }
            let above = self.root.symlink_metadata(&unpacked).ok()?;
            if !lets_owner(above.mode) {
                self.root.set_mode(&unpacked, above.mode | OWNER).ok()?;
            }
            unpacked.push(part);
            kind = self.root.symlink_metadata(&unpacked).ok()?.kind;
        }
        Some(unpacked)
    }
}
