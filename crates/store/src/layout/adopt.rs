//! Blobs of other stores, taken over by the cheapest means.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use dhow_fs::{CopyMethod, Operation, PathError, Stat, file_clock_ns};
use dhow_oci::{Descriptor, MANIFEST_LIMIT};

use super::{Layout, Session, exclude_gc};
use crate::blob::is_document;
use crate::staging::{ensure_blob_directory, in_layout, write_error};
use crate::verify::{BLOCK, VerifiedReader, read_through};
use crate::{Address, Adopted, BlobError, BlobSource, BlobWriter, Presence, Staging, read_document};

impl Layout {
    pub(super) fn take_over(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<Adopted, BlobError> {
        if is_document(&descriptor.media_type) && descriptor.size <= MANIFEST_LIMIT.0 {
            let bytes = read_document(from, descriptor, MANIFEST_LIMIT)?;
            self.keep_bytes(descriptor, &bytes)?;
            return Ok(Adopted::Copied);
        }
        if self.claim(descriptor)? && self.is_whole(descriptor)? {
            return Ok(Adopted::Present);
        }
        if from.presence(descriptor)? == Presence::Absent {
            // Opening it makes the error in the source's own words.
            from.open(descriptor)?;
        }
        if let Some(source) = from.address(descriptor).path()
            && self.link(source, descriptor)?
        {
            self.work.blobs_linked.add(1);
            return Ok(Adopted::Linked);
        }
        self.copy(from, descriptor)?;
        Ok(Adopted::Copied)
    }

    /// Links the blob beside the others, and gives it its name once it is checked: what is checked is what is named.
    fn link(&self, source: &Path, descriptor: &Descriptor) -> Result<bool, BlobError> {
        let session = self.session()?;
        ensure_blob_directory(&self.root, descriptor.digest.algorithm())?;
        let staged = session.directory().join(descriptor.digest.hex());
        let method = dhow_fs::share_file(source, &self.root, &staged)?;
        if !matches!(method, Some(CopyMethod::HardLink | CopyMethod::Reflink)) {
            return Ok(false);
        }
        let linked = self.give_name(&session, &staged, source, descriptor);
        if linked.is_err() {
            let _removed = self.root.remove_file(&staged);
        }
        linked.map(|()| true)
    }

    fn give_name(
        &self,
        session: &Session,
        staged: &Path,
        source: &Path,
        descriptor: &Descriptor,
    ) -> Result<(), BlobError> {
        self.verify(staged, source, descriptor)?;
        let _no_gc = exclude_gc(&self.root)?;
        session.announce(&self.root, &descriptor.digest)?;
        let is_synced = self.root.rename_replacing(staged, &in_layout(&descriptor.digest))?;
        session.note_written(&descriptor.digest, is_synced);
        Ok(())
    }

    /// Reads the file at `path` to its end, unless it is known to be what `descriptor` names; errors speak of `shown`.
    pub(super) fn verify(&self, path: &Path, shown: &Path, descriptor: &Descriptor) -> Result<(), BlobError> {
        let (file, clock) = (self.root.open_file_nofollow(path)?, file_clock_ns());
        let inspect =
            |file: &File| Stat::of_file(file).map_err(|error| PathError::new(Operation::Inspect, shown, error));
        let before = inspect(&file)?;
        if self.verified.knows(&before, &descriptor.digest) {
            return Ok(());
        }
        let work = self.counted(&descriptor.media_type);
        if let Some(work) = &work {
            work.blobs_opened.add(1);
        }
        read_through(VerifiedReader::new(&file, descriptor, Address::from(shown), work))
            .map_err(|error| BlobError::of_read(error, &descriptor.digest, Address::from(shown)))?;
        // One that was modified while it was read bears another time now.
        if inspect(&file)?.mtime_ns == before.mtime_ns {
            self.verified.note(&before, &descriptor.digest, clock);
        }
        Ok(())
    }

    fn copy(&self, from: &dyn BlobSource, descriptor: &Descriptor) -> Result<(), BlobError> {
        let mut reader = from.open(descriptor)?;
        // The reader verifies; hashing again while writing would double the cost.
        let verified = Some(Arc::clone(&self.verified));
        let writer = BlobWriter::create(&self.root, self.session()?, None)?;
        let mut writer = writer.noting(verified).without_hashing();
        let mut buffer = vec![0; BLOCK];
        loop {
            let read = reader.read(&mut buffer);
            let count =
                read.map_err(|error| BlobError::of_read(error, &descriptor.digest, from.address(descriptor)))?;
            if count == 0 {
                break;
            }
            std::io::Write::write_all(&mut writer, &buffer[..count]).map_err(|error| write_error(&self.path, error))?;
        }
        writer.finish_known(&descriptor.digest, descriptor.size)?;
        self.work.blob_bytes_copied.add(descriptor.size);
        Ok(())
    }
}
