//! Tar headers, byte for byte as Go's `archive/tar` writes them.
//!
//! A header is USTAR where every field fits. Where one does not, a PAX record header (`x`) with the
//! fields that do not fit goes before it. Layers written by the reference lifecycle are made this
//! way, and a diffID is a hash over these bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{Entry, EntryKind};

pub(crate) const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;
/// Readers refuse larger PAX headers.
const MAX_RECORDS: usize = 1024 * 1024;

/// Why an entry has no header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// A name or a link target holds a NUL byte.
    #[error("a name in a tar cannot hold a NUL byte")]
    Nul,
    /// A name or a link target is empty.
    #[error("a name in a tar cannot be empty")]
    Empty,
    /// The names are larger than readers accept.
    #[error("names of {0} bytes are too long for a tar")]
    TooLong(usize),
    /// A device number or a mode does not fit into its field, and PAX has no record for it.
    #[error("{0} does not fit into a tar header")]
    TooLarge(u64),
}

/// Appends the header blocks of `entry` to `output`: one, or three and more with PAX records.
pub(crate) fn write_header(entry: &Entry, modified: i64, output: &mut Vec<u8>) -> Result<(), HeaderError> {
    let fields = Fields::of(entry, modified)?;
    let records = fields.records();
    let split = split_name(fields.name);
    let plain = records.iter().all(|record| record.key == "path" && split.is_some());
    if plain {
        let (prefix, name) = split.unwrap_or((b"", fields.name));
        output.extend_from_slice(&fields.block(name, prefix));
        return Ok(());
    }
    write_records(&records, fields.name, output)?;
    output.extend_from_slice(&fields.block(&ascii(fields.name), b""));
    Ok(())
}

/// What goes into a header, before it is known whether it fits.
struct Fields<'a> {
    name: &'a [u8],
    link: &'a [u8],
    kind: u8,
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    modified: i64,
    device: (u32, u32),
}

struct Record {
    key: &'static str,
    value: Vec<u8>,
}

impl<'a> Fields<'a> {
    fn of(entry: &'a Entry, modified: i64) -> Result<Self, HeaderError> {
        let none: &Path = Path::new("");
        let (kind, link, device) = match &entry.kind {
            EntryKind::File(_) => (b'0', none, (0, 0)),
            EntryKind::HardLink(target) => (b'1', target.as_path(), (0, 0)),
            EntryKind::Symlink(target) => (b'2', target.as_path(), (0, 0)),
            EntryKind::CharDevice { major, minor } => (b'3', none, (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => (b'4', none, (*major, *minor)),
            EntryKind::Directory => (b'5', none, (0, 0)),
            EntryKind::Fifo => (b'6', none, (0, 0)),
        };
        let name = entry.path.as_os_str().as_bytes();
        let link = link.as_os_str().as_bytes();
        if name.contains(&0) || link.contains(&0) {
            return Err(HeaderError::Nul);
        }
        if name.is_empty() {
            return Err(HeaderError::Empty);
        }
        for number in [entry.mode, device.0, device.1] {
            if !fits_octal(u64::from(number), 8) {
                return Err(HeaderError::TooLarge(u64::from(number)));
            }
        }
        let (uid, gid) = (entry.owner.uid, entry.owner.gid);
        Ok(Self { name, link, kind, mode: entry.mode, uid, gid, size: entry.size(), modified, device })
    }

    /// Returns the records for what does not fit, sorted by key.
    ///
    /// A long name is among them even when it could be split: if another field needs PAX, it goes there too.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut add = |key, fits: bool, value: Vec<u8>| {
            if !fits {
                records.push(Record { key, value });
            }
        };
        let decimal = |number: u64| number.to_string().into_bytes();
        let time_fits = u64::try_from(self.modified).is_ok_and(|seconds| fits_octal(seconds, 12));
        add("gid", fits_octal(self.gid, 8), decimal(self.gid));
        add("linkpath", fits_text(self.link), self.link.to_vec());
        add("mtime", time_fits, self.modified.to_string().into_bytes());
        add("path", fits_text(self.name), self.name.to_vec());
        add("size", fits_octal(self.size, 12), decimal(self.size));
        add("uid", fits_octal(self.uid, 8), decimal(self.uid));
        records
    }

    fn block(&self, name: &[u8], prefix: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[0..100], name);
        put_octal(&mut block[100..108], u64::from(self.mode));
        put_octal(&mut block[108..116], self.uid);
        put_octal(&mut block[116..124], self.gid);
        put_octal(&mut block[124..136], self.size);
        put_octal(&mut block[136..148], u64::try_from(self.modified).unwrap_or(0));
        block[156] = self.kind;
        put_text(&mut block[157..257], &ascii(self.link));
        put_octal(&mut block[329..337], u64::from(self.device.0));
        put_octal(&mut block[337..345], u64::from(self.device.1));
        put_text(&mut block[345..500], prefix);
        seal(&mut block);
        block
    }
}

/// Appends an `x` header with its records, padded.
fn write_records(records: &[Record], name: &[u8], output: &mut Vec<u8>) -> Result<(), HeaderError> {
    let mut data = Vec::new();
    for record in records {
        push_record(record, &mut data);
    }
    if data.len() > MAX_RECORDS {
        return Err(HeaderError::TooLong(data.len()));
    }
    let mut block = [0; BLOCK];
    put_text(&mut block[0..100], &records_name(name));
    for field in [100..108, 108..116, 116..124, 136..148] {
        put_octal(&mut block[field], 0);
    }
    put_octal(&mut block[124..136], data.len() as u64);
    block[156] = b'x';
    seal(&mut block);
    output.extend_from_slice(&block);
    output.extend_from_slice(&data);
    output.resize(output.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

/// Appends `<length> <key>=<value>\n`, where the length counts its own digits.
fn push_record(record: &Record, data: &mut Vec<u8>) {
    let rest = record.key.len() + record.value.len() + 3;
    let digits = |number: usize| number.to_string().len();
    let mut length = rest + digits(rest);
    if rest + digits(length) != length {
        length = rest + digits(length);
    }
    data.extend_from_slice(format!("{length} {}=", record.key).as_bytes());
    data.extend_from_slice(&record.value);
    data.push(b'\n');
}

/// Returns the name of the `x` header: `<directory>/PaxHeaders.0/<base name>`, ASCII only, at most 100 bytes.
///
/// A base name without any ASCII leaves a slash at the end, which is taken off.
fn records_name(name: &[u8]) -> Vec<u8> {
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

/// Splits a name of more than 100 bytes at a slash into a prefix of at most 155 and a rest of at most 100 bytes.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
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

fn fits_text(text: &[u8]) -> bool {
    text.len() <= NAME && text.is_ascii()
}

/// A field of `width` holds `width - 1` digits and a NUL.
fn fits_octal(number: u64, width: u32) -> bool {
    number < 1 << (3 * (width - 1))
}

/// Returns the text without its non-ASCII characters.
fn ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

/// Writes as much of a text as fits. A slash that becomes the last byte by that is taken off,
/// since some readers would take the name for a directory's.
fn put_text(field: &mut [u8], text: &[u8]) {
    let shown = text.len().min(field.len());
    field[..shown].copy_from_slice(&text[..shown]);
    if text.len() > field.len() && field.last() == Some(&b'/') {
        let slashes = field.iter().rev().skip(1).take_while(|byte| **byte == b'/').count();
        field[shown - 1 - slashes] = 0;
    }
}

/// Writes zero-padded octal digits and a NUL; a number that does not fit becomes 0, its record has it.
fn put_octal(field: &mut [u8], number: u64) {
    let fits = fits_octal(number, u32::try_from(field.len()).unwrap_or(8));
    let mut rest = if fits { number } else { 0 };
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (rest % 8) as u8;
        rest /= 8;
    }
    field[digits] = 0;
}

/// Writes magic, version and checksum (six digits, NUL, space).
fn seal(block: &mut [u8; BLOCK]) {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[148..155], sum);
}
