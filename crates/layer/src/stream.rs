//! A tar on its way from a reader to whoever takes it apart, hashed as it passes.
//!
//! ```text
//! read, decompress ─▶ hash (diffID) ─▶ consume
//!        ▲                                │
//!        └────────── empty blocks ────────┘
//! ```
//! Where the machine has no threads left, the calling thread does all three.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use dhow_oci::{DiffId, Hasher};

use crate::block::Block;
use crate::threads::{join, start};

/// Enough that no stage waits for long, in MiB.
const BLOCKS: usize = 8;

/// Hands `input` to `consume`, which reads it to its end, and returns what `hasher` makes of what it read.
///
/// What is at most one block is done by the calling thread alone.
pub(crate) fn hashed<T, E>(
    mut input: impl Read + Send,
    mut hasher: Hasher,
    consume: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
) -> Result<(T, DiffId), E> {
    let mut first = Block::new();
    let filled = first.fill(&mut input);
    if filled.is_ok() && !first.is_full() {
        hasher.update(first.filled());
        let value = consume(&mut first.filled())?;
        return Ok((value, DiffId(hasher.finish())));
    }
    let first = filled.map(|()| first);
    std::thread::scope(|scope| {
        let (give_back, empty) = channel();
        let (read, to_hash) = channel();
        let (hashed, to_consume) = channel();
        let (begin, task) = channel();
        let read = move || task.recv().map(|(input, first)| read_blocks(input, first, &empty, &read));
        let empty_hasher = hasher.clone();
        let hash = move || hash_blocks(hasher, &to_hash, &hashed);
        let Ok(hasher) = start(scope, read).and_then(|_| start(scope, hash)) else {
            // A reader that was started has nothing to do, and ends.
            drop(begin);
            return hashed_alone(input, empty_hasher, first, consume);
        };
        for _ in 1..BLOCKS {
            let _sent = give_back.send(Block::new());
        }
        let _begun = begin.send((input, first));
        let mut blocks = Blocks { filled: to_consume, give_back, current: None, position: 0 };
        let outcome = consume(&mut blocks);
        // Without these ends the other threads stop, wherever they are.
        drop(blocks);
        let diff_id = join(hasher);
        outcome.map(|value| (value, diff_id))
    })
}

/// Does as [`hashed`] by the calling thread alone.
fn hashed_alone<T, E>(
    input: impl Read,
    hasher: Hasher,
    first: Filled,
    consume: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
) -> Result<(T, DiffId), E> {
    let mut blocks = OneBlock { input, next: Some(first), current: Block::new(), position: 0, hasher };
    let value = consume(&mut blocks)?;
    Ok((value, DiffId(blocks.hasher.finish())))
}

/// A stream that is read and hashed block by block as it is consumed.
struct OneBlock<R> {
    input: R,
    /// What was read already; `None` from then on.
    next: Option<Filled>,
    current: Block,
    position: usize,
    hasher: Hasher,
}

impl<R: Read> BufRead for OneBlock<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.current.filled().len() {
            self.position = 0;
            match self.next.take() {
                Some(first) => self.current = first?,
                None => {
                    self.current.clear();
                    self.current.fill(&mut self.input)?;
                }
            }
            self.hasher.update(self.current.filled());
        }
        Ok(&self.current.filled()[self.position..])
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl<R: Read> Read for OneBlock<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// A block, or why it could not be read.
type Filled = io::Result<Block>;

fn read_blocks(mut input: impl Read, first: Filled, empty: &Receiver<Block>, read: &Sender<Filled>) {
    let mut next = first;
    loop {
        let last = !matches!(&next, Ok(block) if block.is_full());
        if read.send(next).is_err() || last {
            return;
        }
        let Ok(mut block) = empty.recv() else { return };
        next = block.fill(&mut input).map(|()| block);
    }
}

fn hash_blocks(mut hasher: Hasher, blocks: &Receiver<Filled>, hashed: &Sender<Filled>) -> DiffId {
    for block in blocks {
        if let Ok(block) = &block {
            hasher.update(block.filled());
        }
        if hashed.send(block).is_err() {
            break;
        }
    }
    DiffId(hasher.finish())
}

/// The blocks as one stream.
struct Blocks {
    filled: Receiver<Filled>,
    give_back: Sender<Block>,
    current: Option<Block>,
    position: usize,
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let used = self.current.as_ref().map_or(0, |block| block.filled().len());
        if self.position >= used {
            if let Some(mut block) = self.current.take() {
                block.clear();
                let _given = self.give_back.send(block);
            }
            self.position = 0;
            // The sender is gone after the last block, and stays so.
            if let Ok(block) = self.filled.recv() {
                self.current = Some(block?);
            }
        }
        Ok(self.current.as_ref().map_or(&[], |block| &block.filled()[self.position..]))
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

fn read_buffered(stream: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let bytes = stream.fill_buf()?;
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    stream.consume(count);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::shortage;

    fn content() -> Vec<u8> {
        (0..900_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn a_machine_without_threads_reads_and_hashes_the_same_bytes() {
        let content = content();
        for left in [0, 1, 2] {
            let consume = |stream: &mut dyn BufRead| {
                let mut read = Vec::new();
                stream.read_to_end(&mut read).map(|_| read)
            };
            for empty in [Hasher::sha256(), Hasher::sha512()] {
                let mut expected = empty.clone();
                expected.update(&content);
                let (read, diff_id) = shortage::with(left, || hashed(content.as_slice(), empty, consume)).unwrap();
                assert!(read == content && diff_id == DiffId(expected.finish()), "{left} threads");
            }
        }
    }

    #[test]
    fn a_stream_that_breaks_says_so_at_any_number_of_threads() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let content = content();
        for (left, good) in [0, 1, 2].into_iter().flat_map(|left| [(left, 0), (left, content.len())]) {
            let consume = |stream: &mut dyn BufRead| io::copy(stream, &mut io::sink());
            let result = shortage::with(left, || hashed(content[..good].chain(Broken), Hasher::sha256(), consume));
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{left} threads, {good} bytes");
        }
    }
}
