//! A tar on its way from a reader to whoever takes it apart, hashed as it passes.
//!
//! ```text
//! read, decompress ─▶ hash (diffID) ─▶ consume
//!        ▲                                │
//!        └────────── empty blocks ────────┘
//! ```

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use dhow_oci::{DiffId, Hasher};

use crate::block::Block;
use crate::pipeline::join;

/// Enough that no stage waits for long, in MiB.
const BLOCKS: usize = 8;

/// Hands `input` to `consume`, which reads it to its end, and returns the digest of what it read.
///
/// What is at most one block is done by the calling thread alone.
pub(crate) fn hashed<T, E>(
    mut input: impl Read + Send,
    consume: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
) -> Result<(T, DiffId), E> {
    let mut first = Block::new();
    let filled = first.fill(&mut input);
    if filled.is_ok() && !first.is_full() {
        let mut hasher = Hasher::sha256();
        hasher.update(first.filled());
        let value = consume(&mut first.filled())?;
        return Ok((value, DiffId(hasher.finish())));
    }
    std::thread::scope(|scope| {
        let (give_back, empty) = channel();
        for _ in 1..BLOCKS {
            let _sent = give_back.send(Block::new());
        }
        let (read, to_hash) = channel();
        let (hashed, to_consume) = channel();
        scope.spawn(move || read_blocks(input, filled.map(|()| first), &empty, &read));
        let hasher = scope.spawn(move || hash_blocks(&to_hash, &hashed));
        let mut blocks = Blocks { filled: to_consume, give_back, current: None, position: 0 };
        let outcome = consume(&mut blocks);
        // Without these ends the other threads stop, wherever they are.
        drop(blocks);
        let diff_id = join(hasher);
        outcome.map(|value| (value, diff_id))
    })
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

fn hash_blocks(blocks: &Receiver<Filled>, hashed: &Sender<Filled>) -> DiffId {
    let mut hasher = Hasher::sha256();
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
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
