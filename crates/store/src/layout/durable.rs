//! What is on the disk before `index.json` names it.
//!
//! Each sync costs a flush of the disk, so nothing is synced twice: what the index leads to already was synced when it
//! got there, or is in the care of the tool that wrote the index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dhow_fs::PathError;
use dhow_oci::{Descriptor, Digest, Index};

use super::Layout;
use crate::staging::in_layout;
use crate::{Completeness, graph};

/// Up to so many blobs are synced one by one: `syncfs` is quicker for more, but waits for what others write.
const FEW_BLOBS: usize = 24;

impl Layout {
    /// Syncs the blobs that this value stored or linked since the last time, and returns them.
    pub(super) fn sync_written(&self) -> Result<BTreeSet<Digest>, PathError> {
        let Some(session) = self.own_session() else { return Ok(BTreeSet::new()) };
        let written = session.unsynced();
        self.sync(&written)?;
        session.note_synced(&written);
        Ok(written)
    }

    /// Syncs those of an image's blobs that are neither `synced` nor reached from the index.
    pub(super) fn sync_unnamed(
        &self,
        blobs: &[Descriptor],
        synced: &BTreeSet<Digest>,
        index: &Index,
    ) -> Result<(), PathError> {
        let mut unnamed: BTreeSet<Digest> =
            blobs.iter().map(|blob| blob.digest.clone()).filter(|digest| !synced.contains(digest)).collect();
        for entry in index.descriptors() {
            if unnamed.is_empty() {
                return Ok(());
            }
            // Of an entry that cannot be read nobody knows what it leads to.
            for named in graph::walk(self, entry, Completeness::Sparse).map(|walk| walk.order).unwrap_or_default() {
                unnamed.remove(&named.digest);
            }
        }
        self.sync(&unnamed)
    }

    /// Syncs blobs, then the directories that hold them.
    fn sync(&self, blobs: &BTreeSet<Digest>) -> Result<(), PathError> {
        let blobs: Vec<PathBuf> = blobs.iter().map(in_layout).collect();
        let directories: BTreeSet<&Path> = blobs.iter().filter_map(|path| path.parent()).collect();
        let paths: Vec<&Path> = blobs.iter().map(PathBuf::as_path).chain(directories).collect();
        if blobs.len() > FEW_BLOBS {
            return self.sync_all();
        }
        match paths.iter().try_for_each(|path| self.root.sync(path)) {
            // A blob of another user may be unreadable. Any other error says that the data is lost, and a later sync
            // would not say so again.
            Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => self.sync_all(),
            Err(error) => Err(error),
            Ok(()) => {
                self.work.syncs.add(paths.len() as u64);
                Ok(())
            }
        }
    }

    fn sync_all(&self) -> Result<(), PathError> {
        self.work.syncs.add(1);
        self.root.sync_filesystem()
    }
}
