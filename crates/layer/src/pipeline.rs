//! Blocks of a tar on their way to a blob.
//!
//! ```text
//! produce ─▶ hash (diffID) ─▶ compress × n ─▶ collect in order: hash (digest), write
//!    ▲                                              │
//!    └───────────────── empty blocks ───────────────┘
//! ```
//! A block belongs to one stage at a time. There are only so many blocks, which bounds the memory and
//! makes a fast stage wait for a slow one. Block number i is compressed by worker i mod n, so
//! collecting from the workers in turn gives the order back.
//!
//! The bytes are the same at any number of workers. So where the machine has few threads left, there are fewer workers,
//! and where it has not even enough for one of each stage, the calling thread does everything.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use dhow_fs::Work;
use dhow_oci::{DiffId, Digest, Hasher};

use crate::block::{Block, BlockSink, BlockWriter, stopped};
use crate::compress::Compressor;
use crate::threads::{join, start};
use crate::{Compression, LevelError, Limits};

/// How a layer is packed.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions<'a> {
    /// The compression of the blob.
    pub compression: Compression,
    /// How many threads compress. With one, everything is done by the calling thread.
    pub threads: NonZero<usize>,
    /// The modification time of every entry, in seconds since 1970.
    pub modified: i64,
    /// What the layer may hold at most.
    pub limits: Limits,
    /// Counts what is done.
    pub work: &'a Work,
}

impl<'a> PackOptions<'a> {
    /// The modification time of every entry of a layer that the lifecycle makes: 1980-01-01 00:00:01 UTC.
    pub const LAYER_TIME: i64 = 315_532_801;

    /// Returns gzip at level 1 by as many threads as there are processors, with [`PackOptions::LAYER_TIME`].
    pub fn new(work: &'a Work) -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self {
            compression: Compression::default(),
            threads,
            modified: Self::LAYER_TIME,
            limits: Limits::default(),
            work,
        }
    }
}

/// A layer that was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The digest of the blob.
    pub digest: Digest,
    /// The size of the blob.
    pub size: u64,
    /// The size of the tar.
    pub unpacked_size: u64,
}

/// Why a pipeline stopped.
pub(crate) enum PipelineError<E> {
    Produce(E),
    Output(io::Error),
    Compress(io::Error),
    Level(LevelError),
}

/// Runs `produce`, whose tar goes to `output` as `options` want; with `expected_size` at most one
/// block, or one thread, by the calling thread alone.
pub(crate) fn run<T: Send, E: Send>(
    options: &PackOptions<'_>,
    expected_size: Option<u64>,
    output: &mut dyn Write,
    produce: impl FnOnce(&mut BlockWriter<'_>) -> Result<T, E> + Send,
) -> Result<(T, Packed), PipelineError<E>> {
    let small = expected_size.is_some_and(|size| size <= crate::block::BLOCK_SIZE as u64);
    let result = if small || options.threads.get() == 1 {
        run_alone(options, output, produce)
    } else {
        run_threads(options, output, produce)
    };
    if let Ok((_, packed)) = &result {
        let hashed = if options.compression == Compression::None { 0 } else { packed.size };
        options.work.bytes_hashed.add(packed.unpacked_size + hashed);
        if options.compression != Compression::None {
            options.work.bytes_compressed.add(packed.unpacked_size);
        }
    }
    result
}

fn run_alone<T, E>(
    options: &PackOptions<'_>,
    output: &mut dyn Write,
    produce: impl FnOnce(&mut BlockWriter<'_>) -> Result<T, E>,
) -> Result<(T, Packed), PipelineError<E>> {
    let compressor = Compressor::new(options.compression).map_err(PipelineError::Level)?;
    let mut stages = Alone {
        tar: Hasher::sha256(),
        compressor,
        compressed: Vec::new(),
        collector: Collector::new(options.compression, output),
        unpacked_size: 0,
        failure: None,
    };
    let mut writer = BlockWriter::new(&mut stages, Block::new());
    let outcome = produce(&mut writer);
    let finished = writer.finish();
    match (stages.failure.take(), outcome, finished) {
        (Some(failure), _, _) => Err(failure),
        (None, Err(error), _) => Err(PipelineError::Produce(error)),
        (None, Ok(_), Err(error)) => Err(PipelineError::Output(error)),
        (None, Ok(value), Ok(())) => {
            let diff_id = DiffId(stages.tar.finish());
            Ok((value, stages.collector.finish(diff_id, stages.unpacked_size)))
        }
    }
}

struct Alone<'a, E> {
    tar: Hasher,
    compressor: Compressor,
    compressed: Vec<u8>,
    collector: Collector<'a>,
    unpacked_size: u64,
    failure: Option<PipelineError<E>>,
}

impl<E> Alone<'_, E> {
    fn pass(&mut self, block: &Block) -> Result<(), PipelineError<E>> {
        self.tar.update(block.filled());
        self.unpacked_size += block.filled().len() as u64;
        if matches!(self.compressor, Compressor::None) {
            return self.collector.collect(block.filled()).map_err(PipelineError::Output);
        }
        self.compressor.compress(block.filled(), &mut self.compressed).map_err(PipelineError::Compress)?;
        self.collector.collect(&self.compressed).map_err(PipelineError::Output)
    }
}

impl<E> BlockSink for Alone<'_, E> {
    fn exchange(&mut self, mut block: Block) -> io::Result<Block> {
        if let Err(failure) = self.pass(&block) {
            self.failure = Some(failure);
            return Err(stopped());
        }
        block.clear();
        Ok(block)
    }
}

/// Writes compressed blocks and hashes them, unless they are the tar, which is hashed already.
struct Collector<'a> {
    output: &'a mut dyn Write,
    hasher: Option<Hasher>,
    size: u64,
}

impl<'a> Collector<'a> {
    fn new(compression: Compression, output: &'a mut dyn Write) -> Self {
        let hasher = (compression != Compression::None).then(Hasher::sha256);
        Self { output, hasher, size: 0 }
    }

    fn collect(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
        self.output.write_all(bytes)
    }

    fn finish(self, diff_id: DiffId, unpacked_size: u64) -> Packed {
        let digest = self.hasher.map_or_else(|| diff_id.0.clone(), Hasher::finish);
        Packed { diff_id, digest, size: self.size, unpacked_size }
    }
}

/// A block and its compressed form; the buffers travel together and are used again.
struct Parcel {
    block: Block,
    compressed: Vec<u8>,
}

fn run_threads<T: Send, E: Send>(
    options: &PackOptions<'_>,
    output: &mut dyn Write,
    produce: impl FnOnce(&mut BlockWriter<'_>) -> Result<T, E> + Send,
) -> Result<(T, Packed), PipelineError<E>> {
    let workers = options.threads.get().min(most_workers(options.compression));
    let mut compressors = Vec::new();
    for _ in 0..workers {
        compressors.push(Compressor::new(options.compression).map_err(PipelineError::Level)?);
    }
    let (give_back, empty) = channel();
    std::thread::scope(|scope| {
        let Ok(stages) = Stages::start(scope, compressors, empty) else {
            return run_alone(options, output, produce);
        };
        for _ in 0..stages.outputs.len() + 6 {
            let _sent = give_back.send(Parcel { block: Block::new(), compressed: Vec::new() });
        }
        let _begun = stages.begin.send(produce);
        let mut collector = Collector::new(options.compression, output);
        let collected = collect_blocks(&mut collector, &stages.outputs, &give_back);
        // The producer waits for empty blocks and sends to the hasher; without these ends both stop.
        drop((give_back, stages.outputs));
        let (diff_id, unpacked_size) = join(stages.hasher);
        let produced = join(stages.producer);
        collected?;
        let value = produced.unwrap_or_else(|| Err(PipelineError::Output(stopped())))?;
        Ok((value, collector.finish(diff_id, unpacked_size)))
    })
}

/// The threads of a pipeline. They wait for what the first of them shall produce, and end if it does not come.
struct Stages<'scope, F, T, E> {
    begin: Sender<F>,
    producer: ScopedJoinHandle<'scope, Option<Result<T, PipelineError<E>>>>,
    hasher: ScopedJoinHandle<'scope, (DiffId, u64)>,
    outputs: Vec<Receiver<Compressed>>,
}

impl<'scope, F, T, E> Stages<'scope, F, T, E>
where
    F: FnOnce(&mut BlockWriter<'_>) -> Result<T, E> + Send + 'scope,
    T: Send + 'scope,
    E: Send + 'scope,
{
    /// Starts one thread of each stage and as many more workers as there are compressors, or as the machine has left.
    fn start(
        scope: &'scope Scope<'scope, '_>,
        compressors: Vec<Compressor>,
        empty: Receiver<Parcel>,
    ) -> io::Result<Self> {
        let (begin, task) = channel::<F>();
        let (filled, to_hash) = channel();
        let produce = move || {
            let outcome = produce_blocks(empty, filled, task.recv().ok()?);
            Some(outcome.map_err(PipelineError::Produce))
        };
        let producer = start(scope, produce)?;
        let (hand_workers, workers) = channel::<Vec<Sender<Parcel>>>();
        let hasher = start(scope, move || hash_blocks(&to_hash, &workers.recv().unwrap_or_default()))?;
        let (inputs, outputs) = start_workers(scope, compressors)?;
        let _handed = hand_workers.send(inputs);
        Ok(Self { begin, producer, hasher, outputs })
    }
}

/// Returns how many workers fit into 64 MiB with their blocks: high levels need 9 to 20 MiB each.
fn most_workers(compression: Compression) -> usize {
    match compression {
        Compression::None => 1,
        Compression::Gzip { level: ..=9 } => 12,
        Compression::Gzip { .. } => 3,
        Compression::Zstd { level: ..=4 } => 10,
        Compression::Zstd { .. } => 2,
    }
}

fn produce_blocks<T, E>(
    empty: Receiver<Parcel>,
    filled: Sender<Parcel>,
    produce: impl FnOnce(&mut BlockWriter<'_>) -> Result<T, E>,
) -> Result<T, E> {
    struct Exchange {
        empty: Receiver<Parcel>,
        filled: Sender<Parcel>,
        spare: Vec<u8>,
    }
    impl BlockSink for Exchange {
        fn exchange(&mut self, block: Block) -> io::Result<Block> {
            let parcel = Parcel { block, compressed: std::mem::take(&mut self.spare) };
            self.filled.send(parcel).map_err(|_| stopped())?;
            let next = self.empty.recv().map_err(|_| stopped())?;
            self.spare = next.compressed;
            Ok(next.block)
        }
    }
    let mut exchange = Exchange { empty, filled, spare: Vec::new() };
    let mut writer = BlockWriter::new(&mut exchange, Block::new());
    let outcome = produce(&mut writer);
    // If the other stages are gone, the collector has the reason.
    let _sent = writer.finish();
    outcome
}

fn hash_blocks(blocks: &Receiver<Parcel>, workers: &[Sender<Parcel>]) -> (DiffId, u64) {
    let mut hasher = Hasher::sha256();
    let mut size = 0;
    for (parcel, worker) in blocks.iter().zip(workers.iter().cycle()) {
        hasher.update(parcel.block.filled());
        size += parcel.block.filled().len() as u64;
        if worker.send(parcel).is_err() {
            break;
        }
    }
    (DiffId(hasher.finish()), size)
}

type Compressed = io::Result<Parcel>;

/// Starts a worker for each compressor until the machine has no thread left. Fails if it has none for the first.
#[expect(clippy::type_complexity, reason = "two halves of the same channels")]
fn start_workers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    compressors: Vec<Compressor>,
) -> io::Result<(Vec<Sender<Parcel>>, Vec<Receiver<Compressed>>)> {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for compressor in compressors {
        let (input, parcels) = channel::<Parcel>();
        let (results, output) = channel();
        match start(scope, move || compress_blocks(compressor, parcels, &results)) {
            Ok(_) => {}
            Err(error) if inputs.is_empty() => return Err(error),
            Err(_) => break,
        }
        inputs.push(input);
        outputs.push(output);
    }
    Ok((inputs, outputs))
}

fn compress_blocks(mut compressor: Compressor, parcels: Receiver<Parcel>, results: &Sender<Compressed>) {
    for mut parcel in parcels {
        let result = match compressor {
            Compressor::None => Ok(()),
            _ => compressor.compress(parcel.block.filled(), &mut parcel.compressed),
        };
        if results.send(result.map(|()| parcel)).is_err() {
            return;
        }
    }
}

fn collect_blocks<E>(
    collector: &mut Collector<'_>,
    workers: &[Receiver<Compressed>],
    give_back: &Sender<Parcel>,
) -> Result<(), PipelineError<E>> {
    for worker in workers.iter().cycle() {
        // The worker whose turn it is has nothing more: the tar is at its end.
        let Ok(result) = worker.recv() else { return Ok(()) };
        let mut parcel = result.map_err(PipelineError::Compress)?;
        let bytes = if collector.hasher.is_none() { parcel.block.filled() } else { &parcel.compressed };
        collector.collect(bytes).map_err(PipelineError::Output)?;
        parcel.block.clear();
        let _given = give_back.send(parcel);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::shortage;

    /// Packs two blocks and a bit on a machine with so many threads left.
    fn packed(compression: Compression, left: usize) -> (Vec<u8>, Packed) {
        let work = Work::default();
        let options = PackOptions { compression, threads: NonZero::new(4).unwrap(), ..PackOptions::new(&work) };
        let tar: Vec<u8> = (0..600_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let mut blob = Vec::new();
        let produce = |writer: &mut BlockWriter<'_>| writer.write_all(&tar).map(|()| "produced");
        let result = shortage::with(left, || run(&options, None, &mut blob, produce));
        let Ok(("produced", packed)) = result else { panic!("{left} threads") };
        (blob, packed)
    }

    #[test]
    fn a_machine_without_threads_packs_the_same_bytes() {
        for compression in [Compression::None, Compression::Gzip { level: 1 }, Compression::Zstd { level: 3 }] {
            let whole = packed(compression, usize::MAX);
            assert_eq!(Digest::of(&whole.0), whole.1.digest);
            for left in 0..7 {
                assert!(packed(compression, left) == whole, "{compression:?} with {left} threads");
            }
        }
    }

    #[test]
    fn a_failure_to_produce_is_told_at_any_number_of_threads() {
        let work = Work::default();
        let options = PackOptions { threads: NonZero::new(4).unwrap(), ..PackOptions::new(&work) };
        for left in [0, 1, 2, 3, 6] {
            let produce = |_: &mut BlockWriter<'_>| Err::<(), _>("no file");
            let result = shortage::with(left, || run(&options, None, &mut Vec::new(), produce));
            assert!(matches!(result, Err(PipelineError::Produce("no file"))), "{left} threads");
        }
    }
}
