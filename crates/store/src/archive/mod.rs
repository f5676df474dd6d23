//! `oci-archive` files: the tar of a layout, read in place and written reproducibly.

mod members;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{FileKind, LockError, Operation, PathError, Root, Work};
use dhow_oci::{Descriptor, Digest, Document, Index};
use dhow_tar::ReadError;

pub use write::{update, write};

use crate::blob::is_document;
use crate::layout::{INDEX_LIMIT, require_version};
use crate::resolve::{named, tags};
use crate::staging::in_layout;
use crate::verify::VerifiedReader;
use crate::{
    Address, BlobError, BlobSource, CopyError, ImageSource, LayoutError, Named, Presence, Referrers, ResolveError,
    Tags, Wanted, referrers,
};
use members::{Catalogue, Member};

/// The largest `oci-layout` file that is read.
const MARKER_LIMIT: u64 = 4096;

/// A layout in an uncompressed tar file. Nothing is extracted: blobs are read where they are.
///
/// The file must not change while it is open.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Arc<File>,
    members: Catalogue,
    work: Arc<Work>,
}

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is compressed; only plain tar can be read in place.
    #[error("{} is compressed with {format}; an oci-archive is read uncompressed", .path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// The name of the compression.
        format: &'static str,
    },
    /// The file is not a well-formed tar.
    #[error("{} is not a tar archive of an OCI layout", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: ReadError,
    },
    /// A file of the layout is not in the archive.
    #[error("{} is no OCI archive: it has no regular file `{member}`", .path.display())]
    NoMember {
        /// The file.
        path: PathBuf,
        /// The member.
        member: &'static str,
    },
    /// What is in the archive is no layout of a known version.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The image to be written is not complete, or too large to be walked.
    #[error(transparent)]
    Graph(#[from] CopyError),
    /// A blob to be written cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Other writers replaced the archive again and again.
    #[error("{} is being rewritten by other programs", .0.display())]
    Unsettled(PathBuf),
    /// The archive's lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Archive {
    /// Opens the archive at `path` and notes where its files are. Reads headers only.
    pub fn open(path: &Path, work: &Arc<Work>) -> Result<Self, ArchiveError> {
        let file = Root::host()?.open_file(path)?;
        let members = members::scan(&file, path)?;
        let archive = Self { path: path.to_owned(), file: Arc::new(file), members, work: Arc::clone(work) };
        let marker = archive.small("oci-layout", MARKER_LIMIT)?;
        require_version(&marker, path)?;
        archive.member("index.json")?;
        Ok(archive)
    }

    /// Returns the archive's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn member(&self, name: &'static str) -> Result<(u64, u64), ArchiveError> {
        match self.members.get(Path::new(name)) {
            Some(Member::File { offset, size }) => Ok((*offset, *size)),
            _ => Err(ArchiveError::NoMember { path: self.path.clone(), member: name }),
        }
    }

    fn small(&self, name: &'static str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let (offset, size) = self.member(name)?;
        let fail = |source: io::Error| PathError::new(Operation::Read, &self.path, source);
        if size > limit {
            return Err(fail(io::Error::new(io::ErrorKind::FileTooLarge, format!("`{name}` has {size} bytes"))).into());
        }
        let mut bytes = Vec::new();
        self.slice(offset, size).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }

    /// Returns the blobs, whatever their names, by their paths in the layout.
    fn blobs(&self) -> impl Iterator<Item = (PathBuf, Slice)> {
        self.members.iter().filter_map(|(path, member)| match member {
            Member::File { offset, size } if path.starts_with("blobs") => {
                Some((path.clone(), self.slice(*offset, *size)))
            }
            _ => None,
        })
    }

    fn slice(&self, offset: u64, size: u64) -> Slice {
        Slice { file: Arc::clone(&self.file), offset, end: offset.saturating_add(size) }
    }
}

/// A stretch of the archive's file, with a position of its own.
#[derive(Clone)]
struct Slice {
    file: Arc<File>,
    offset: u64,
    end: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end - self.offset;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl BlobSource for Archive {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        let absent = BlobError::Absent { digest: descriptor.digest.clone(), place: Address::from(self.path()) };
        self.presence(descriptor)?;
        let Some(Member::File { offset, size }) = self.members.get(&in_layout(&descriptor.digest)) else {
            return Err(absent);
        };
        let work = (!is_document(&descriptor.media_type)).then(|| Arc::clone(&self.work));
        if let Some(work) = &work {
            work.blobs_opened.add(1);
        }
        let slice = self.slice(*offset, *size);
        Ok(Box::new(VerifiedReader::new(slice, descriptor, self.address(descriptor), work)))
    }

    fn presence(&self, descriptor: &Descriptor) -> Result<Presence, BlobError> {
        let (digest, address) = (descriptor.digest.clone(), self.address(descriptor));
        match self.members.get(&in_layout(&descriptor.digest)) {
            None => Ok(Presence::Absent),
            Some(Member::Other) => Err(BlobError::NotAFile { digest, address, found: FileKind::Symlink }),
            Some(Member::File { size, .. }) if *size != descriptor.size => {
                Err(BlobError::Size { digest, address, expected: descriptor.size, found: *size })
            }
            Some(Member::File { .. }) => Ok(Presence::Present),
        }
    }

    fn address(&self, descriptor: &Descriptor) -> Address {
        Address::Member { archive: self.path.clone(), member: in_layout(&descriptor.digest) }
    }
}

impl ImageSource for Archive {
    fn location(&self) -> Address {
        Address::from(self.path())
    }

    fn named(&self, wanted: Wanted<'_>) -> Result<Vec<Named>, ResolveError> {
        named(self, self.location(), self.index()?.value(), wanted)
    }
}

impl Tags for Archive {
    fn tags(&self) -> Result<Vec<String>, ResolveError> {
        Ok(tags(self.index()?.value()))
    }
}

impl Referrers for Archive {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        referrers::in_index(self, self.location(), self.index()?.value(), subject)
    }
}

impl Archive {
    /// Returns `index.json`.
    pub fn index(&self) -> Result<Document<Index>, LayoutError> {
        let path = self.path.join("index.json");
        let bytes = match self.small("index.json", INDEX_LIMIT.0) {
            Ok(bytes) => bytes,
            Err(ArchiveError::Path(error)) => return Err(error.into()),
            Err(other) => return Err(LayoutError::NotALayout { path, found: other.to_string() }),
        };
        Index::parse(bytes).map_err(|source| LayoutError::Index { path, source })
    }
}
