//! From entries to a blob.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use dhow_fs::{Operation, PathError, Root, Work};
use dhow_oci::DiffId;
use dhow_tar::BLOCK;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::block::BlockWriter;
use crate::measure::measure;
use crate::pipeline::{PackOptions, Packed, PipelineError, run};
use crate::{Compression, Entry, EntryKind, FileSource, PackError};

/// Writes the tar of `entries` to `output`, compressed, and returns its digests and sizes.
///
/// The bytes depend on the entries, the compression and the time alone, not on the number of threads.
/// Memory stays below 64 MiB. What exceeds the limits is refused before a file is opened. Files are opened below `root`.
/// A file that is not a regular one of the listed size, when it is opened or when it has been read, is an error.
pub fn pack(
    root: &Root,
    entries: &[Entry],
    output: &mut dyn Write,
    options: &PackOptions<'_>,
) -> Result<Packed, PackError> {
    let size = measure(entries, options.modified, &options.limits)?;
    let result = run(options, Some(size), output, |writer| TarWriter::new(root, writer, options).write(entries));
    let ((), packed) = result.map_err(PackError::of)?;
    options.work.layers_packed.add(1);
    Ok(packed)
}

/// Returns the diffID and the size of the tar of `entries`; nothing is compressed or kept.
pub fn diff_id(root: &Root, entries: &[Entry], options: &PackOptions<'_>) -> Result<(DiffId, u64), PackError> {
    let options = PackOptions { compression: Compression::None, ..*options };
    let size = measure(entries, options.modified, &options.limits)?;
    let result =
        run(&options, Some(size), &mut io::sink(), |writer| TarWriter::new(root, writer, &options).write(entries));
    let ((), packed) = result.map_err(PackError::of)?;
    Ok((packed.diff_id, packed.unpacked_size))
}

impl PackError {
    fn of(error: PipelineError<Self>) -> Self {
        match error {
            PipelineError::Produce(error) => error,
            PipelineError::Output(source) => Self::Output(source),
            PipelineError::Compress(source) => Self::Compress(source),
            PipelineError::Level(error) => Self::Level(error),
        }
    }
}

struct TarWriter<'a, 'b> {
    root: &'a Root,
    output: &'a mut BlockWriter<'b>,
    modified: i64,
    work: &'a Work,
    /// The directory of the last file: consecutive files mostly share it.
    directory: Option<(PathBuf, OwnedFd)>,
    header: Vec<u8>,
}

impl<'a, 'b> TarWriter<'a, 'b> {
    fn new(root: &'a Root, output: &'a mut BlockWriter<'b>, options: &PackOptions<'a>) -> Self {
        Self { root, output, modified: options.modified, work: options.work, directory: None, header: Vec::new() }
    }

    fn write(mut self, entries: &[Entry]) -> Result<(), PackError> {
        for entry in entries {
            self.header.clear();
            let header = entry.header(self.modified);
            header.write(&mut self.header).map_err(|source| PackError::Header { path: entry.path.clone(), source })?;
            self.output.write_all(&self.header).map_err(PackError::Output)?;
            match &entry.kind {
                EntryKind::File(FileSource::Bytes(bytes)) => {
                    self.output.write_all(bytes).map_err(PackError::Output)?;
                }
                EntryKind::File(FileSource::InRoot { path, size }) => self.write_file(path, *size)?,
                _ => {}
            }
            self.output.pad().map_err(PackError::Output)?;
        }
        self.output.write_all(&[0; 2 * BLOCK]).map_err(PackError::Output)
    }

    fn write_file(&mut self, path: &Path, size: u64) -> Result<(), PackError> {
        let file = self.open(path)?;
        let fail = |root: &Root, operation, source: Errno| PathError::new(operation, root.host_path(path), source);
        let changed = |found| PackError::Changed { path: path.to_owned(), expected: size, found };
        let stat = rustix::fs::fstat(&file).map_err(|source| fail(self.root, Operation::Inspect, source))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(fail(self.root, Operation::Open, Errno::INVAL).into());
        }
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        if found != size {
            return Err(changed(found));
        }
        let mut left = size;
        while left > 0 {
            let space = self.output.space().map_err(PackError::Output)?;
            let wanted = space.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut space[..wanted]))
                .map_err(|source| fail(self.root, Operation::Read, source))?;
            if count == 0 {
                return Err(changed(size - left));
            }
            self.output.advance(count);
            self.work.file_bytes_read.add(count as u64);
            left -= count as u64;
        }
        // A file that grew meanwhile is not the one that was listed either.
        match rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut [0_u8; 1])) {
            Ok(0) => {}
            Ok(_) => return Err(changed(size + 1)),
            Err(source) => return Err(fail(self.root, Operation::Read, source).into()),
        }
        self.work.files_read.add(1);
        Ok(())
    }

    /// Opens a file; a link in its place is refused, and a fifo does not block.
    fn open(&mut self, path: &Path) -> Result<OwnedFd, PackError> {
        let fail = |source: Errno| PathError::new(Operation::Open, self.root.host_path(path), source);
        let parent = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().ok_or_else(|| fail(Errno::INVAL))?;
        if self.directory.as_ref().is_none_or(|(known, _)| known.as_os_str() != parent.as_os_str()) {
            let (handle, _) = self.root.parent(path, Operation::Open)?;
            self.directory = Some((parent.to_owned(), handle));
        }
        let (_, directory) = self.directory.as_ref().ok_or_else(|| fail(Errno::BADF))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(fail)?)
    }
}
