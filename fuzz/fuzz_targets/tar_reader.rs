//! Tars, uncompressed.
#![no_main]

use std::io;

use dhow_layer::{Limits, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 1000, bytes: 1 << 20, depth: 50, names: 1 << 20 };
    let mut reader = Reader::new(bytes, limits);
    while let Ok(Some(_)) = reader.next_member() {
        let Ok(read) = io::copy(&mut reader, &mut io::sink()) else { return };
        assert!(read <= bytes.len() as u64);
    }
    if let Ok(size) = Reader::new(bytes, limits).finish() {
        assert_eq!(size, bytes.len() as u64);
    }
});
