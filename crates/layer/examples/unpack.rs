//! Unpacks a layer: `unpack BLOB DIRECTORY`. Used by `bench/layers.sh`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program of its own")]

use std::error::Error;
use std::fs::File;
use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_layer::{UnpackOptions, unpack};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [blob, directory] = arguments.as_slice() else { return Err("usage: unpack BLOB DIRECTORY".into()) };
    let work = Work::default();
    let root = Root::open(Path::new(directory))?;
    let unpacked = unpack(File::open(blob)?, &root, Path::new("/"), &UnpackOptions::image(&work))?;
    println!("{} entries, {} bytes, diffID {}", unpacked.entries, unpacked.size, unpacked.diff_id);
    Ok(())
}
