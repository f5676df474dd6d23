//! Names in headers: what fits, what is split, and what stands in for a name that is in a PAX record.

use crate::block::field;

const NAME: usize = field::NAME.end - field::NAME.start;
const PREFIX: usize = field::PREFIX.end - field::PREFIX.start;

/// Tells whether the field of a name or of a link holds the text.
pub(crate) fn fits(text: &[u8]) -> bool {
    text.len() <= NAME && text.is_ascii()
}

/// Returns the text without its non-ASCII characters.
pub(crate) fn ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

/// Splits a name of more than 100 bytes at a slash into a prefix of at most 155 and a rest of at most 100 bytes.
pub(crate) fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME || !name.is_ascii() {
        return None;
    }
    let mut reach = name.len().min(PREFIX + 1);
    if reach == name.len() && name.last() == Some(&b'/') {
        reach -= 1;
    }
    let slash = name[..reach].iter().rposition(|byte| *byte == b'/').filter(|slash| *slash > 0)?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!rest.is_empty() && rest.len() <= NAME).then_some((prefix, rest))
}

/// Writes as much of a text as fits. A slash that becomes the last byte by that is taken off,
/// since some readers would take the name for a directory's.
pub(crate) fn put_text(field: &mut [u8], text: &[u8]) {
    let shown = text.len().min(field.len());
    field[..shown].copy_from_slice(&text[..shown]);
    if text.len() > field.len() && field.last() == Some(&b'/') {
        let slashes = field.iter().rev().skip(1).take_while(|byte| **byte == b'/').count();
        field[shown - 1 - slashes] = 0;
    }
}

/// Returns the name of the `x` header: `<directory>/PaxHeaders.0/<base name>`, ASCII only, at most 100 bytes.
///
/// A base name without any ASCII leaves a slash at the end, which is taken off.
pub(crate) fn records_name(name: &[u8]) -> Vec<u8> {
    let (directory, base) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => name.split_at(slash + 1),
        None => (&b""[..], name),
    };
    let mut joined = Vec::new();
    for part in [directory, b"PaxHeaders.0", base] {
        if !part.is_empty() {
            if !joined.is_empty() {
                joined.push(b'/');
            }
            joined.extend_from_slice(part);
        }
    }
    let mut shown = ascii(&clean(&joined));
    shown.truncate(NAME);
    while shown.last() == Some(&b'/') {
        shown.pop();
    }
    shown
}

/// Returns the path without empty and `.` components, `..` taken together with what is before it.
fn clean(path: &[u8]) -> Vec<u8> {
    let absolute = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let body = parts.join(&b'/');
    if absolute { [b"/", body.as_slice()].concat() } else { body }
}
