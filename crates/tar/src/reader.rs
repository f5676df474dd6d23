//! A strict reader of tars: USTAR, PAX, and GNU's long names, large numbers and sparse files.
//!
//! Where programs disagree on how to read a tar, it reads as Go's `archive/tar`, since that is what
//! other container tools use, or refuses. Nothing is allocated by a size that the tar claims.

mod data;
mod entry;

pub use data::read_buffered;

use std::io::{self, BufRead, Seek, SeekFrom};
use std::path::PathBuf;

use crate::Member;
use crate::block::{BLOCK, Block, META_LIMIT, ZEROS, checksum_holds, field, terminated};
use crate::number::number;
use crate::records::Records;
use data::Data;
use entry::Extension;

/// How much of a tar is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// The number of headers.
    pub entries: u64,
    /// The number of bytes of the tar and of the holes of its sparse files: holes are no bytes of the
    /// tar, but whoever reads or packs the files again reads them.
    pub bytes: u64,
}

/// Why a tar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes cannot be read or decompressed.
    #[error("cannot read the tar at byte {offset}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The tar ends within an entry.
    #[error("the tar ends within an entry, at byte {0}")]
    Truncated(u64),
    /// The bytes at this place are no header.
    #[error("no tar header at byte {offset}: {reason}")]
    Malformed {
        /// Where the header starts.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A sparse file in a format that GNU tar has never written.
    #[error("the tar holds {}, a sparse file of an unknown format", .0.display())]
    Sparse(PathBuf),
    /// An entry of a kind that layers do not have.
    #[error("the tar holds {}, an entry of unknown type `{}`", .path.display(), char::from(*.kind).escape_default())]
    Kind {
        /// The entry.
        path: PathBuf,
        /// Its type byte.
        kind: u8,
    },
    /// Something other than zeros follows the end of the tar.
    #[error("the tar goes on after its end, at byte {0}")]
    Trailing(u64),
    /// There is more in it than allowed.
    #[error("the tar has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// With this file there is more in it than allowed. Nothing of the file was read.
    #[error("the tar has more than {limit} bytes with {}, which has {size}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, with its holes.
        size: u64,
        /// The limit.
        limit: u64,
    },
}

/// Reads a tar entry by entry. As a reader it gives the data of the entry that was returned last, zeros
/// for the holes of a sparse file.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    limits: ReadLimits,
    /// How data is passed over without reading it, and where the input ends.
    seek: Option<(SeekOver<R>, u64)>,
    offset: u64,
    /// The holes of sparse files so far, in bytes.
    holes: u64,
    entries: u64,
    data: Data,
    ended: bool,
}

type SeekOver<R> = fn(&mut R, i64) -> io::Result<()>;

impl<R: BufRead> Reader<R> {
    /// Returns a reader at the start of a plain tar.
    pub fn new(input: R, limits: impl Into<ReadLimits>) -> Self {
        let limits = limits.into();
        Self { input, limits, seek: None, offset: 0, holes: 0, entries: 0, data: Data::default(), ended: false }
    }

    /// Returns a reader of a tar that the whole input is. Data that nobody reads is passed over by seeking.
    pub fn seekable(mut input: R, limits: impl Into<ReadLimits>) -> io::Result<Self>
    where
        R: Seek,
    {
        let end = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        Ok(Self { seek: Some((R::seek_relative, end)), ..Self::new(input, limits) })
    }

    /// Returns the next entry; none at the end of the tar. Data that was not read is passed over.
    ///
    /// An entry that would exceed the limits is refused before any of its data is read.
    pub fn next_member(&mut self) -> Result<Option<Member>, ReadError> {
        let mut extension = Extension::default();
        loop {
            self.skip()?;
            let offset = self.offset;
            let Some(block) = self.header()? else {
                return if extension.is_empty() { Ok(None) } else { Err(ReadError::Truncated(offset)) };
            };
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(ReadError::Limit { what: "entries", limit: self.limits.entries });
            }
            let malformed = |reason| ReadError::Malformed { offset, reason };
            match block[field::KIND] {
                b'L' => extension.name = Some(terminated(&self.meta(&block, offset)?).to_vec()),
                b'K' => extension.link = Some(terminated(&self.meta(&block, offset)?).to_vec()),
                b'x' => {
                    extension.records = Some(Records::parse(&self.meta(&block, offset)?).map_err(malformed)?);
                }
                b'g' => {
                    let global = Records::parse(&self.meta(&block, offset)?).map_err(malformed)?;
                    if global.changes_structure() {
                        return Err(malformed("global records change names or sizes"));
                    }
                    // Go forgets what came before, since global records are an entry of their own to it. GNU
                    // tar keeps it. The next entry would have two names or sizes.
                    if !extension.is_empty() {
                        return Err(malformed("global records between an entry and what extends it"));
                    }
                }
                _ => return self.member(&block, extension, offset).map(Some),
            }
        }
    }

    /// Returns where in the tar the reader is: after [`Reader::next_member`], where the entry's data starts.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads to the end of the input, which must hold nothing but zeros, and returns the size of the whole tar.
    pub fn finish(mut self) -> Result<u64, ReadError> {
        while !self.ended {
            self.next_member()?;
        }
        loop {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return Ok(self.offset);
            }
            if let Some(position) = bytes.iter().position(|byte| *byte != 0) {
                return Err(ReadError::Trailing(offset + position as u64));
            }
            let count = bytes.len();
            self.advance(count)?;
        }
    }

    /// Reads a header block whose checksum holds; none at the end of the tar.
    fn header(&mut self) -> Result<Option<Block>, ReadError> {
        let offset = self.offset;
        if self.ended {
            return Ok(None);
        }
        let Some(block) = self.block()? else {
            self.ended = true;
            return Ok(None);
        };
        if block == ZEROS {
            self.ended = true;
            return match self.block()? {
                Some(second) if second != ZEROS => {
                    Err(ReadError::Malformed { offset, reason: "a lone block of zeros" })
                }
                _ => Ok(None),
            };
        }
        if !checksum_holds(&block) {
            return Err(ReadError::Malformed { offset, reason: "the checksum does not hold" });
        }
        Ok(Some(block))
    }

    /// Reads a block; none at the end of the input.
    fn block(&mut self) -> Result<Option<Block>, ReadError> {
        let mut block = ZEROS;
        let mut filled = 0;
        while filled < BLOCK {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(ReadError::Truncated(offset)) };
            }
            let count = bytes.len().min(BLOCK - filled);
            block[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
            self.advance(count)?;
        }
        Ok(Some(block))
    }

    /// Reads the data of a header that describes the next one.
    fn meta(&mut self, block: &Block, offset: u64) -> Result<Vec<u8>, ReadError> {
        let malformed = |reason| ReadError::Malformed { offset, reason };
        let size = number(&block[field::SIZE]).ok_or_else(|| malformed("the size is malformed"))?;
        if size > META_LIMIT {
            return Err(malformed("a name or record is too long"));
        }
        self.data = Data::stored(size);
        let mut data = Vec::new();
        match io::Read::read_to_end(self, &mut data) {
            Ok(_) => Ok(data),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Truncated(self.offset)),
            Err(source) => Err(ReadError::Input { offset: self.offset, source }),
        }
    }

    /// Passes over the rest of the current entry.
    fn skip(&mut self) -> Result<(), ReadError> {
        let mut left = self.data.take_rest();
        if let Some((seek_over, end)) = self.seek {
            return self.seek(left, seek_over, end);
        }
        while left > 0 {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return Err(ReadError::Truncated(offset));
            }
            let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            left -= count as u64;
            self.advance(count)?;
        }
        Ok(())
    }

    fn seek(&mut self, left: u64, seek_over: SeekOver<R>, end: u64) -> Result<(), ReadError> {
        if left > end.saturating_sub(self.offset) {
            return Err(ReadError::Truncated(end));
        }
        let offset = self.offset;
        let distance = i64::try_from(left).map_err(|_| ReadError::Truncated(end))?;
        if distance > 0 {
            seek_over(&mut self.input, distance).map_err(|source| ReadError::Input { offset, source })?;
            self.offset += left;
        }
        self.check_bytes()
    }

    fn advance(&mut self, count: usize) -> Result<(), ReadError> {
        self.input.consume(count);
        self.offset += count as u64;
        self.check_bytes()
    }

    fn check_bytes(&self) -> Result<(), ReadError> {
        let limit = self.limits.bytes;
        if self.exceeds_bytes() { Err(ReadError::Limit { what: "bytes", limit }) } else { Ok(()) }
    }

    fn exceeds_bytes(&self) -> bool {
        self.offset.saturating_add(self.holes) > self.limits.bytes
    }
}
