//! The end of a layout that was made for an image which did not come about.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use dhow_fs::{Lock, LockMode, remove_empty_directory};
use dhow_oci::Index;

use super::create::is_foreign;
use super::session::sweep;
use super::{Layout, LayoutError};

impl Drop for Layout {
    fn drop(&mut self) {
        if self.made.layout {
            // One that cannot be removed is an empty layout, which does no harm.
            let _left = self.unmake();
        }
    }
}

impl Layout {
    /// Removes the layout that this value made, unless an image was named in it or anybody else has put anything there.
    ///
    /// Under the layout's lock, and only while no other writer is at work.
    fn unmake(&mut self) -> Result<(), LayoutError> {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(session) = session.and_then(Arc::into_inner) else { return Ok(()) };
        let _lock = Lock::attempt(&self.root, Path::new("/"), LockMode::Exclusive)?;
        let is_at_work = sweep(&self.root, Some(session.directory()))?.oldest_live.is_some();
        let blobs = self.blobs()?;
        let holds_others = is_foreign(&self.root)? || blobs.keys().any(|digest| !session.has_written(digest));
        if is_at_work || holds_others || *self.index()?.value() != Index::default() {
            return Ok(());
        }
        self.remove_content(blobs.keys())?;
        drop(session);
        for directory in self.made.directories.iter().rev() {
            remove_empty_directory(directory)?;
        }
        Ok(())
    }
}
