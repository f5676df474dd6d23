//! Writing an archive: the same image gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{AtomicFile, FileKind, Lock, LockError, LockMode, Operation, PathError, Root, Stat, Work, sweep};
use dhow_oci::{Descriptor, Document, Index, annotation};
use dhow_tar::{BLOCK, Header, MemberKind, Owner};

use super::{Archive, ArchiveError, Slice};
use crate::graph::walk;
use crate::layout::{SPARSE, marker};
use crate::staging::{FILE_MODE, in_layout};
use crate::{BlobError, BlobSource, Completeness, CopyError};

/// Writes everything that `root` names as an archive at `output`, which appears whole or not at all.
///
/// Its `index.json` lists `root` alone, under `name` if one is given. Every blob is verified on the way.
/// Absent blobs are an error unless the archive may be [`Completeness::Sparse`].
pub fn write(
    source: &dyn BlobSource,
    root: &Descriptor,
    name: Option<&str>,
    completeness: Completeness,
    output: &Path,
) -> Result<(), ArchiveError> {
    Ok(written(source, root, name, completeness, None, output)?.commit()?)
}

/// As [`write()`], and with the other images that an archive at `output` lists, as they are there. An empty file counts as
/// none.
///
/// Writers of one archive take turns by a lock on the file that is there. One that takes no lock is noticed until the file
/// is replaced: the archive is written anew then.
///
/// # Errors
/// If something else than an archive is at `output`; it is still there then.
pub fn update(
    source: &dyn BlobSource,
    root: &Descriptor,
    name: &str,
    completeness: Completeness,
    output: &Path,
    work: &Arc<Work>,
) -> Result<(), ArchiveError> {
    for _ in 0..ATTEMPTS {
        let lock = lock(output)?;
        let locked = lock.as_ref().map(Lock::stat).transpose()?;
        if !is_there(output, locked.as_ref())? {
            continue;
        }
        let existing = match &locked {
            Some(stat) if stat.kind != FileKind::File || stat.size > 0 => Some(Archive::open(output, work)?),
            _ => None,
        };
        let file = written(source, root, Some(name), completeness, existing.as_ref(), output)?;
        if !is_there(output, locked.as_ref())? {
            continue;
        }
        let committed = if locked.is_some() { file.commit() } else { file.commit_new() };
        match committed {
            Err(error) if locked.is_none() && error.source.kind() == io::ErrorKind::AlreadyExists => {}
            other => return Ok(other?),
        }
    }
    Err(ArchiveError::Unsettled(output.to_owned()))
}

/// How often an archive is written anew because another writer replaced it meanwhile.
const ATTEMPTS: usize = 20;

/// Locks what is at `output`, if anything.
fn lock(output: &Path) -> Result<Option<Lock>, ArchiveError> {
    let holder = || format!("another writer of {}", output.display());
    match Lock::take(&Root::host()?, output, LockMode::Exclusive, holder) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Path(error)) if error.is_not_found() => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Tells whether the file that was locked, or nothing if nothing was there, is at `output` as it was.
fn is_there(output: &Path, locked: Option<&Stat>) -> Result<bool, PathError> {
    let facts = |stat: &Stat| (stat.identity(), stat.size, stat.mtime_ns);
    match Root::host()?.metadata(output) {
        Ok(found) => Ok(locked.map(facts) == Some(facts(&found))),
        Err(error) if error.is_not_found() => Ok(locked.is_none()),
        Err(error) => Err(error),
    }
}

/// Writes the archive beside `output`, with the other images that `existing` lists.
fn written(
    source: &dyn BlobSource,
    root: &Descriptor,
    name: Option<&str>,
    completeness: Completeness,
    existing: Option<&Archive>,
    output: &Path,
) -> Result<AtomicFile, ArchiveError> {
    let new = walk(source, root, completeness)?;
    if completeness == Completeness::Full && !new.missing.is_empty() {
        let missing = new.missing.into_iter().map(|descriptor| descriptor.digest).collect();
        return Err(CopyError::Incomplete { root: root.digest.clone(), missing }.into());
    }
    let listed = others(existing, name)?;
    let mut entries = vec![entry(root, name, !new.missing.is_empty()).into()];
    let mut blobs = Blobs::default();
    blobs.add(source, new.order);
    for other in &listed.value().manifests {
        let Some(existing) = existing else { continue };
        match other.descriptor() {
            Some(descriptor) => {
                // What is not all there was so before.
                let walk = walk(existing, descriptor, Completeness::Sparse)?;
                blobs.add(existing, walk.order);
                if walk.has_foreign {
                    blobs.add_all(existing);
                }
            }
            None => blobs.add_all(existing),
        }
        entries.push(other.clone());
    }
    let fail = |error: io::Error| PathError::new(Operation::Write, output, error);
    // What killed writers of archives left beside.
    sweep(output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    let mut file = AtomicFile::create(output, FILE_MODE)?;
    let mut archive = BufWriter::with_capacity(1024 * 1024, &mut file);
    write_blobs(&mut archive, &blobs, output)?;
    let index = listed.edited(|index| index.manifests = entries);
    write_small(&mut archive, "index.json", index.bytes()).map_err(fail)?;
    write_small(&mut archive, "oci-layout", &marker()).map_err(fail)?;
    write_end(&mut archive).and_then(|()| archive.flush()).map_err(fail)?;
    drop(archive);
    Ok(file)
}

/// Blobs by their paths, each with a place that has it.
#[derive(Default)]
struct Blobs<'a>(BTreeMap<PathBuf, Content<'a>>);

/// Where the bytes of a blob are.
enum Content<'a> {
    /// At a place that verifies them.
    Blob(&'a dyn BlobSource, Box<Descriptor>),
    /// In an archive, under a name that may be of an algorithm that is not known here.
    Member(Slice),
}

impl Content<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Blob(_, descriptor) => descriptor.size,
            Self::Member(slice) => slice.end - slice.offset,
        }
    }
}

impl<'a> Blobs<'a> {
    fn add(&mut self, source: &'a dyn BlobSource, blobs: Vec<Descriptor>) {
        for descriptor in blobs {
            let path = in_layout(&descriptor.digest);
            if !matches!(self.0.get(&path), Some(Content::Blob(..))) {
                self.0.insert(path, Content::Blob(source, Box::new(descriptor)));
            }
        }
    }

    /// Adds every blob of an archive: of an entry that is not understood nobody knows which it needs.
    fn add_all(&mut self, archive: &Archive) {
        for (path, slice) in archive.blobs() {
            self.0.entry(path).or_insert(Content::Member(slice));
        }
    }
}

/// Returns an index of what an archive lists, but for what has the name.
fn others(existing: Option<&Archive>, name: Option<&str>) -> Result<Document<Index>, ArchiveError> {
    let (Some(existing), Some(name)) = (existing, name) else { return Ok(Document::of(Index::default())) };
    Ok(existing.index()?.edited(|index| {
        let mut entries = std::mem::take(&mut index.manifests);
        entries.retain(|entry| entry.ref_name() != Some(name));
        *index = Index { manifests: entries, ..Index::default() };
    }))
}

fn entry(root: &Descriptor, name: Option<&str>, is_sparse: bool) -> Descriptor {
    let mut entry = root.clone();
    entry.annotations.remove(SPARSE);
    entry.annotations.remove(annotation::REF_NAME);
    if is_sparse {
        entry.annotations.insert(SPARSE.to_owned(), "true".to_owned());
    }
    if let Some(name) = name {
        entry.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
    }
    entry
}

fn write_blobs(archive: &mut impl Write, blobs: &Blobs<'_>, output: &Path) -> Result<(), ArchiveError> {
    let fail = |error: io::Error| PathError::new(Operation::Write, output, error);
    write_header(archive, &directory_header(Path::new("blobs/"))).map_err(fail)?;
    let mut directory = Path::new("blobs");
    for (path, content) in &blobs.0 {
        let parent = path.parent().unwrap_or(directory);
        if parent != directory {
            directory = parent;
            let name = format!("{}/", directory.display());
            write_header(archive, &directory_header(Path::new(&name))).map_err(fail)?;
        }
        write_header(archive, &file_header(path, content.size())).map_err(fail)?;
        match content {
            Content::Blob(source, descriptor) => write_blob(archive, *source, descriptor, output)?,
            Content::Member(slice) => {
                io::copy(&mut slice.clone(), archive).map_err(fail)?;
            }
        }
        write_padding(archive, content.size()).map_err(fail)?;
    }
    Ok(())
}

/// The reader yields exactly the stated number of bytes, or fails.
fn write_blob(
    archive: &mut impl Write,
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    output: &Path,
) -> Result<(), ArchiveError> {
    let mut reader = source.open(descriptor)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) => {
                return Err(BlobError::of_read(error, &descriptor.digest, source.address(descriptor)).into());
            }
        };
        archive.write_all(&buffer[..count]).map_err(|error| PathError::new(Operation::Write, output, error))?;
    }
}

fn write_small(archive: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    write_header(archive, &file_header(Path::new(name), bytes.len() as u64))?;
    archive.write_all(bytes)?;
    write_padding(archive, bytes.len() as u64)
}

/// Returns the header of a directory, whose name ends in a slash.
pub(super) fn directory_header(path: &Path) -> Header<'_> {
    Header { path, kind: MemberKind::Directory, mode: 0o755, owner: Owner::ROOT, size: 0, modified: 0 }
}

/// Returns the header of a file; its content and [`write_padding`] must follow.
pub(super) fn file_header(path: &Path, size: u64) -> Header<'_> {
    Header { path, kind: MemberKind::File, mode: 0o644, owner: Owner::ROOT, size, modified: 0 }
}

pub(super) fn write_header(archive: &mut impl Write, header: &Header<'_>) -> io::Result<()> {
    let mut bytes = Vec::new();
    header.write(&mut bytes).map_err(io::Error::other)?;
    archive.write_all(&bytes)
}

/// Fills up the last block of a content of `size` bytes.
pub(super) fn write_padding(archive: &mut impl Write, size: u64) -> io::Result<()> {
    let missing = size.wrapping_neg() % BLOCK as u64;
    archive.write_all(&[0; BLOCK][..usize::try_from(missing).unwrap_or(0)])
}

/// Writes the end of the archive.
pub(super) fn write_end(archive: &mut impl Write) -> io::Result<()> {
    archive.write_all(&[0; 2 * BLOCK])
}
