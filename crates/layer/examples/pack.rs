//! Packs a directory: `pack DIRECTORY OUTPUT [gzip:LEVEL|zstd:LEVEL|none] [THREADS]`. Used by `bench/layers.sh`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program of its own")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_layer::{Compression, Owner, PackOptions, directory_entries, pack};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, output, options @ ..] = arguments.as_slice() else {
        return Err("usage: pack DIRECTORY OUTPUT [gzip:LEVEL|zstd:LEVEL|none] [THREADS]".into());
    };
    let work = Work::default();
    let mut pack_options = PackOptions::new(&work);
    if let Some(method) = options.first() {
        pack_options.compression = match method.split_once(':') {
            Some(("gzip", level)) => Compression::Gzip { level: level.parse()? },
            Some(("zstd", level)) => Compression::Zstd { level: level.parse()? },
            _ => Compression::None,
        };
    }
    if let Some(threads) = options.get(1) {
        pack_options.threads = threads.parse()?;
    }
    let directory = std::fs::canonicalize(directory)?;
    let root = Root::host()?;
    let entries = directory_entries(&root, Path::new(&directory), Owner { uid: 1000, gid: 1000 })?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(output)?);
    let packed = pack(&root, &entries, &mut file, &pack_options)?;
    println!(
        "{} entries, {} bytes, diffID {}, blob {} bytes",
        entries.len(),
        packed.unpacked_size,
        packed.diff_id,
        packed.size
    );
    Ok(())
}
