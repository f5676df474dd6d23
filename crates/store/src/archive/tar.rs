//! The little of tar that an archive of a layout needs: regular files and directories, ustar with PAX
//! `path` and `size`, GNU long names. Layers are packed and unpacked elsewhere.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use dhow_fs::{Operation, PathError};

use super::ArchiveError;

const BLOCK: u64 = 512;
/// The largest extended header or long name that is read.
const EXTENSION_LIMIT: u64 = 64 * 1024;
const MAX_MEMBERS: usize = 1_000_000;
/// The largest number that 11 octal digits hold.
const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// The members of an archive by their path, without leading `./` or `/`.
pub(super) type Catalogue = HashMap<PathBuf, Member>;

/// A member that is not a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A regular file: where its content is in the archive.
    File { offset: u64, size: u64 },
    /// A link, device or fifo.
    Other,
}

/// Reads all headers. Of members with the same path the last counts.
pub(super) fn scan(file: &File, path: &Path) -> Result<Catalogue, ArchiveError> {
    let length = file.metadata().map_err(|source| PathError::new(Operation::Inspect, path, source))?.len();
    let mut scanner = Scanner { file, path, length, offset: 0, long_name: None, long_size: None };
    let mut members = Catalogue::new();
    let mut count = 0;
    while let Some(Found { name, member }) = scanner.next_member()? {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(scanner.malformed("too many members"));
        }
        if let (Some(name), Some(member)) = (inner_path(&name), member) {
            members.insert(name, member);
        }
    }
    Ok(members)
}

/// A member as it comes; directories have no [`Member`].
struct Found {
    name: Vec<u8>,
    member: Option<Member>,
}

struct Scanner<'a> {
    file: &'a File,
    path: &'a Path,
    length: u64,
    offset: u64,
    /// From an extension before the member.
    long_name: Option<Vec<u8>>,
    long_size: Option<u64>,
}

impl Scanner<'_> {
    /// Returns the next member; `None` at the archive's end.
    fn next_member(&mut self) -> Result<Option<Found>, ArchiveError> {
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header[156];
            let stated = number(&header[124..136]).ok_or_else(|| self.malformed("a size that is no number"))?;
            let extends = matches!(kind, b'x' | b'g' | b'L' | b'K');
            let size = if extends { stated } else { self.long_size.take().unwrap_or(stated) };
            // Links and devices have no content, whatever size they state.
            let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
            let content = self.offset + BLOCK;
            let end = content.checked_add(size).filter(|end| *end <= self.length);
            let end = end.ok_or_else(|| self.malformed("a member that is cut off"))?;
            match kind {
                b'x' => self.extended_header(content, size)?,
                b'L' => self.long_name = Some(until_nul(&self.extension(content, size)?).to_vec()),
                _ => {}
            }
            self.offset = end.next_multiple_of(BLOCK);
            if extends {
                continue;
            }
            let name = self.long_name.take().unwrap_or_else(|| ustar_name(&header));
            let member = match kind {
                b'5' => None,
                0 | b'0' | b'7' if name.ends_with(b"/") => None,
                0 | b'0' | b'7' => Some(Member::File { offset: content, size }),
                _ => Some(Member::Other),
            };
            return Ok(Some(Found { name, member }));
        }
    }

    fn header(&mut self) -> Result<Option<[u8; 512]>, ArchiveError> {
        if self.offset >= self.length {
            return if self.length == 0 { Err(self.malformed("nothing")) } else { Ok(None) };
        }
        let mut header = [0; 512];
        if self.length - self.offset < BLOCK {
            return Err(self.malformed("a header that is cut off"));
        }
        self.read(&mut header, self.offset)?;
        if self.offset == 0 {
            self.refuse_compressed(&header)?;
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if number(&header[148..156]) != Some(checksum(&header)) {
            return Err(self.malformed("a header with a wrong checksum"));
        }
        Ok(Some(header))
    }

    fn extended_header(&mut self, offset: u64, size: u64) -> Result<(), ArchiveError> {
        let bytes = self.extension(offset, size)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or_else(|| self.malformed("a malformed PAX record"))?;
            match key {
                b"path" => self.long_name = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.long_size = Some(size.ok_or_else(|| self.malformed("a PAX size that is no number"))?);
                }
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    fn extension(&self, offset: u64, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let size = usize::try_from(size.min(EXTENSION_LIMIT + 1)).unwrap_or(usize::MAX);
        if size as u64 > EXTENSION_LIMIT {
            return Err(self.malformed("an extended header that is too large"));
        }
        let mut bytes = vec![0; size];
        self.read(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), PathError> {
        self.file.read_exact_at(bytes, offset).map_err(|source| PathError::new(Operation::Read, self.path, source))
    }

    fn refuse_compressed(&self, header: &[u8; 512]) -> Result<(), ArchiveError> {
        let format = match header {
            [0x1f, 0x8b, ..] => "gzip",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
            [b'B', b'Z', b'h', ..] => "bzip2",
            _ => return Ok(()),
        };
        Err(ArchiveError::Compressed { path: self.path.to_owned(), format })
    }

    fn malformed(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::Malformed { path: self.path.to_owned(), reason, offset: self.offset }
    }
}

/// Splits a PAX record `LENGTH KEY=VALUE\n` off `bytes`.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    if length <= space + 1 || length > bytes.len() {
        return None;
    }
    let (record, after) = bytes.split_at(length);
    let body = record[space + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], after))
}

/// Reads octal digits, or GNU's base-256 for numbers that need more.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let append = |value: u64, byte: &u8| value.checked_mul(256)?.checked_add(u64::from(*byte));
        return rest.iter().try_fold(u64::from(first & 0x7f), append);
    }
    let text = std::str::from_utf8(until_nul(field)).ok()?.trim();
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn checksum(header: &[u8; 512]) -> u64 {
    let spaces = 8 * u64::from(b' ');
    let others = header[..148].iter().chain(&header[156..]);
    others.map(|byte| u64::from(*byte)).sum::<u64>() + spaces
}

fn ustar_name(header: &[u8; 512]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let prefix = until_nul(&header[345..500]);
    if &header[257..263] != b"ustar\0" || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Returns a member's path in the layout; `None` for one that has `..` in it.
fn inner_path(name: &[u8]) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(std::ffi::OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => return None,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(path)
}

/// Writes the header of a directory.
pub(super) fn write_directory(output: &mut impl Write, name: &str) -> io::Result<()> {
    output.write_all(&header(name, b'5', 0, 0o755))
}

/// Writes the header of a file; its content and [`write_padding`] must follow.
pub(super) fn write_file_header(output: &mut impl Write, name: &str, size: u64) -> io::Result<()> {
    let mut records = Vec::new();
    if name.len() > 100 {
        records.extend(pax_record("path", name));
    }
    if size > LARGEST_OCTAL {
        records.extend(pax_record("size", &size.to_string()));
    }
    if !records.is_empty() {
        output.write_all(&header("pax", b'x', records.len() as u64, 0o644))?;
        output.write_all(&records)?;
        write_padding(output, records.len() as u64)?;
    }
    let short: String = name.chars().take(100).collect();
    output.write_all(&header(&short, b'0', size.min(LARGEST_OCTAL), 0o644))
}

/// Fills up the last block of a content of `size` bytes.
pub(super) fn write_padding(output: &mut impl Write, size: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), size.next_multiple_of(BLOCK) - size), output)?;
    Ok(())
}

/// Writes the end of the archive.
pub(super) fn write_end(output: &mut impl Write) -> io::Result<()> {
    output.write_all(&[0; 1024])
}

fn header(name: &str, kind: u8, size: u64, mode: u32) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |place: usize, text: &str| header[place..place + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum = format!("{:06o}\0 ", checksum(&header));
    header[148..156].copy_from_slice(sum.as_bytes());
    header
}

/// The length of a record counts its own digits.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut length = body + body.to_string().len();
    if length.to_string().len() > body.to_string().len() {
        length += 1;
    }
    format!("{length} {key}={value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(bytes: &[u8]) -> Result<Catalogue, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        scan(&file, Path::new("test.tar"))
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in members {
            write_file_header(&mut bytes, name, content.len() as u64).unwrap();
            bytes.extend_from_slice(content);
            write_padding(&mut bytes, content.len() as u64).unwrap();
        }
        write_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_written_is_found_where_it_is() {
        let long = format!("blobs/sha512/{}", "a".repeat(128));
        let bytes = archive(&[("index.json", b"{}"), (&long, b"long name"), ("./x", b"")]);
        let members = scanned(&bytes).unwrap();
        for (name, content) in [("index.json", &b"{}"[..]), (&long, b"long name"), ("x", b"")] {
            let Some(Member::File { offset, size }) = members.get(Path::new(name)) else { panic!("{name}") };
            let start = usize::try_from(*offset).unwrap();
            assert_eq!(&bytes[start..start + usize::try_from(*size).unwrap()], content, "{name}");
        }
        assert_eq!(members.len(), 3);
    }

    #[test]
    fn pax_records_count_their_own_digits() {
        for length in 0..1200 {
            let text = pax_record("path", &"x".repeat(length));
            let (key, value, after) = record(&text).unwrap();
            assert_eq!((key, value.len(), after.len()), (&b"path"[..], length, 0));
        }
    }

    #[test]
    fn a_size_beyond_octal_comes_back_from_its_pax_record() {
        let mut bytes = Vec::new();
        write_file_header(&mut bytes, "huge", LARGEST_OCTAL + 1).unwrap();
        let (key, value, _) = record(&bytes[512..]).unwrap();
        assert_eq!((key, value), (&b"size"[..], &b"8589934592"[..]));
        assert!(matches!(scanned(&bytes), Err(ArchiveError::Malformed { reason: "a member that is cut off", .. })));
    }

    #[test]
    fn damaged_archives_are_refused_without_a_panic() {
        let good = archive(&[("index.json", b"{}"), (&"n".repeat(150), b"content")]);
        assert!(scanned(b"").is_err());
        for length in 1..512 {
            assert!(scanned(&good[..length]).is_err(), "{length}");
        }
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x81;
            let _any = scanned(&bytes);
        }
        assert!(matches!(scanned(&[0x1f, 0x8b].repeat(300)), Err(ArchiveError::Compressed { format: "gzip", .. })));
    }

    #[test]
    fn paths_that_lead_out_and_links_are_no_files() {
        assert_eq!(inner_path(b"../index.json"), None);
        assert_eq!(inner_path(b"/./index.json"), Some("index.json".into()));
        let mut link = header("index.json", b'2', 5, 0o777).to_vec();
        link.extend(archive(&[]));
        assert_eq!(scanned(&link).unwrap()[Path::new("index.json")], Member::Other);
    }
}
