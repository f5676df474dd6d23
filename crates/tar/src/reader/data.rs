//! The data of the entry that was returned last, handed out as the file that it is.

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;

use super::Reader;
use crate::block::BLOCK;

/// What is handed out for holes, a piece at a time.
static HOLE: [u8; 64 * 1024] = [0; 64 * 1024];

/// What is left of the current entry.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// The bytes in the tar, and the padding behind them.
    stored: u64,
    padding: u64,
    sparse: Option<Sparse>,
}

/// The position in a sparse file.
#[derive(Debug)]
struct Sparse {
    position: u64,
    size: u64,
    ranges: Arc<[Range<u64>]>,
    /// The range that the position is in or before.
    next: usize,
}

/// What comes next of an entry, and how much of it.
enum Next {
    Stored(u64),
    Hole(u64),
}

impl Data {
    /// Returns the data of an entry with `size` bytes in the tar.
    pub(super) fn stored(size: u64) -> Self {
        Self { stored: size, padding: size.wrapping_neg() % BLOCK as u64, sparse: None }
    }

    /// Makes what is stored the data of a sparse file, as its checked map says.
    pub(super) fn spread(&mut self, ranges: Arc<[Range<u64>]>, size: u64) {
        self.sparse = Some(Sparse { position: 0, size, ranges, next: 0 });
    }

    /// Returns the number of bytes in the tar that were not read yet, without the padding.
    pub(super) fn left(&self) -> u64 {
        self.stored
    }

    /// Counts bytes in the tar that were read as something other than data.
    pub(super) fn spend(&mut self, count: usize) {
        self.stored = self.stored.saturating_sub(count as u64);
    }

    /// Returns the number of bytes up to the next header, and forgets them.
    pub(super) fn take_rest(&mut self) -> u64 {
        let Self { stored, padding, .. } = std::mem::take(self);
        stored + padding
    }

    fn next(&self) -> Next {
        let Some(sparse) = &self.sparse else { return Next::Stored(self.stored) };
        match sparse.ranges.get(sparse.next) {
            Some(range) if sparse.position >= range.start => Next::Stored(range.end - sparse.position),
            Some(range) => Next::Hole(range.start - sparse.position),
            None => Next::Hole(sparse.size - sparse.position),
        }
    }

    fn advance(&mut self, count: u64, is_stored: bool) {
        if is_stored {
            self.stored -= count;
        }
        let Some(sparse) = &mut self.sparse else { return };
        sparse.position += count;
        if sparse.ranges.get(sparse.next).is_some_and(|range| sparse.position >= range.end) {
            sparse.next += 1;
        }
    }
}

impl<R: BufRead> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let first = |bytes: u64, most: usize| usize::try_from(bytes).map_or(most, |bytes| bytes.min(most));
        match self.data.next() {
            Next::Hole(left) => Ok(&HOLE[..first(left, HOLE.len())]),
            Next::Stored(0) => Ok(&[]),
            Next::Stored(_) if self.exceeds_bytes() => {
                Err(io::Error::new(io::ErrorKind::FileTooLarge, "the tar is too large"))
            }
            Next::Stored(left) => {
                let bytes = self.input.fill_buf()?;
                if bytes.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(&bytes[..first(left, bytes.len())])
            }
        }
    }

    fn consume(&mut self, count: usize) {
        let is_stored = matches!(self.data.next(), Next::Stored(_));
        if is_stored {
            self.input.consume(count);
            self.offset += count as u64;
        }
        self.data.advance(count as u64, is_stored);
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// Reads from what `input` has in its buffer: [`Read::read`] for whatever implements [`BufRead`] by itself.
pub fn read_buffered(input: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let bytes = input.fill_buf()?;
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    input.consume(count);
    Ok(count)
}
