//! What an archive holds, and where in its file: found by reading headers alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use dhow_fs::{Operation, PathError};
use dhow_tar::{MemberKind, ReadLimits, Reader};

use super::ArchiveError;

/// An archive may be of any size, since only its headers are read.
const LIMITS: ReadLimits = ReadLimits { entries: 1_000_000, bytes: u64::MAX };

/// The members of an archive by their path, without leading `./` or `/`.
pub(super) type Catalogue = HashMap<PathBuf, Member>;

/// A member that is not a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A regular file: where its content is in the archive.
    File { offset: u64, size: u64 },
    /// What cannot be read in place: a link, device or fifo, or a sparse file.
    Other,
}

/// Reads all headers. Of members with the same path the last counts.
pub(super) fn scan(file: &File, path: &Path) -> Result<Catalogue, ArchiveError> {
    refuse_compressed(file, path)?;
    let malformed = |source| ArchiveError::Malformed { path: path.to_owned(), source };
    let mut reader = Reader::seekable(BufReader::new(file), LIMITS)
        .map_err(|source| PathError::new(Operation::Read, path, source))?;
    let mut members = Catalogue::new();
    while let Some(found) = reader.next_member().map_err(malformed)? {
        let member = match found.kind {
            MemberKind::Directory => continue,
            MemberKind::File if found.sparse.is_none() => Member::File { offset: reader.offset(), size: found.size },
            _ => Member::Other,
        };
        if let Some(name) = inner_path(&found.path) {
            members.insert(name, member);
        }
    }
    Ok(members)
}

fn refuse_compressed(file: &File, path: &Path) -> Result<(), ArchiveError> {
    let mut start = [0; 6];
    let count = file.read_at(&mut start, 0).map_err(|source| PathError::new(Operation::Read, path, source))?;
    let format = match &start[..count] {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'B', b'Z', b'h', ..] => "bzip2",
        _ => return Ok(()),
    };
    Err(ArchiveError::Compressed { path: path.to_owned(), format })
}

/// Returns a member's path in the layout; `None` for one that has `..` in it.
fn inner_path(name: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => return None,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use dhow_tar::{Header, ReadError};

    use super::super::write::{directory_header, file_header, write_end, write_header, write_padding};
    use super::*;

    fn scanned(bytes: &[u8]) -> Result<Catalogue, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        scan(&file, Path::new("test.tar"))
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, &directory_header(Path::new("blobs/"))).unwrap();
        for (name, content) in members {
            write_header(&mut bytes, &file_header(Path::new(name), content.len() as u64)).unwrap();
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
    fn a_member_beyond_the_end_is_refused_though_data_is_passed_over() {
        let mut bytes = Vec::new();
        write_header(&mut bytes, &file_header(Path::new("huge"), 1 << 32)).unwrap();
        assert!(matches!(scanned(&bytes), Err(ArchiveError::Malformed { source: ReadError::Truncated(512), .. })));
        let whole = archive(&[("index.json", b"{}")]);
        for length in [1, 511, 1025, 1026, 1535] {
            assert!(scanned(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn damaged_archives_are_refused_without_a_panic() {
        let good = archive(&[("index.json", b"{}"), (&"n".repeat(150), b"content")]);
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x81;
            let _any = scanned(&bytes);
        }
        assert!(matches!(scanned(&[0x1f, 0x8b].repeat(300)), Err(ArchiveError::Compressed { format: "gzip", .. })));
    }

    #[test]
    fn links_and_paths_that_lead_out_are_no_files() {
        assert_eq!(inner_path(Path::new("../index.json")), None);
        assert_eq!(inner_path(Path::new("/./index.json")), Some("index.json".into()));
        let mut bytes = Vec::new();
        let link = MemberKind::Symlink(Path::new("elsewhere"));
        write_header(&mut bytes, &Header { kind: link, ..file_header(Path::new("index.json"), 0) }).unwrap();
        assert_eq!(scanned(&bytes).unwrap()[Path::new("index.json")], Member::Other);
    }
}
