//! Taking in a root filesystem that was made elsewhere, as one layer.

mod tree;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::block::BlockWriter;
use crate::entry_check::{check, check_owner};
use crate::pipeline::{PipelineError, run};
use crate::{Encoding, EntryFault, LevelError, Member, MemberKind, PackOptions, Packed, ReadError, Reader, decompress};
pub use tree::ImportedTree;

const BUFFER: usize = 256 * 1024;

/// How a root filesystem is taken in.
#[derive(Clone, Copy)]
pub struct ImportOptions<'a> {
    /// How the layer is compressed, and what it may hold at most. Times stay those of the tar.
    pub pack: PackOptions<'a>,
    /// Tells which files can be read afterwards, by their paths without links and without leading `/`.
    pub keep: &'a (dyn Fn(&Path) -> bool + Sync),
    /// The size up to which they can.
    pub keep_limit: u64,
}

/// A root filesystem that was taken in.
#[derive(Debug)]
pub struct Imported {
    /// The layer.
    pub packed: Packed,
    /// How the archive was encoded.
    pub encoding: Encoding,
    /// The number of entries.
    pub entries: u64,
    /// The tree that the entries make, in which files can be read.
    pub tree: ImportedTree,
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
    #[error("the archive holds {}, {fault}", .path.display())]
    Unfit {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        fault: EntryFault,
    },
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
        Ok(((entries, tree), packed)) => {
            options.pack.work.layers_packed.add(1);
            Ok(Imported { packed, encoding, entries, tree })
        }
        Err(PipelineError::Produce(error)) => Err(error),
        Err(PipelineError::Output(source)) => Err(ImportError::Output(source)),
        Err(PipelineError::Compress(source)) => Err(ImportError::Compress(source)),
        Err(PipelineError::Level(error)) => Err(error.into()),
    }
}

fn read_members(tar: impl BufRead, options: &ImportOptions<'_>) -> Result<(u64, ImportedTree), ImportError> {
    let limits = options.pack.limits;
    let mut reader = Reader::new(tar, limits);
    let mut tree = ImportedTree::new(limits);
    let mut entries = 0;
    while let Some(member) = reader.next_member()? {
        entries += 1;
        let outcome = take_member(&member, &mut reader, &mut tree, options).map_err(ImportError::Input)?;
        outcome.map_err(|fault| ImportError::Unfit { path: member.path, fault })?;
        if tree.memory() > limits.names {
            return Err(ReadError::Limit { what: "bytes of names", limit: limits.names as u64 }.into());
        }
    }
    reader.finish()?;
    Ok((entries, tree))
}

/// Looks whether an entry can be unpacked after those before it, and takes it into the tree.
fn take_member(
    member: &Member,
    data: &mut dyn Read,
    tree: &mut ImportedTree,
    options: &ImportOptions<'_>,
) -> io::Result<Result<(), EntryFault>> {
    let place = |tree: &mut ImportedTree| {
        let (parts, whiteout) = check(member, &options.pack.limits, true)?;
        check_owner(member.owner)?;
        // Of a single layer nothing can be gone.
        if whiteout.is_some() { Ok(None) } else { tree.locate(&parts).map(Some) }
    };
    let path = match place(tree) {
        Ok(Some(path)) => path,
        Ok(None) => return Ok(Ok(())),
        Err(fault) => return Ok(Err(fault)),
    };
    let is_kept = member.kind == MemberKind::File
        && member.size <= options.keep_limit
        && tree.has_room()
        && (options.keep)(&path);
    let mut content = None;
    if is_kept {
        data.read_to_end(content.get_or_insert_default())?;
    }
    Ok(tree.put(path, &member.kind, content))
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
        dhow_tar::read_buffered(self, buffer)
    }
}
