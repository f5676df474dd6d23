//! Sparse files: which of their bytes a tar holds. All else of them is zeros.
//!
//! GNU tar has written four formats. The oldest has its map in the header and in blocks after it (type
//! `S`). With PAX, the map is in records (0.0 in many, 0.1 in one) or in front of the data (1.0).
//! [`check`] is the same for all of them.

use std::ops::Range;
use std::sync::Arc;

use crate::block::{BLOCK, Block, META_LIMIT, field};
use crate::number::{decimal, number};
use crate::value;

/// Where a stretch of data belongs in the file, and how long it is.
pub(crate) type Piece = (u64, u64);

/// Why a map is refused.
pub(crate) type Refused = &'static str;

/// Returns the stretches of data of a file of `size` bytes, joined where they touch.
///
/// They must be in order, within the file and apart from each other, and make up the `stored` bytes.
pub(crate) fn check(pieces: &[Piece], size: u64, stored: u64) -> Result<Arc<[Range<u64>]>, Refused> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let (mut end, mut sum) = (0, 0);
    for (start, length) in pieces {
        let next = start.checked_add(*length).ok_or("a sparse map leads beyond its file")?;
        if *start < end {
            return Err("a sparse map is not in order");
        }
        if next > size {
            return Err("a sparse map leads beyond its file");
        }
        // What is within the file and in order sums up to no more than the file's size.
        sum += length;
        end = next;
        match ranges.last_mut() {
            _ if *length == 0 => {}
            Some(last) if last.end == *start => last.end = next,
            _ => ranges.push(*start..next),
        }
    }
    if sum != stored {
        return Err("a sparse map does not fit the data");
    }
    Ok(ranges.into())
}

/// What PAX records say of a sparse file. Keys are without `GNU.sparse.`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseRecords {
    major: Option<Vec<u8>>,
    minor: Option<Vec<u8>>,
    /// The file's name; the entry's own is made up.
    pub(crate) name: Option<Vec<u8>>,
    size: Option<u64>,
    real_size: Option<u64>,
    count: Option<u64>,
    /// Format 0.1: offsets and lengths with commas between.
    map: Option<Vec<u8>>,
    /// Format 0.0: offsets and lengths in turn.
    numbers: Vec<u64>,
    is_present: bool,
}

/// Where the map of a sparse file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// It was in the records.
    Known(Vec<Piece>),
    /// It is in front of the data.
    InData,
}

impl SparseRecords {
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.is_present = true;
        match key {
            b"major" => self.major = value::text(value)?,
            b"minor" => self.minor = value::text(value)?,
            b"name" => self.name = value::text(value)?,
            b"size" => self.size = value::number(value)?,
            b"realsize" => self.real_size = value::number(value)?,
            b"numblocks" => self.count = value::number(value)?,
            b"map" => self.map = value::text(value)?,
            b"offset" | b"numbytes" => {
                let expected: &[u8] = if self.numbers.len().is_multiple_of(2) { b"offset" } else { b"numbytes" };
                if key != expected {
                    return Err("a sparse map lacks a number");
                }
                self.numbers.push(decimal(value).ok_or("a number in a sparse map is malformed")?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells whether there are no records of sparse files.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_present
    }

    /// Returns the size of the file with its holes.
    pub(crate) fn size(&self) -> Result<u64, Refused> {
        self.size.or(self.real_size).ok_or("a sparse file without its size")
    }

    /// Returns the map or where it is; none if the format is not known.
    pub(crate) fn map(&self) -> Result<Option<Map>, Refused> {
        let is_here = self.map.is_some() || !self.numbers.is_empty();
        match (self.major.as_deref(), self.minor.as_deref()) {
            (Some(b"0"), Some(b"0" | b"1")) => self.pieces().map(|pieces| Some(Map::Known(pieces))),
            (None, None) if is_here => self.pieces().map(|pieces| Some(Map::Known(pieces))),
            (Some(b"1"), Some(b"0")) if is_here => Err("a sparse file with two maps"),
            (Some(b"1"), Some(b"0")) => Ok(Some(Map::InData)),
            _ => Ok(None),
        }
    }

    fn pieces(&self) -> Result<Vec<Piece>, Refused> {
        let numbers = match &self.map {
            Some(_) if !self.numbers.is_empty() => return Err("a sparse file with two maps"),
            Some(map) => {
                let numbers: Option<Vec<u64>> = map.split(|byte| *byte == b',').map(decimal).collect();
                numbers.ok_or("a number in a sparse map is malformed")?
            }
            None => self.numbers.clone(),
        };
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() || self.count != Some(pairs.len() as u64) {
            return Err("a sparse map lacks a number");
        }
        Ok(pairs.iter().map(|[start, length]| (*start, *length)).collect())
    }
}

/// The map of format 1.0, block by block: lines with the number of pieces, then offset and length of each.
#[derive(Default)]
pub(crate) struct MapLines {
    text: Vec<u8>,
    position: usize,
}

impl MapLines {
    /// Returns the number on the next line; none if another block must be added first.
    pub(crate) fn next(&mut self) -> Result<Option<u64>, Refused> {
        const LONGEST: usize = 20;
        let rest = &self.text[self.position..];
        match rest.iter().take(LONGEST).position(|byte| *byte == b'\n') {
            Some(end) => {
                let number = decimal(&rest[..end]).ok_or("a number in a sparse map is malformed")?;
                self.position += end + 1;
                Ok(Some(number))
            }
            None if rest.len() >= LONGEST => Err("a number in a sparse map is malformed"),
            None => Ok(None),
        }
    }

    pub(crate) fn add(&mut self, block: &Block) -> Result<(), Refused> {
        if (self.text.len() + BLOCK) as u64 > META_LIMIT {
            return Err("a sparse map is too long");
        }
        self.text.extend_from_slice(block);
        Ok(())
    }
}

/// The map of the oldest format: four pieces in the header, then blocks with 21 each.
pub(crate) struct OldMap {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) goes_on: bool,
    blocks: u64,
}

/// An offset and a length, as numbers in a header.
const OLD_PIECE: usize = 24;
/// Of a block after the header: its pieces, and whether one more follows.
const OLD_PIECES: Range<usize> = 0..21 * OLD_PIECE;
const OLD_GOES_ON: usize = OLD_PIECES.end;

impl OldMap {
    /// Reads the part of the map that is in the header.
    pub(crate) fn of(header: &Block) -> Result<Self, Refused> {
        let mut map = Self { pieces: Vec::new(), goes_on: header[field::GNU_MAP_GOES_ON] != 0, blocks: 1 };
        map.read(&header[field::GNU_MAP])?;
        Ok(map)
    }

    /// Reads a block after the header.
    pub(crate) fn add(&mut self, block: &Block) -> Result<(), Refused> {
        self.blocks += 1;
        if self.blocks * BLOCK as u64 > META_LIMIT {
            return Err("a sparse map is too long");
        }
        self.goes_on = block[OLD_GOES_ON] != 0;
        self.read(&block[OLD_PIECES])
    }

    /// A piece without an offset ends the map. Programs disagree on what may follow it, so nothing may.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let (pieces, _) = bytes.as_chunks::<OLD_PIECE>();
        let used = pieces.iter().take_while(|piece| piece[0] != 0).count();
        let is_over = used < pieces.len();
        let is_clean = pieces[used..].iter().all(|piece| *piece == [0; OLD_PIECE]);
        if is_over && (self.goes_on || !is_clean) {
            return Err("a sparse map goes on after its end");
        }
        for piece in &pieces[..used] {
            let (start, length) = piece.split_at(OLD_PIECE / 2);
            // To some programs this ends the map too.
            if length[0] == 0 {
                return Err("a sparse map lacks a number");
            }
            let numbers = number(start).zip(number(length));
            self.pieces.push(numbers.ok_or("a number in a sparse map is malformed")?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_empty_ones_left_out() {
        let ranges = check(&[(0, 0), (10, 5), (15, 5), (15 + 5, 0), (30, 2), (40, 0)], 40, 12).unwrap();
        assert_eq!(&ranges[..], [10..20, 30..32]);
        assert!(check(&[], 0, 0).unwrap().is_empty());
    }

    #[test]
    fn hostile_maps_are_refused() {
        let beyond = "a sparse map leads beyond its file";
        let cases: [(&str, &[Piece], u64, u64, &str); 7] = [
            ("overlap", &[(0, 10), (9, 1)], 100, 11, "a sparse map is not in order"),
            ("backwards", &[(50, 1), (10, 1)], 100, 2, "a sparse map is not in order"),
            ("beyond", &[(90, 11)], 100, 11, beyond),
            ("an empty piece beyond", &[(101, 0)], 100, 0, beyond),
            ("overflow", &[(1 << 62, u64::MAX - 5)], 1 << 62, 0, beyond),
            ("less than is stored", &[(0, 10)], 100, 11, "a sparse map does not fit the data"),
            ("more than is stored", &[(0, 10)], 100, 9, "a sparse map does not fit the data"),
        ];
        for (name, pieces, size, stored, expected) in cases {
            assert_eq!(check(pieces, size, stored), Err(expected), "{name}");
        }
    }

    #[test]
    fn a_line_comes_when_it_is_whole() {
        let mut lines = MapLines::default();
        assert_eq!(lines.next(), Ok(None));
        let mut block = [b'1'; BLOCK];
        for at in (0..BLOCK - 2).step_by(10) {
            block[at] = b'\n';
        }
        block[0] = b'7';
        block[1] = b'\n';
        lines.add(&block).unwrap();
        assert_eq!(lines.next(), Ok(Some(7)));
        assert_eq!(lines.next(), Ok(Some(11_111_111)));
        while lines.next() == Ok(Some(111_111_111)) {}
        assert_eq!(lines.next(), Ok(None), "the last line goes on in the next block");
        lines.add(&[b'\n'; BLOCK]).unwrap();
        assert_eq!(lines.next(), Ok(Some(11_111_111_111)));
        assert_eq!(lines.next(), Err("a number in a sparse map is malformed"), "an empty line");
        let mut endless = MapLines::default();
        endless.add(&[b'1'; BLOCK]).unwrap();
        assert!(endless.next().is_err());
    }
}
