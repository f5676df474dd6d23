//! Taking in a root filesystem that was made elsewhere, as one layer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::block::BlockWriter;
use crate::pipeline::{PipelineError, run};
use crate::{Encoding, LevelError, Member, MemberKind, PackOptions, Packed, ReadError, Reader, decompress};

const BUFFER: usize = 256 * 1024;

/// How a root filesystem is taken in.
#[derive(Clone, Copy)]
pub struct ImportOptions<'a> {
    /// How the layer is compressed, and what it may hold at most. Times stay those of the tar.
    pub pack: PackOptions<'a>,
    /// Tells which entries are handed out, by their names without leading `/` and `./`.
    pub keep: &'a (dyn Fn(&Path) -> bool + Sync),
    /// The size up to which files are handed out.
    pub keep_limit: u64,
}

/// A root filesystem that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The layer.
    pub packed: Packed,
    /// How the archive was encoded.
    pub encoding: Encoding,
    /// The number of entries.
    pub entries: u64,
    /// The entries that were asked for; the last one of a name counts.
    pub kept: BTreeMap<PathBuf, Kept>,
}

/// An entry that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The content of a file.
    File(Vec<u8>),
    /// The size of a file that is larger than the limit.
    TooLarge(u64),
    /// What a symbolic link says.
    Symlink(PathBuf),
    /// The name that a hard link is a second one of.
    HardLink(PathBuf),
    /// Neither of these.
    Other,
}

/// Why a root filesystem could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Input(#[source] io::Error),
    /// The archive holds no valid tar.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An entry that could not be unpacked.
    #[error("the archive holds {}, a name with `..` in it", .0.display())]
    Unsafe(PathBuf),
    /// The layer cannot be written.
    #[error("cannot write the layer")]
    Output(#[source] io::Error),
    /// The layer cannot be compressed.
    #[error("cannot compress the layer")]
    Compress(#[source] io::Error),
    /// There is no such compression level.
    #[error(transparent)]
    Level(#[from] LevelError),
}

/// Writes the tar in `input` (plain, gzip, or zstd) to `output` as a layer.
///
/// The tar is checked and not changed: its diffID is that of the archive, and the layer's bytes depend
/// on the tar and on the compression alone, not on how the archive was compressed.
pub fn import(
    input: impl Read + Send,
    output: &mut dyn Write,
    options: &ImportOptions<'_>,
) -> Result<Imported, ImportError> {
    let (encoding, tar) = decompress(input).map_err(ImportError::Input)?;
    let tar = BufReader::with_capacity(BUFFER, tar);
    let result = run(&options.pack, None, output, |writer| {
        read_members(Tee { input: tar, output: writer, failure: None }, options)
    });
    match result {
        Ok(((entries, kept), packed)) => {
            options.pack.work.layers_packed.add(1);
            Ok(Imported { packed, encoding, entries, kept })
        }
        Err(PipelineError::Produce(error)) => Err(error),
        Err(PipelineError::Output(source)) => Err(ImportError::Output(source)),
        Err(PipelineError::Compress(source)) => Err(ImportError::Compress(source)),
        Err(PipelineError::Level(error)) => Err(error.into()),
    }
}

fn read_members(tar: impl BufRead, options: &ImportOptions<'_>) -> Result<(u64, BTreeMap<PathBuf, Kept>), ImportError> {
    let mut reader = Reader::new(tar, options.pack.limits);
    let mut kept = BTreeMap::new();
    let mut entries = 0;
    while let Some(member) = reader.next_member()? {
        entries += 1;
        let targets_up = matches!(&member.kind, MemberKind::HardLink(target) if goes_up(target));
        if goes_up(&member.path) || targets_up {
            return Err(ImportError::Unsafe(member.path));
        }
        let name: PathBuf = member.path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        if (options.keep)(&name) {
            let content = keep(&member, &mut reader, options.keep_limit).map_err(ImportError::Input)?;
            kept.insert(name, content);
        }
    }
    reader.finish()?;
    Ok((entries, kept))
}

fn keep(member: &Member, data: &mut dyn Read, limit: u64) -> io::Result<Kept> {
    match &member.kind {
        MemberKind::File if member.size > limit => Ok(Kept::TooLarge(member.size)),
        MemberKind::File => {
            let mut content = Vec::new();
            data.read_to_end(&mut content)?;
            Ok(Kept::File(content))
        }
        MemberKind::Symlink(target) => Ok(Kept::Symlink(target.clone())),
        MemberKind::HardLink(target) => Ok(Kept::HardLink(target.clone())),
        _ => Ok(Kept::Other),
    }
}

fn goes_up(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Everything that is read goes to the layer as it is.
struct Tee<'a, 'b, R> {
    input: R,
    output: &'a mut BlockWriter<'b>,
    failure: Option<io::Error>,
}

impl<R: BufRead> BufRead for Tee<'_, '_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        // What was seen and not consumed is given again without reading.
        let written = self.input.fill_buf().and_then(|bytes| self.output.write_all(&bytes[..count]));
        if let Err(failure) = written {
            self.failure = Some(failure);
        }
        self.input.consume(count);
    }
}

impl<R: BufRead> Read for Tee<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
