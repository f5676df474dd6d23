//! Tars as others write them, and tars that are damaged or made to be read in two ways.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;
use std::path::PathBuf;

mod common;

use common::{Entries, LIMITS, read_all};
use dhow_tar::{MemberKind, ReadError, ReadLimits, Reader};

fn header(name: &[u8], kind: u8, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sealed(block)
}

fn sealed(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn changed(block: [u8; 512], at: usize, bytes: &[u8]) -> [u8; 512] {
    let mut block = block;
    block[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(block)
}

fn with_data(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, data.len() as u64).to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| rest + length.to_string().len() == *length).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    with_data(b"PaxHeaders.0/x", b'x', &record(key, value))
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

fn read(parts: &[Vec<u8>]) -> Result<Entries, ReadError> {
    read_all(&parts.concat())
}

fn names(parts: &[Vec<u8>]) -> Vec<PathBuf> {
    read(parts).unwrap().into_iter().map(|(member, _)| member.path).collect()
}

fn reason(parts: &[Vec<u8>]) -> String {
    read(parts).unwrap_err().to_string()
}

#[test]
fn an_end_may_be_short_and_padding_long() {
    let entry = with_data(b"f", b'0', b"data");
    for end in [vec![], vec![0; 512], vec![0; 1024], vec![0; 10240]] {
        assert_eq!(names(&[entry.clone(), end]), [PathBuf::from("f")]);
    }
    assert_eq!(read(&[]).unwrap(), []);
}

#[test]
fn damage_is_found() {
    let entry = with_data(b"f", b'0', b"data");
    let cases = [
        ("cut header", entry[..300].to_vec(), "the tar ends within an entry, at byte 300"),
        ("cut data", entry[..514].to_vec(), "the tar ends within an entry, at byte 514"),
        ("cut padding", entry[..700].to_vec(), "the tar ends within an entry, at byte 700"),
        ("lone zeros", [vec![0; 512], entry.clone()].concat(), "no tar header at byte 0: a lone block of zeros"),
        ("hidden entries", [end(), entry.clone()].concat(), "the tar goes on after its end, at byte 1024"),
        ("not a tar", vec![b'x'; 512], "no tar header at byte 0: the checksum does not hold"),
        ("records for nothing", pax("path", b"x"), "the tar ends within an entry, at byte 1024"),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(reason(&[bytes]), expected, "{name}");
    }
}

#[test]
fn malformed_fields_are_refused() {
    let plain = header(b"f", b'0', 0);
    let negative = [0xff; 12];
    let cases: [(&str, [u8; 512], &str); 7] = [
        ("size", changed(plain, 124, b"0000000000x\0"), "the size is malformed"),
        ("negative size", changed(plain, 124, &negative), "the size is malformed"),
        ("mode", changed(plain, 100, b"09"), "the mode is malformed"),
        ("owner", changed(plain, 108, &[0xff; 8]), "the owner is malformed"),
        ("time", changed(plain, 136, b"zz"), "the time is malformed"),
        ("device", changed(header(b"f", b'3', 0), 329, b"9"), "the device number is malformed"),
        ("no name", header(b"", b'0', 0), "an entry without a name"),
    ];
    for (name, block, expected) in cases {
        assert_eq!(reason(&[block.to_vec(), end()]), format!("no tar header at byte 0: {expected}"), "{name}");
    }
}

#[test]
fn what_is_too_large_is_told_before_it_is_read() {
    let huge = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let claims = changed(header(b"f", b'0', 0), 124, &huge).to_vec();
    let expected = "the tar has more than 68719476736 bytes with f, which has 9223372036854775807";
    assert_eq!(reason(std::slice::from_ref(&claims)), expected);
    let unlimited = ReadLimits { bytes: u64::MAX, ..LIMITS };
    let mut reader = Reader::new(claims.as_slice(), unlimited);
    reader.next_member().unwrap();
    assert!(matches!(reader.next_member(), Err(ReadError::Truncated(512))));

    let tar = [with_data(b"first", b'0', &[1; 1024]), with_data(b"second", b'0', &[2; 10])].concat();
    let mut reader = Reader::new(tar.as_slice(), ReadLimits { bytes: 2057, ..LIMITS });
    reader.next_member().unwrap();
    let error = reader.next_member().unwrap_err().to_string();
    assert_eq!(error, "the tar has more than 2057 bytes with second, which has 10");
}

#[test]
fn numbers_in_base_256_are_read() {
    let mut block = changed(header(b"f", b'0', 0), 108, &[0x80, 0, 0, 0, 0, 0x20, 0, 0]);
    block = changed(block, 136, &[0xff; 12]);
    let (member, _) = read(&[block.to_vec(), end()]).unwrap().remove(0);
    assert_eq!(member.owner.uid, 2_097_152);
    assert_eq!(member.modified, -1);
}

#[test]
fn gnu_long_names_and_links_are_read() {
    let long = "n".repeat(300);
    let mut terminated = long.clone().into_bytes();
    terminated.push(0);
    terminated.extend_from_slice(b"hidden");
    let parts = [
        with_data(b"././@LongLink", b'L', b"first\0"),
        with_data(b"././@LongLink", b'L', &terminated),
        with_data(b"././@LongLink", b'K', long.as_bytes()),
        header(b"short", b'2', 0).to_vec(),
        header(b"next", b'0', 0).to_vec(),
        end(),
    ];
    let members = read(&parts).unwrap();
    assert_eq!(members[0].0.path, PathBuf::from(&long));
    assert_eq!(members[0].0.kind, MemberKind::Symlink(PathBuf::from(&long)));
    assert_eq!(members[1].0.path, PathBuf::from("next"));
}

#[test]
fn names_beyond_a_mebibyte_are_refused() {
    let data = vec![b'n'; 1024 * 1024 + 1];
    for kind in [b'L', b'K', b'x', b'g'] {
        let expected = "no tar header at byte 0: a name or record is too long";
        assert_eq!(reason(&[with_data(b"long", kind, &data)]), expected);
    }
    // The size is only claimed: nothing may be allocated for it.
    assert!(reason(&[header(b"long", b'x', 1024 * 1024).to_vec()]).contains("ends within"));
}

#[test]
fn pax_records_override_the_header() {
    let parts = [
        pax("path", b"other"),
        header(b"f", b'0', 3).to_vec(),
        b"abc".to_vec(),
        vec![0; 509],
        pax("linkpath", b"target"),
        header(b"l", b'2', 0).to_vec(),
        end(),
    ];
    let members = read(&parts).unwrap();
    assert_eq!(members[0].0.path, PathBuf::from("other"));
    assert_eq!(members[0].1, b"abc");
    assert_eq!(members[1].0.kind, MemberKind::Symlink("target".into()));
}

/// Two readers that take different sizes see different entries (CVE-2026-33055, CVE-2025-62518).
#[test]
fn the_size_of_a_pax_record_counts_even_when_the_header_has_one() {
    let hidden = header(b"hidden", b'0', 0).to_vec();
    let parts = [pax("size", b"512"), header(b"f", b'0', 1).to_vec(), hidden.clone(), end()];
    assert_eq!(names(&parts), [PathBuf::from("f")]);
    let parts = [pax("size", b"0"), header(b"f", b'0', 512).to_vec(), hidden, end()];
    assert_eq!(names(&parts), [PathBuf::from("f"), PathBuf::from("hidden")]);
}

#[test]
fn a_size_in_the_header_of_a_directory_or_link_means_no_data() {
    for kind in [b'1', b'2', b'5', b'6'] {
        let parts = [header(b"d", kind, 512).to_vec(), header(b"f", b'0', 0).to_vec(), end()];
        assert_eq!(names(&parts), [PathBuf::from("d"), PathBuf::from("f")]);
    }
}

#[test]
fn global_records_may_only_comment() {
    let comment = with_data(b"pax_global_header", b'g', &record("comment", b"abc"));
    assert_eq!(names(&[comment.clone(), header(b"f", b'0', 0).to_vec(), end()]), [PathBuf::from("f")]);
    assert_eq!(read(&[comment, end()]).unwrap(), []);
    for (key, value) in [("path", &b"x"[..]), ("size", b"512"), ("linkpath", b"x"), ("GNU.sparse.major", b"1")] {
        let global = with_data(b"pax_global_header", b'g', &record(key, value));
        let expected = "no tar header at byte 0: global records change names or sizes";
        assert_eq!(reason(&[global, header(b"f", b'0', 0).to_vec(), end()]), expected);
    }
}

/// Go forgets the records, GNU tar applies them: one of them finds `other`, the other one `f`.
#[test]
fn global_records_may_not_stand_between_an_entry_and_what_extends_it() {
    let global = with_data(b"pax_global_header", b'g', &record("comment", b"abc"));
    let long = with_data(b"././@LongLink", b'L', b"other\0");
    let links = with_data(b"././@LongLink", b'K', b"other\0");
    for (extension, at) in [(pax("path", b"other"), 1024), (long, 1024), (links, 1024)] {
        let expected = format!("no tar header at byte {at}: global records between an entry and what extends it");
        assert_eq!(reason(&[extension, global.clone(), header(b"f", b'0', 0).to_vec(), end()]), expected);
    }
    assert_eq!(
        names(&[global, pax("path", b"other"), header(b"f", b'0', 0).to_vec(), end()]),
        [PathBuf::from("other")]
    );
}

#[test]
fn unknown_types_are_refused() {
    let cases = [(b'V', "`V`"), (200, "`\\u{c8}`"), (b'M', "`M`")];
    for (kind, shown) in cases {
        let expected = format!("the tar holds v, an entry of unknown type {shown}");
        assert_eq!(reason(&[header(b"v", kind, 0).to_vec()]), expected);
    }
}

#[test]
fn prefixes_count_in_ustar_only() {
    let ustar = changed(header(b"name", b'0', 0), 345, b"prefix");
    assert_eq!(names(&[ustar.to_vec(), end()]), [PathBuf::from("prefix/name")]);
    let gnu = changed(header(b"name", b'0', 0), 257, b"ustar  \0");
    let accessed = changed(changed(gnu, 345, b"14722360300\0"), 357, b"14722360300\0");
    assert_eq!(names(&[accessed.to_vec(), end()]), [PathBuf::from("name")], "GNU has times there");
    let old = changed(ustar, 257, &[0; 8]);
    assert_eq!(names(&[old.to_vec(), end()]), [PathBuf::from("name")]);
}

/// Go before 1.8 wrote it, and still reads it: what is neither time nor zeros is a prefix.
#[test]
fn a_gnu_header_may_have_a_prefix_as_go_has_written_it() {
    let gnu = changed(header(b"name", b'0', 0), 257, b"ustar  \0");
    let prefixed = changed(gnu, 345, b"prefix");
    assert_eq!(names(&[prefixed.to_vec(), end()]), [PathBuf::from("prefix/name")]);
    let late = changed(gnu, 345, b"7777777/77777777/77777777/7");
    assert_eq!(names(&[late.to_vec(), end()]), [PathBuf::from("7777777/77777777/77777777/7/name")]);
    let changed_at = changed(changed(gnu, 345, b"14722360300\0"), 357, b"/late");
    assert_eq!(names(&[changed_at.to_vec(), end()]), [PathBuf::from("14722360300/name")]);
    let strange = changed(gnu, 345, "pr\u{e4}fix".as_bytes());
    assert_eq!(names(&[strange.to_vec(), end()]), [PathBuf::from("name")]);
}

#[test]
fn old_types_are_files_and_directories() {
    let parts = [header(b"d/", 0, 0).to_vec(), header(b"f", 0, 0).to_vec(), header(b"c", b'7', 0).to_vec(), end()];
    let kinds: Vec<MemberKind> = read(&parts).unwrap().into_iter().map(|(member, _)| member.kind).collect();
    assert_eq!(kinds, [MemberKind::Directory, MemberKind::File, MemberKind::File]);
}

/// GNU tar and libarchive take it for a directory. Go takes it for a file, and so do container tools.
#[test]
fn a_file_whose_name_ends_in_a_slash_is_a_file_as_to_go() {
    let members = read(&[with_data(b"d/", b'0', b"data"), end()]).unwrap();
    assert_eq!((members[0].0.kind.clone(), members[0].1.as_slice()), (MemberKind::File, &b"data"[..]));
}

#[test]
fn signed_checksums_are_accepted() {
    let mut block = header("\u{e4}".as_bytes(), b'0', 0);
    block[148..156].fill(b' ');
    let sum: i32 = block.iter().map(|byte| i32::from(byte.cast_signed())).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(names(&[block.to_vec(), end()]), [PathBuf::from("\u{e4}")]);
}

#[test]
fn what_is_passed_over_by_seeking_is_the_same_tar() {
    let parts = [
        pax("path", b"first"),
        with_data(b"f", b'0', &[7; 5000]),
        with_data(b"second", b'0', b"data"),
        with_data(b"last", b'0', &[8; 513]),
        end(),
    ];
    let tar = parts.concat();
    let read = |mut reader: Reader<std::io::BufReader<std::io::Cursor<Vec<u8>>>>| {
        let mut found = Vec::new();
        loop {
            match reader.next_member() {
                Ok(Some(member)) => {
                    let offset = reader.offset();
                    let mut first = [0; 2];
                    // Where there are fewer, the next call says so.
                    let _some = reader.read(&mut first);
                    found.push((member.path, offset, first));
                }
                Ok(None) => return Ok(found),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let input = |bytes: &[u8]| std::io::BufReader::with_capacity(700, std::io::Cursor::new(bytes.to_vec()));
    let seekable = |bytes: &[u8]| read(Reader::seekable(input(bytes), LIMITS).unwrap());
    let found = seekable(&tar).unwrap();
    assert_eq!(found.iter().map(|(_, offset, _)| *offset).collect::<Vec<_>>(), [1536, 7168, 8192]);
    assert_eq!(found, read(Reader::new(input(&tar), LIMITS)).unwrap());
    for length in [1300, 3000, 6655, 7169, 8705, 9000] {
        let cut = &tar[..length];
        let error = seekable(cut).unwrap_err();
        assert_eq!(error, read(Reader::new(input(cut), LIMITS)).unwrap_err(), "{length}");
        assert_eq!(error, format!("the tar ends within an entry, at byte {length}"));
    }
}
