//! Layers that a buildpack takes over from the previous image, of which it has nothing on the disk.
//!
//! Such a layer goes into the image as it is. If it was made for another user, or below directories of other modes, than
//! this build's, that is not what a clean build would make. So it is unpacked, and the export packs it like any other.

use std::path::{Path, PathBuf};

use dhow_cnb::{GroupElement, LifecycleMetadata, places};
use dhow_fs::{PathError, Root, Work};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::layers_directory::{Layer, LayersDirectory};
use dhow_lifecycle::restore::unpack_layer;
use dhow_lifecycle::{Level, Log};
use dhow_oci::DiffId;

use super::kept::KeptTrees;
use super::steps::with_causes;

/// What tells which layers those are, and where they come from.
pub(super) struct TakenOver<'a> {
    pub(super) root: &'a Root,
    pub(super) kept: &'a KeptTrees<'a>,
    pub(super) previous: Option<&'a SourceImage>,
    /// What the previous image says of its layers.
    pub(super) recorded: &'a LifecycleMetadata,
    pub(super) work: &'a Work,
}

impl TakenOver<'_> {
    /// Unpacks those layers of the buildpacks that were made otherwise than now, or of which nobody knows how.
    ///
    /// One that cannot be unpacked is left to the export, which tells what is wrong with it.
    pub(super) fn unpack(&self, buildpacks: &[GroupElement], log: &dyn Log) {
        let Some(previous) = self.previous else { return };
        for buildpack in buildpacks {
            let Ok(directory) = LayersDirectory::read(self.root, Path::new(places::LAYERS), buildpack) else {
                continue;
            };
            for layer in &directory.layers {
                let Some(diff_id) = self.taken_over(buildpack, layer) else { continue };
                if self.kept.is_made_as_now(&layer.path, &diff_id) {
                    continue;
                }
                match self.unpack_one(previous, &diff_id, layer) {
                    Ok(()) => log.log(Level::Debug, &format!("Unpacked layer '{}' to pack it anew", layer.identifier)),
                    Err(reason) => {
                        log.log(Level::Debug, &format!("Layer '{}' stays as it is: {reason}", layer.identifier))
                    }
                }
            }
        }
        self.kept.look_again();
    }

    /// Returns the diffID of the layer, if it is to be taken over.
    fn taken_over(&self, buildpack: &GroupElement, layer: &Layer) -> Option<DiffId> {
        let file = layer.file.as_ref().ok()?;
        if layer.has_contents || !file.launch || file.cache {
            return None;
        }
        self.recorded.buildpack(&buildpack.id)?.layers.get(&layer.name)?.sha.parse().ok()
    }

    fn unpack_one(&self, previous: &SourceImage, diff_id: &DiffId, layer: &Layer) -> Result<(), String> {
        let layers = Path::new(places::LAYERS);
        let above = layer.path.parent().unwrap_or(layers);
        let opened = Opened::of(self.root, [layers, above]).map_err(|error| with_causes(&error))?;
        let unpacked = unpack_layer(previous, diff_id, self.root, layers, &layer.path, self.work);
        opened.close().map_err(|error| with_causes(&error))?;
        match unpacked {
            Ok(true) => Ok(()),
            Ok(false) => Err("the previous image does not have it".to_owned()),
            Err(error) => Err(with_causes(&error)),
        }
    }
}

/// Directories that their owner may write to for a while, whatever a buildpack made of their modes.
struct Opened<'a> {
    root: &'a Root,
    modes: Vec<(PathBuf, u32)>,
}

impl<'a> Opened<'a> {
    /// Opens directories, the outer one first.
    fn of(root: &'a Root, directories: [&Path; 2]) -> Result<Self, PathError> {
        let mut opened = Self { root, modes: Vec::new() };
        for directory in directories {
            let mode = root.metadata(directory)?.mode;
            if mode & 0o700 != 0o700 {
                root.set_mode(directory, mode | 0o700)?;
                opened.modes.push((directory.to_owned(), mode));
            }
        }
        Ok(opened)
    }

    fn close(self) -> Result<(), PathError> {
        self.modes.iter().rev().try_for_each(|(directory, mode)| self.root.set_mode(directory, *mode))
    }
}
