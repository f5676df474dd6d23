//! Writing an archive: the same image gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use dhow_fs::{AtomicFile, Operation, PathError};
use dhow_oci::{Descriptor, Document, Index, annotation};

use super::ArchiveError;
use super::tar::{write_directory, write_end, write_file_header, write_padding};
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
    let walk = walk(source, root, completeness)?;
    if completeness == Completeness::Full && !walk.missing.is_empty() {
        let missing = walk.missing.into_iter().map(|descriptor| descriptor.digest).collect();
        return Err(CopyError::Incomplete { root: root.digest.clone(), missing }.into());
    }
    let is_sparse = !walk.missing.is_empty();
    let fail = |error: io::Error| PathError::new(Operation::Write, output, error);
    let mut file = AtomicFile::create(output, FILE_MODE)?;
    let mut archive = BufWriter::with_capacity(1024 * 1024, &mut file);
    write_blobs(&mut archive, source, &walk.order, output)?;
    write_small(&mut archive, "index.json", &index(root, name, is_sparse)).map_err(fail)?;
    write_small(&mut archive, "oci-layout", &marker()).map_err(fail)?;
    write_end(&mut archive).and_then(|()| archive.flush()).map_err(fail)?;
    drop(archive);
    Ok(file.commit()?)
}

fn index(root: &Descriptor, name: Option<&str>, is_sparse: bool) -> Vec<u8> {
    let mut entry = root.clone();
    entry.annotations.remove(SPARSE);
    entry.annotations.remove(annotation::REF_NAME);
    if is_sparse {
        entry.annotations.insert(SPARSE.to_owned(), "true".to_owned());
    }
    if let Some(name) = name {
        entry.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
    }
    Document::of(Index { manifests: vec![entry], ..Index::default() }).bytes().to_vec()
}

fn write_blobs(
    archive: &mut impl Write,
    source: &dyn BlobSource,
    blobs: &[Descriptor],
    output: &Path,
) -> Result<(), ArchiveError> {
    let fail = |error: io::Error| PathError::new(Operation::Write, output, error);
    let sorted: BTreeMap<_, _> = blobs.iter().map(|descriptor| (in_layout(&descriptor.digest), descriptor)).collect();
    write_directory(archive, "blobs/").map_err(fail)?;
    let mut algorithm = "";
    for (path, descriptor) in sorted {
        if descriptor.digest.algorithm() != algorithm {
            algorithm = descriptor.digest.algorithm();
            write_directory(archive, &format!("blobs/{algorithm}/")).map_err(fail)?;
        }
        write_file_header(archive, &path.to_string_lossy(), descriptor.size).map_err(fail)?;
        write_blob(archive, source, descriptor, output)?;
        write_padding(archive, descriptor.size).map_err(fail)?;
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
                let path = source.file(descriptor).unwrap_or_default();
                return Err(BlobError::of_read(error, &descriptor.digest, path).into());
            }
        };
        archive.write_all(&buffer[..count]).map_err(|error| PathError::new(Operation::Write, output, error))?;
    }
}

fn write_small(archive: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    write_file_header(archive, name, bytes.len() as u64)?;
    archive.write_all(bytes)?;
    write_padding(archive, bytes.len() as u64)
}
