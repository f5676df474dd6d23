//! Blobs on their way into a layout.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{AtomicFile, Operation, PathError, Root, Stat, Work, file_clock_ns};
use dhow_oci::{Digest, Hasher};

use crate::layout::{Session, exclude_gc};
use crate::verified::Verified;
use crate::verify::BLOCK;
use crate::{Address, BlobError};

/// The mode of every file of a layout.
pub(crate) const FILE_MODE: u32 = 0o644;
/// The mode of every directory of a layout.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// Writes one blob: hashes what is written to it and, when finished, gives it its name.
///
/// Until then the bytes are in a file of the layout that no reader looks at; dropped unfinished it is
/// removed. Write in large pieces: each `write` is a system call.
#[derive(Debug)]
pub struct BlobWriter {
    file: AtomicFile,
    hasher: Option<Hasher>,
    size: u64,
    root: Arc<Root>,
    work: Option<Arc<Work>>,
    session: Arc<Session>,
    verified: Option<Arc<Verified>>,
}

impl BlobWriter {
    pub(crate) fn create(root: &Arc<Root>, session: Arc<Session>, work: Option<Arc<Work>>) -> Result<Self, BlobError> {
        let file = AtomicFile::create_at(root, &session.directory().join("blob"), FILE_MODE)?;
        let hasher = Some(Hasher::sha256());
        Ok(Self { file, hasher, size: 0, root: Arc::clone(root), work, session, verified: None })
    }

    /// Returns this writer with a place to note that the blob was verified while it was written.
    pub(crate) fn noting(self, verified: Option<Arc<Verified>>) -> Self {
        Self { verified, ..self }
    }

    /// Returns this writer without its hasher, for a caller that hashes and ends with [`BlobWriter::finish_known`].
    #[must_use]
    pub fn without_hashing(self) -> Self {
        Self { hasher: None, ..self }
    }

    /// Names the blob by the digest of what was written, replacing a file of that name.
    ///
    /// # Panics
    /// If the hasher was given up with [`BlobWriter::without_hashing`].
    pub fn finish(mut self) -> Result<Stored, BlobError> {
        let hasher = self.hasher.take().expect("a writer without hasher is finished with finish_known");
        let stored = Stored { digest: hasher.finish(), size: self.size };
        self.publish(stored)
    }

    /// Names the blob by a digest that the caller knows. What was counted and hashed here must agree.
    ///
    /// A digest of another algorithm than was hashed by makes the blob be read again.
    pub fn finish_known(mut self, digest: &Digest, size: u64) -> Result<Stored, BlobError> {
        let (digest, address) = (digest.clone(), Address::Path(blob_path(self.root.location(), digest)));
        if size != self.size {
            return Err(BlobError::Size { digest, address, expected: size, found: self.size });
        }
        if let Some(found) = self.hasher.take().map(Hasher::finish) {
            let found = match found.algorithm() == digest.algorithm() {
                true => found,
                false => self.hashed_again(digest.hasher())?,
            };
            if found != digest {
                return Err(BlobError::Digest { expected: digest, address, found });
            }
        }
        self.publish(Stored { digest, size })
    }

    /// Returns the digest of what was written, by another hasher.
    fn hashed_again(&self, mut hasher: Hasher) -> Result<Digest, BlobError> {
        let (mut buffer, mut offset) = (vec![0; BLOCK], 0);
        loop {
            let read = self.file.file().read_at(&mut buffer, offset);
            let count =
                read.map_err(|error| PathError::new(Operation::Read, self.root.location().join("blobs"), error))?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&buffer[..count]);
            offset += count as u64;
            if let Some(work) = &self.work {
                work.bytes_hashed.add(count as u64);
            }
        }
    }

    /// The rename replaces what is there, so a corrupt blob of that name is healed. An index may lead to that name, so
    /// the new blob is synced before.
    fn publish(self, stored: Stored) -> Result<Stored, BlobError> {
        ensure_blob_directory(&self.root, stored.digest.algorithm())?;
        let _no_gc = exclude_gc(&self.root)?;
        if let Some(verified) = &self.verified {
            self.file.set_back()?;
            let stat = Stat::of_file(self.file.file()).map_err(|error| self.naming_the_layout(error));
            let stat = stat.map_err(|error| write_error(self.root.location(), error))?;
            // Nobody else knows the file yet.
            verified.note(&stat, &stored.digest, file_clock_ns());
        }
        self.session.announce(&self.root, &stored.digest)?;
        let is_synced = self.file.commit_replacing(&self.root, &in_layout(&stored.digest))?;
        self.session.note_written(&stored.digest, is_synced);
        Ok(stored)
    }

    /// Who writes to this as to any stream has only the error to learn the path from. The kind stays.
    fn naming_the_layout(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), PathError::new(Operation::Write, self.root.location().join("blobs"), error))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes).map_err(|error| self.naming_the_layout(error))?;
        self.size += count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..count]);
        }
        if let Some(work) = &self.work {
            work.blob_bytes_written.add(count as u64);
            work.bytes_hashed.add(if self.hasher.is_some() { count as u64 } else { 0 });
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Returns where the layout at `layout` keeps a blob. A digest is parsed strictly, so the path stays inside.
pub(crate) fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join(in_layout(digest))
}

/// Returns a blob's path within its layout.
pub(crate) fn in_layout(digest: &Digest) -> PathBuf {
    ["blobs", digest.algorithm(), digest.hex()].iter().collect()
}

/// Creates `blobs/<algorithm>` where it is missing, durably.
pub(crate) fn ensure_blob_directory(root: &Root, algorithm: &str) -> Result<(), PathError> {
    for directory in [Path::new("/blobs").to_owned(), Path::new("/blobs").join(algorithm)] {
        match root.symlink_metadata(&directory) {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                root.create_directory(&directory, DIRECTORY_MODE)?;
                root.set_mode(&directory, DIRECTORY_MODE)?;
                root.sync(directory.parent().unwrap_or(Path::new("/")))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the error of a write to a [`BlobWriter`] of the layout.
pub(crate) fn write_error(layout: &Path, error: io::Error) -> BlobError {
    let of_path = error.downcast::<PathError>();
    of_path.unwrap_or_else(|error| PathError::new(Operation::Write, layout.join("blobs"), error)).into()
}
