//! What a program in the ELF format says of who loads its libraries.

/// The kind of a program header that names the dynamic linker.
const INTERPRETER: usize = 3;
/// No file has more program headers than this, in what is looked at.
const MOST_HEADERS: usize = 512;

/// Returns the dynamic linker that a 64-bit little-endian program names; `None` if it needs none, or is another file.
///
/// `start` is the beginning of the file. What lies beyond it is not known.
pub(super) fn loader(start: &[u8]) -> Option<String> {
    if !start.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(start, 32, 8)?, number(start, 54, 2)?, number(start, 56, 2)?);
    for position in 0..count.min(MOST_HEADERS) {
        let header = table.checked_add(size.checked_mul(position)?)?;
        if number(start, header, 4)? == INTERPRETER {
            let (place, length) =
                (number(start, header.checked_add(8)?, 8)?, number(start, header.checked_add(32)?, 8)?);
            let text = start.get(place..place.checked_add(length)?)?;
            let name = text.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    None
}

/// Returns the little-endian number of `length` bytes at `offset`.
fn number(bytes: &[u8], offset: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(offset..offset.checked_add(length)?)?;
    bytes.iter().rev().try_fold(0_usize, |value, byte| Some(value.checked_mul(256)? | usize::from(*byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of a header, a program header of no use here, one of this kind that names `name`, and the name.
    pub(in crate::build) fn program(kind: u8, name: &str) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 2 * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[32], bytes[54], bytes[56]) = (64, 56, 2);
        bytes[64] = 1;
        bytes[64 + 56] = kind;
        bytes[64 + 56 + 8] = 176;
        bytes[64 + 56 + 32] = u8::try_from(name.len() + 1).unwrap();
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn the_dynamic_linker_is_read_from_the_programs_headers() {
        assert_eq!(loader(&program(3, "/lib64/ld.so")), Some("/lib64/ld.so".to_owned()));
    }

    #[test]
    fn a_static_program_names_none_and_nothing_else_does() {
        for other in [&program(2, "/lib64/ld.so")[..], b"#!/bin/sh\n", b"", b"\x7fELF\x01\x01"] {
            assert_eq!(loader(other), None);
        }
    }

    #[test]
    fn what_is_cut_off_or_names_places_outside_is_no_reason_to_panic() {
        let whole = program(3, "/lib64/ld.so");
        for length in 0..whole.len() {
            assert_eq!(loader(&whole[..length]), None, "{length}");
        }
        for field in [32, 54, 56, 64 + 56 + 8, 64 + 56 + 32] {
            let mut odd = whole.clone();
            odd[field..field + 2].fill(0xff);
            odd[39] = 0xff;
            assert_eq!(loader(&odd), None, "{field}");
        }
    }
}
