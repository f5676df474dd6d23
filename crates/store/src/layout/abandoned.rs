//! A layout that was made for an image by a process that was killed before it named one.

use std::path::Path;

use dhow_fs::{Lock, LockMode, remove_empty_directory};
use dhow_oci::{Digest, Index};

use super::create::{count_blobs, is_foreign};
use super::session::{Abandoned, abandoned};
use super::{INDEX_LIMIT, Layout, LayoutError, found};
use crate::staging::in_layout;

impl Layout {
    /// Removes the layout if the process that made it was killed before it named an image, and nobody else has used it.
    ///
    /// Under the layout's lock, if nobody has it: who has it is at work here.
    pub(super) fn remove_abandoned(&self) -> Result<(), LayoutError> {
        if !self.holds_unfinished()? {
            return Ok(());
        }
        let _lock = Lock::attempt(&self.root, Path::new("/"), LockMode::Exclusive)?;
        let Some(Abandoned { sessions, directories, written }) = abandoned(&self.root)? else { return Ok(()) };
        let blobs = self.blobs()?;
        let holds_others = is_foreign(&self.root)?
            || count_blobs(&self.root)? > blobs.len()
            || blobs.keys().any(|digest| !written.contains(digest));
        if holds_others || self.names_anything()? {
            return Ok(());
        }
        self.remove_content(blobs.keys())?;
        // The last, so that a removal that is killed is finished by the next command.
        for session in sessions {
            self.root.remove_all(&session)?;
        }
        for directory in self.path.ancestors().take(directories) {
            remove_empty_directory(directory)?;
        }
        Ok(())
    }

    /// Removes these blobs and all that makes the directory a layout.
    pub(super) fn remove_content<'a>(&self, blobs: impl Iterator<Item = &'a Digest>) -> Result<(), LayoutError> {
        for digest in blobs {
            self.root.remove_file(&in_layout(digest))?;
        }
        for entry in found(self.root.read_directory(Path::new("/blobs")))?.unwrap_or_default() {
            self.root.remove_empty_directory(&Path::new("/blobs").join(entry.name))?;
        }
        found(self.root.remove_empty_directory(Path::new("/blobs")))?;
        found(self.root.remove_file(Path::new("/index.json")))?;
        found(self.root.remove_file(Path::new("/oci-layout")))?;
        Ok(())
    }

    fn holds_unfinished(&self) -> Result<bool, LayoutError> {
        Ok(self.root.read_directory(Path::new("/"))?.iter().any(|entry| dhow_fs::is_unfinished(&entry.name)))
    }

    /// Tells whether there is an index that is not as an empty layout's. The file may not be there yet, or not any more.
    fn names_anything(&self) -> Result<bool, LayoutError> {
        let Some(bytes) = found(self.root.read(Path::new("/index.json"), INDEX_LIMIT.0))? else { return Ok(false) };
        Ok(Index::parse(bytes).map_or(true, |index| *index.value() != Index::default()))
    }
}
