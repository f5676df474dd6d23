//! Tars, uncompressed.
#![no_main]

use std::io::{self, BufReader, Cursor};

use dhow_tar::{ReadLimits, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = ReadLimits { entries: 1000, bytes: 1 << 20 };
    let mut reader = Reader::new(bytes, limits);
    let (mut handed_out, mut found) = (0, Vec::new());
    while let Ok(Some(member)) = reader.next_member() {
        let offset = reader.offset();
        let Ok(read) = io::copy(&mut reader, &mut io::sink()) else { break };
        assert_eq!(read, member.size);
        handed_out += read;
        assert!(handed_out <= limits.bytes);
        found.push((member, offset));
    }
    if let Ok(size) = Reader::new(bytes, limits).finish() {
        assert_eq!(size, bytes.len() as u64);
    }
    // What passes over data finds the same.
    let mut reader = Reader::seekable(BufReader::new(Cursor::new(bytes)), limits).expect("a cursor seeks");
    for expected in found {
        assert_eq!(reader.next_member().ok().flatten().map(|member| (member, reader.offset())), Some(expected));
    }
});
