//! The 512 bytes of a header: where its fields are, and its checksum.

use crate::number::octal;

/// The size of a header, and what data is padded to a multiple of.
pub const BLOCK: usize = 512;

/// Long names, PAX records and sparse maps are refused beyond this.
pub(crate) const META_LIMIT: u64 = 1024 * 1024;

pub(crate) type Block = [u8; BLOCK];

pub(crate) const ZEROS: Block = [0; BLOCK];

/// The place of each field in a header.
pub(crate) mod field {
    use std::ops::Range;

    pub(crate) const NAME: Range<usize> = 0..100;
    pub(crate) const MODE: Range<usize> = 100..108;
    pub(crate) const UID: Range<usize> = 108..116;
    pub(crate) const GID: Range<usize> = 116..124;
    pub(crate) const SIZE: Range<usize> = 124..136;
    pub(crate) const MODIFIED: Range<usize> = 136..148;
    pub(crate) const CHECKSUM: Range<usize> = 148..156;
    pub(crate) const KIND: usize = 156;
    pub(crate) const LINK: Range<usize> = 157..257;
    pub(crate) const MAGIC: Range<usize> = 257..265;
    pub(crate) const MAJOR: Range<usize> = 329..337;
    pub(crate) const MINOR: Range<usize> = 337..345;
    pub(crate) const PREFIX: Range<usize> = 345..500;
    /// What GNU has where USTAR has the prefix.
    pub(crate) const GNU_ACCESSED: Range<usize> = 345..357;
    pub(crate) const GNU_CHANGED: Range<usize> = 357..369;
    pub(crate) const GNU_MAP: Range<usize> = 386..482;
    pub(crate) const GNU_MAP_GOES_ON: usize = 482;
    pub(crate) const GNU_REAL_SIZE: Range<usize> = 483..495;
    /// The prefix of star's format, which is shorter, and what tells that format.
    pub(crate) const STAR_PREFIX: Range<usize> = 345..476;
    pub(crate) const STAR_TRAILER: Range<usize> = 508..512;
}

/// The format of a header, as far as it matters what fields mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// From before USTAR: neither prefix nor sparse map.
    Old,
    Ustar,
    Star,
    Gnu,
}

impl Format {
    pub(crate) fn of(block: &Block) -> Self {
        match &block[field::MAGIC] {
            [b'u', b's', b't', b'a', b'r', 0, ..] if block[field::STAR_TRAILER] == *b"tar\0" => Self::Star,
            [b'u', b's', b't', b'a', b'r', 0, ..] => Self::Ustar,
            b"ustar  \0" => Self::Gnu,
            _ => Self::Old,
        }
    }
}

/// Returns a text field up to its first NUL.
pub(crate) fn terminated(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Tells whether the checksum is the sum of the header's bytes. Old writers added them as signed ones.
pub(crate) fn checksum_holds(block: &Block) -> bool {
    let summed = |(position, byte): (usize, &u8)| if field::CHECKSUM.contains(&position) { b' ' } else { *byte };
    let unsigned: i64 = block.iter().enumerate().map(|pair| i64::from(summed(pair))).sum();
    let signed: i64 = block.iter().enumerate().map(|pair| i64::from(summed(pair).cast_signed())).sum();
    octal(&block[field::CHECKSUM]).is_some_and(|sum| sum == unsigned || sum == signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_of_unsigned_or_of_signed_bytes() {
        let mut block = ZEROS;
        block[..3].copy_from_slice(&[0xff, 0xfe, b'a']);
        let others = i64::from(b'a') + 8 * i64::from(b' ');
        for (sum, holds) in [(others + 0xff + 0xfe, true), (others - 1 - 2, true), (others + 0xff - 2, false)] {
            block[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(checksum_holds(&block), holds, "{sum}");
        }
    }
}
