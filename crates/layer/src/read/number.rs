//! Numbers in tar headers: octal text, or base 256 where the first bit is set.

use crate::header::BLOCK;

/// Returns a number that is not negative.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    u64::try_from(signed_number(field)?).ok()
}

/// Returns a number; none if it is malformed or does not fit.
pub(super) fn signed_number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

/// Two's complement, big end first; the first bit only marks the format, the second is the sign.
fn base256(field: &[u8]) -> Option<i64> {
    let negative = field.first()? & 0x40 != 0;
    let mut value = if negative { -1_i64 } else { 0 };
    for (position, byte) in field.iter().enumerate() {
        let byte = match (position, negative) {
            (0, true) => byte | 0x80,
            (0, false) => byte & 0x7f,
            _ => *byte,
        };
        value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
    }
    Some(value)
}

/// Octal digits, with spaces and NULs around them; nothing at all is 0.
fn octal(field: &[u8]) -> Option<i64> {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !padding(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(padding).unwrap_or(digits.len());
    if !digits[end..].iter().all(padding) {
        return None;
    }
    digits[..end].iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Tells whether the checksum is the sum of the header's bytes; old writers added them as signed.
pub(super) fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let summed = |(position, byte): (usize, &u8)| if (148..156).contains(&position) { b' ' } else { *byte };
    let unsigned: i64 = block.iter().enumerate().map(|pair| i64::from(summed(pair))).sum();
    let signed: i64 = block.iter().enumerate().map(|pair| i64::from(summed(pair).cast_signed())).sum();
    octal(&block[148..156]).is_some_and(|sum| sum == unsigned || sum == signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let cases: [(&[u8], Option<i64>); 14] = [
            (b"0000755\0", Some(0o755)),
            (b"  755 \0\0", Some(0o755)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"77777777", Some(0o77_777_777)),
            (b"0000799\0", None),
            (b"-000001\0", None),
            (b"12 34\0\0\0", None),
            (b"0x10\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\x02\x01", Some(513)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (field, expected) in cases {
            assert_eq!(signed_number(field), expected, "{}", field.escape_ascii());
        }
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
