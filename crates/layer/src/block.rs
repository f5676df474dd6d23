//! Fixed-size blocks of a tar, and a writer that fills them.

use std::io::{self, Read, Write};

/// The size of a block. Changing it changes the compressed bytes of every layer.
pub(crate) const BLOCK_SIZE: usize = 1024 * 1024;

/// A buffer of [`BLOCK_SIZE`] bytes, the first `used` of which count.
pub(crate) struct Block {
    bytes: Box<[u8]>,
    used: usize,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BLOCK_SIZE].into_boxed_slice(), used: 0 }
    }

    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used == self.bytes.len()
    }

    /// Reads until the block is full or the input at its end.
    pub(crate) fn fill(&mut self, input: &mut dyn Read) -> io::Result<()> {
        while !self.is_full() {
            match input.read(&mut self.bytes[self.used..]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.used += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes blocks that are full (the last one may not be) and gives empty ones for them.
pub(crate) trait BlockSink {
    fn exchange(&mut self, block: Block) -> io::Result<Block>;
}

/// Cuts what is written to it into blocks. The last block is sent by [`BlockWriter::finish`].
pub(crate) struct BlockWriter<'a> {
    sink: &'a mut dyn BlockSink,
    current: Option<Block>,
    total: u64,
}

impl<'a> BlockWriter<'a> {
    pub(crate) fn new(sink: &'a mut dyn BlockSink, first: Block) -> Self {
        Self { sink, current: Some(first), total: 0 }
    }

    /// Returns the free part of the current block, never empty.
    pub(crate) fn space(&mut self) -> io::Result<&mut [u8]> {
        let mut block = self.current.take().ok_or_else(stopped)?;
        if block.is_full() {
            block = self.sink.exchange(block)?;
        }
        let block = self.current.insert(block);
        Ok(&mut block.bytes[block.used..])
    }

    /// Counts `count` bytes of what [`BlockWriter::space`] gave as written.
    pub(crate) fn advance(&mut self, count: usize) {
        if let Some(block) = &mut self.current {
            block.used += count;
            self.total += count as u64;
        }
    }

    /// Writes zeros up to the next multiple of 512.
    pub(crate) fn pad(&mut self) -> io::Result<()> {
        let missing = self.total.next_multiple_of(512) - self.total;
        self.write_all(&[0; 512][..usize::try_from(missing).unwrap_or(0)])
    }

    /// Hands on the last block.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.current.take() {
            Some(block) if block.used > 0 => self.sink.exchange(block).map(drop),
            _ => Ok(()),
        }
    }
}

impl Write for BlockWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = self.space()?;
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.advance(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other side is gone; it knows why, and its error is the one that is reported.
pub(crate) fn stopped() -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}
