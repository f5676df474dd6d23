//! The cache directory of the reference, byte for byte:
//!
//! ```text
//! committed/sha256:<hex>.tar                            plain tars, named by their diffIDs
//! committed/io.buildpacks.lifecycle.cache.metadata      JSON
//! staging/                                              the next commit
//! committed-backup/                                     the last one, while they are exchanged
//! ```

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use dhow_cnb::CacheMetadata;
use dhow_cnb::label::CACHE_METADATA;
use dhow_fs::{Operation, PathError, Root, Work};
use dhow_oci::{DiffId, MediaType};

use super::{CacheError, CacheReadError, CachedLayer, LayerCache, NewLayer, ReuseError};
use crate::go_error::{GoPathError, words};

const COMMITTED: &str = "/committed";
const STAGING: &str = "/staging";
const BACKUP: &str = "/committed-backup";
const METADATA_LIMIT: u64 = 64 * 1024 * 1024;
const BLOCK: usize = 1024 * 1024;

/// A cache in a directory of tars.
#[derive(Debug)]
pub struct DirectoryCache<'a> {
    root: Root,
    work: &'a Work,
    committed: bool,
}

/// A cache directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum OpenCacheError {
    /// It is not there, or no directory.
    #[error("failed to create volume cache: stat {}: {}", .0.path.display(), words(&.0.source))]
    Directory(PathError),
    /// It cannot be prepared.
    #[error("failed to create volume cache")]
    Prepare(#[source] GoPathError),
}

impl<'a> DirectoryCache<'a> {
    /// Opens the cache at `path` of the machine, which must exist. What an interrupted build staged is removed.
    pub fn open(path: &Path, work: &'a Work) -> Result<Self, OpenCacheError> {
        let root = Root::open(path).map_err(OpenCacheError::Directory)?;
        let cache = Self { root, work, committed: false };
        cache.prepare().map_err(|error| OpenCacheError::Prepare(GoPathError(error)))?;
        Ok(cache)
    }

    fn prepare(&self) -> Result<(), PathError> {
        self.root.remove_all(Path::new(STAGING))?;
        self.root.create_directory(Path::new(STAGING), 0o777)?;
        // Between the two renames of a commit nothing but the backup is there.
        if !self.root.exists(Path::new(COMMITTED)) && self.root.is_directory(Path::new(BACKUP)) {
            return self.root.rename(Path::new(BACKUP), Path::new(COMMITTED));
        }
        self.root.remove_all(Path::new(BACKUP))?;
        self.root.create_directory(Path::new(COMMITTED), 0o777)
    }

    fn open_tar(&self, diff_id: &DiffId) -> Result<std::fs::File, CacheReadError> {
        self.root.open_file_nofollow(&tar(COMMITTED, diff_id)).map_err(|error| {
            if error.is_not_found() { CacheReadError::Absent(diff_id.clone()) } else { GoPathError(error).into() }
        })
    }

    fn writable(&self) -> Result<(), CacheError> {
        if self.committed { Err(CacheError::Committed) } else { Ok(()) }
    }
}

impl LayerCache for DirectoryCache<'_> {
    fn metadata(&self) -> CacheMetadata {
        let bytes = self.root.read(&Path::new(COMMITTED).join(CACHE_METADATA), METADATA_LIMIT);
        bytes.ok().and_then(|bytes| CacheMetadata::parse(&bytes).ok()).unwrap_or_default()
    }

    fn open(&self, diff_id: &DiffId) -> Result<CachedLayer, CacheReadError> {
        let file = self.open_tar(diff_id)?;
        Ok(CachedLayer { reader: Box::new(file), media_type: MediaType::OciLayer })
    }

    fn verify(&self, diff_id: &DiffId) -> Result<(), CacheReadError> {
        let path = tar(COMMITTED, diff_id);
        let mut file = self.open_tar(diff_id)?;
        let mut hasher = diff_id.0.hasher();
        let mut buffer = vec![0; BLOCK];
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(|source| GoPathError(PathError::new(Operation::Read, self.root.host_path(&path), source)))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            self.work.bytes_hashed.add(count as u64);
        }
        let found = DiffId(hasher.finish());
        if found == *diff_id {
            return Ok(());
        }
        Err(CacheReadError::Corrupt { expected: diff_id.clone(), found })
    }

    fn reuse(&mut self, diff_id: &DiffId) -> Result<(), ReuseError> {
        self.writable()?;
        self.verify(diff_id)?;
        let staged = tar(STAGING, diff_id);
        if self.root.exists(&staged) {
            return Ok(());
        }
        self.root.hard_link(&tar(COMMITTED, diff_id), &staged).map_err(CacheError::from)?;
        Ok(())
    }

    fn add(&mut self, layer: &NewLayer<'_>) -> Result<DiffId, CacheError> {
        self.writable()?;
        if let Some(diff_id) = layer.diff_id.filter(|diff_id| self.root.exists(&tar(STAGING, diff_id))) {
            return Ok(diff_id.clone());
        }
        let temporary = Path::new(STAGING).join("layer.tar.partial");
        let file = self.root.create_file(&temporary, 0o644)?;
        let mut writer = BufWriter::with_capacity(BLOCK, file);
        let found = layer.content.write_tar(layer.packing, &mut writer)?;
        writer.flush().map_err(|source| PathError::new(Operation::Write, self.root.host_path(&temporary), source))?;
        if let Some(expected) = layer.diff_id.filter(|expected| **expected != found) {
            self.root.remove_file(&temporary)?;
            return Err(CacheError::Changed { expected: expected.clone(), found });
        }
        self.root.rename(&temporary, &tar(STAGING, &found))?;
        Ok(found)
    }

    fn commit(&mut self, metadata: &CacheMetadata) -> Result<(), CacheError> {
        self.writable()?;
        self.root.remove_file(&Path::new(STAGING).join("layer.tar.partial"))?;
        self.root.write(&Path::new(STAGING).join(CACHE_METADATA), metadata.emit().as_bytes(), 0o666)?;
        self.committed = true;
        let [committed, staging, backup] = [COMMITTED, STAGING, BACKUP].map(Path::new);
        self.root.rename(committed, backup)?;
        if let Err(error) = self.root.rename(staging, committed) {
            self.root.rename(backup, committed)?;
            return Err(error.into());
        }
        Ok(self.root.remove_all(backup)?)
    }
}

fn tar(directory: &str, diff_id: &DiffId) -> PathBuf {
    Path::new(directory).join(format!("{diff_id}.tar"))
}
