//! What is in a file, written with the holes that it has.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::Member;

/// Writes the data of `member` into a new file.
pub(super) fn write(file: &mut File, member: &Member, data: &mut dyn BufRead) -> io::Result<()> {
    if let Some(ranges) = &member.sparse {
        return write_sparse(file, member.size, ranges, data);
    }
    loop {
        let bytes = data.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let count = file.write(bytes)?;
        data.consume(count);
    }
}

/// Writes the ranges alone. What is between them is left out, which makes holes where the file system has them.
fn write_sparse(file: &File, size: u64, ranges: &[Range<u64>], data: &mut dyn BufRead) -> io::Result<()> {
    file.set_len(size)?;
    let mut position = 0;
    for range in ranges {
        take(data, range.start - position, |_| Ok(()))?;
        position = range.start;
        take(data, range.end - range.start, |bytes| {
            file.write_all_at(bytes, position)?;
            position += bytes.len() as u64;
            Ok(())
        })?;
    }
    take(data, size - position, |_| Ok(()))
}

/// Hands the next `left` bytes to `each`, piece by piece.
fn take(data: &mut dyn BufRead, mut left: u64, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    while left > 0 {
        let bytes = data.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        each(&bytes[..count])?;
        data.consume(count);
        left -= count as u64;
    }
    Ok(())
}
