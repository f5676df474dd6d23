//! The file of a stat index.
//!
//! ```text
//! "dhow stat index 1\n"
//! payload length, payload (JSON)
//! number of entries, then for each:
//!   bytes shared with the path before, length of the rest, rest
//!   kind | racy << 7, mode, uid, gid, size, inode, mtime, ctime
//!   length of the link's target, target (links only)
//! SHA-256 of all that, 32 bytes as 64 hexadecimal digits
//! ```
//! Numbers are LEB128; times are zigzag-coded first.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use dhow_fs::FileKind;
use dhow_oci::Digest;

use super::indexed_entry::IndexedEntry;

/// The largest index file that is read: some four million entries.
pub(super) const LIMIT: u64 = 512 * 1024 * 1024;

const MAGIC: &[u8] = b"dhow stat index 1\n";
const CHECKSUM_LENGTH: usize = 64;
const RACY: u64 = 1 << 7;
const KINDS: [FileKind; 7] = [
    FileKind::File,
    FileKind::Directory,
    FileKind::Symlink,
    FileKind::Fifo,
    FileKind::CharDevice,
    FileKind::BlockDevice,
    FileKind::Socket,
];

/// Returns the bytes of an index file with these entries.
pub(super) fn encode(entries: &[IndexedEntry], payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    put_bytes(&mut bytes, payload);
    put(&mut bytes, entries.len() as u64);
    let mut previous: &[u8] = &[];
    for entry in entries {
        let path = entry.path.as_os_str().as_bytes();
        let shared = previous.iter().zip(path).take_while(|(left, right)| left == right).count();
        put(&mut bytes, shared as u64);
        put_bytes(&mut bytes, &path[shared..]);
        let kind = KINDS.iter().position(|kind| *kind == entry.kind).unwrap_or(0) as u64;
        put(&mut bytes, kind | if entry.racy { RACY } else { 0 });
        for number in [u64::from(entry.mode), entry.uid.into(), entry.gid.into(), entry.size, entry.inode] {
            put(&mut bytes, number);
        }
        put(&mut bytes, zigzag(entry.mtime_ns));
        put(&mut bytes, zigzag(entry.ctime_ns));
        if let Some(target) = &entry.target {
            put_bytes(&mut bytes, target.as_os_str().as_bytes());
        }
        previous = path;
    }
    let checksum = Digest::of(&bytes);
    bytes.extend_from_slice(checksum.hex().as_bytes());
    bytes
}

/// Returns the entries and the payload's bytes, or what is wrong.
pub(super) fn decode(bytes: &[u8]) -> Result<(Vec<IndexedEntry>, &[u8]), &'static str> {
    let body_length = bytes.len().checked_sub(CHECKSUM_LENGTH).ok_or("it is too short")?;
    let (body, checksum) = bytes.split_at(body_length);
    let mut reader = Reader { rest: body.strip_prefix(MAGIC).ok_or("it is of another version")? };
    if Digest::of(body).hex().as_bytes() != checksum {
        return Err("its checksum is wrong");
    }
    let payload = reader.bytes()?;
    let count = reader.number()?;
    let mut entries = Vec::new();
    let mut previous: Vec<u8> = Vec::new();
    for _ in 0..count {
        let entry = reader.entry(&mut previous)?;
        entries.push(entry);
    }
    if !reader.rest.is_empty() {
        return Err("something follows its entries");
    }
    Ok((entries, payload))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn entry(&mut self, path: &mut Vec<u8>) -> Result<IndexedEntry, &'static str> {
        let shared = usize::try_from(self.number()?).map_err(|_| WRONG_NUMBER)?;
        let rest = self.bytes()?;
        if shared > path.len() {
            return Err(WRONG_NUMBER);
        }
        path.truncate(shared);
        path.extend_from_slice(rest);
        let tag = self.number()?;
        let position = usize::try_from(tag & !RACY).map_err(|_| WRONG_NUMBER)?;
        let kind = *KINDS.get(position).ok_or("an entry is of an unknown kind")?;
        let (mode, uid, gid) = (self.small()?, self.small()?, self.small()?);
        let (size, inode) = (self.number()?, self.number()?);
        let (mtime_ns, ctime_ns) = (unzigzag(self.number()?), unzigzag(self.number()?));
        let target = match kind {
            FileKind::Symlink => Some(path_of(self.bytes()?)),
            _ => None,
        };
        let racy = tag & RACY != 0;
        let path = path_of(path);
        Ok(IndexedEntry { path, kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, racy, target })
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(WRONG_NUMBER)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WRONG_NUMBER)
    }

    fn small(&mut self) -> Result<u32, &'static str> {
        u32::try_from(self.number()?).map_err(|_| WRONG_NUMBER)
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(self.number()?).map_err(|_| WRONG_NUMBER)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_bytes(bytes: &mut Vec<u8>, content: &[u8]) {
    put(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

const TRUNCATED: &str = "it ends too early";
const WRONG_NUMBER: &str = "it has a number that is out of range";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn entry()(
            path in proptest::collection::vec(1_u8.., 0..40),
            kind in 0..KINDS.len(),
            numbers in any::<(u32, u32, u32, u64, u64)>(),
            times in any::<(i64, i64)>(),
            racy in any::<bool>(),
            target in proptest::collection::vec(1_u8.., 0..40),
        ) -> IndexedEntry {
            let (mode, uid, gid, size, inode) = numbers;
            let (mtime_ns, ctime_ns) = times;
            let kind = KINDS[kind];
            let target = (kind == FileKind::Symlink).then(|| path_of(&target));
            IndexedEntry { path: path_of(&path), kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, racy, target }
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(entries in proptest::collection::vec(entry(), 0..20), payload: Vec<u8>) {
            let bytes = encode(&entries, &payload);
            prop_assert_eq!(decode(&bytes), Ok((entries, payload.as_slice())));
        }

        #[test]
        fn damage_is_noticed(entries in proptest::collection::vec(entry(), 1..5), at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = encode(&entries, b"{}");
            let position = at.index(bytes.len());
            bytes[position] ^= 1_u8 << bit;
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn junk_is_refused_without_panic(junk: Vec<u8>) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&junk);
            let checksum = Digest::of(&bytes);
            bytes.extend_from_slice(checksum.hex().as_bytes());
            drop(decode(&bytes));
            prop_assert!(decode(&junk).is_err());
        }
    }
}
