//! Sparse files: as GNU tar writes them, and made to be read in two ways or to fill a disk.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

mod common;

use common::{LIMITS, read_all};
use dhow_tar::{MemberKind, ReadError, ReadLimits, Reader};
use proptest::prelude::*;

/// The ways in which GNU tar writes sparse files.
const FORMATS: [(&str, &[&str]); 4] = [
    ("old GNU", &["--format=gnu"]),
    ("PAX 0.0", &["--format=pax", "--sparse-version=0.0"]),
    ("PAX 0.1", &["--format=pax", "--sparse-version=0.1"]),
    ("PAX 1.0", &["--format=pax", "--sparse-version=1.0"]),
];

/// Returns what GNU tar makes of the files in `directory`.
fn gnu_tar(directory: &Path, options: &[&str], names: &[&str]) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--create", "--sparse", "--hole-detection=raw", "--file=-", "--owner=1", "--group=2"])
        .args(options)
        .arg("--directory")
        .arg(directory)
        .args(names)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Files of 512 KiB and less, as stretches of data.
fn content(size: usize, data: &[(usize, usize)]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for &(start, end) in data {
        for (at, byte) in bytes[start..end].iter_mut().enumerate() {
            *byte = (at % 250) as u8 + 1;
        }
    }
    bytes
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let many: Vec<(usize, usize)> = (0..60).map(|number| (number * 8192, number * 8192 + 512)).collect();
    vec![
        ("hole-at-end", content(100_000, &[(0, 4096)])),
        ("hole-at-start", content(100_000, &[(90_112, 100_000)])),
        ("hole-between", content(200_000, &[(0, 1000), (150_016, 150_020)])),
        ("hole-alone", content(70_000, &[])),
        ("many-holes", content(500_000, &many)),
        ("no-hole", content(70_001, &[(0, 70_001)])),
        ("empty", Vec::new()),
    ]
}

/// GNU tar looks for holes only in what takes less room than it has bytes.
fn write_with_holes(path: &Path, bytes: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            file.write_all_at(page, number as u64 * 4096).unwrap();
        }
    }
}

#[test]
fn gnu_tar_s_sparse_files_are_read_in_all_formats() {
    let directory = tempfile::tempdir().unwrap();
    let long = "n".repeat(150);
    let mut files = files();
    files.push((&long, content(50_000, &[(512, 1024)])));
    for (name, bytes) in &files {
        write_with_holes(&directory.path().join(name), bytes);
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    for (format, options) in FORMATS {
        let tar = gnu_tar(directory.path(), options, &names);
        let members = read_all(&tar).unwrap();
        assert_eq!(members.len(), files.len(), "{format}");
        let mut sparse = Vec::new();
        for ((member, data), (name, bytes)) in members.iter().zip(&files) {
            assert_eq!(member.path, PathBuf::from(name), "{format}");
            assert_eq!((&member.kind, member.size), (&MemberKind::File, bytes.len() as u64), "{format} {name}");
            assert!(data == bytes, "{format} {name}");
            let Some(ranges) = &member.sparse else { continue };
            sparse.push(*name);
            let mut between = 0;
            for range in &ranges[..] {
                let hole = &bytes[between..usize::try_from(range.start).unwrap()];
                assert!(hole.iter().all(|byte| *byte == 0), "{format} {name}");
                between = usize::try_from(range.end).unwrap();
            }
            assert!(bytes[between..].iter().all(|byte| *byte == 0), "{format} {name}");
        }
        let expected = ["hole-at-end", "hole-at-start", "hole-between", "hole-alone", "many-holes", long.as_str()];
        assert_eq!(sparse, expected, "{format}");
    }
}

#[test]
fn a_sparse_file_that_nobody_reads_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    write_with_holes(&directory.path().join("sparse"), &content(200_000, &[(0, 1000), (150_016, 150_020)]));
    std::fs::write(directory.path().join("next"), "next").unwrap();
    for (format, options) in FORMATS {
        let tar = gnu_tar(directory.path(), options, &["sparse", "next"]);
        for read_first in [0, 10, 4096, 4097, 150_000, 150_100] {
            let mut reader = Reader::new(tar.as_slice(), LIMITS);
            reader.next_member().unwrap();
            (&mut reader).take(read_first).read_to_end(&mut Vec::new()).unwrap();
            let next = reader.next_member().unwrap().unwrap();
            let mut data = String::new();
            reader.read_to_string(&mut data).unwrap();
            assert_eq!((next.path, data.as_str()), (PathBuf::from("next"), "next"), "{format} {read_first}");
            assert_eq!(reader.finish().unwrap(), tar.len() as u64, "{format}: holes are no bytes of the tar");
        }
    }
}

fn sealed(mut block: [u8; 512]) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

fn header(kind: u8, stored: u64, change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut block = [0; 512];
    block[..4].copy_from_slice(b"name");
    block[124..136].copy_from_slice(format!("{stored:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut block);
    sealed(block)
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// An `x` header with records of sparse files.
fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + "GNU.sparse.".len() + 3;
        let length = (rest..).find(|length| rest + length.to_string().len() == *length).unwrap();
        data.push_str(&format!("{length} GNU.sparse.{key}={value}\n"));
    }
    [header(b'x', data.len() as u64, |_| {}), padded(data.as_bytes())].concat()
}

/// A file of the oldest format with pieces as text in the header.
fn old(size: &str, pieces: &[(&str, &str)], goes_on: bool, stored: u64) -> Vec<u8> {
    header(b'S', stored, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        for (number, (start, length)) in pieces.iter().enumerate() {
            let at = 386 + 24 * number;
            block[at..at + start.len()].copy_from_slice(start.as_bytes());
            block[at + 12..at + 12 + length.len()].copy_from_slice(length.as_bytes());
        }
        block[482] = goes_on.into();
        block[483..483 + size.len()].copy_from_slice(size.as_bytes());
    })
}

fn reason(parts: &[Vec<u8>]) -> String {
    match read_all(&parts.concat()).unwrap_err() {
        ReadError::Malformed { reason, .. } => reason.to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn hostile_maps_in_records_are_refused() {
    let file = |stored: usize| [header(b'0', stored as u64, |_| {}), padded(&vec![b'd'; stored])].concat();
    let v01 = |map: &str, count: &str, size: &str| records(&[("map", map), ("numblocks", count), ("size", size)]);
    let huge = (1_u64 << 62).to_string();
    let one_more_than_signed = (1_u64 << 63).to_string();
    let malformed = "a number in a sparse map is malformed";
    let lacks = "a sparse map lacks a number";
    let version = |major, minor| records(&[("major", major), ("minor", minor), ("size", "9"), ("numblocks", "0")]);
    let unknown = "the tar holds name, a sparse file of an unknown format";
    let cases = [
        ("overlap", v01("0,3,2,1", "2", "9"), "a sparse map is not in order"),
        ("beyond", v01("7,4", "1", "9"), "a sparse map leads beyond its file"),
        (
            "a sum that overflows",
            v01(&format!("{huge},{huge},{huge},{huge}"), "2", "9"),
            "a sparse map leads beyond its file",
        ),
        ("no number", v01("0,x", "1", "9"), malformed),
        ("a negative number", v01("0,-4", "1", "9"), malformed),
        ("too large a number", v01(&format!("{one_more_than_signed},4"), "1", "9"), malformed),
        ("odd", v01("0,4,8", "1", "9"), lacks),
        ("another count", v01("0,4", "2", "9"), lacks),
        ("a huge count", v01("0,4", &huge, "9"), lacks),
        ("no count", records(&[("map", "0,4"), ("size", "9")]), lacks),
        ("no size", records(&[("map", "0,4"), ("numblocks", "1")]), "a sparse file without its size"),
        ("less than stored", v01("0,3", "1", "9"), "a sparse map does not fit the data"),
        ("more than stored", v01("0,5", "1", "9"), "a sparse map does not fit the data"),
        ("no map", records(&[("numblocks", "0"), ("size", "9")]), unknown),
        ("unknown major", version("2", "0"), unknown),
        ("unknown minor", version("1", "1"), unknown),
        ("half a version", records(&[("major", "1"), ("size", "9")]), unknown),
        ("lengths first", records(&[("numbytes", "4"), ("offset", "0"), ("numblocks", "1"), ("size", "9")]), lacks),
        ("two lengths", records(&[("offset", "0"), ("numbytes", "2"), ("numbytes", "2")]), lacks),
        (
            "two maps",
            records(&[("offset", "0"), ("numbytes", "4"), ("map", "0,4"), ("numblocks", "1"), ("size", "9")]),
            "a sparse file with two maps",
        ),
        (
            "two places",
            records(&[("major", "1"), ("minor", "0"), ("map", "0,4"), ("size", "9")]),
            "a sparse file with two maps",
        ),
        (
            "too large",
            v01("0,4", "1", &huge),
            "the tar has more than 68719476736 bytes with name, which has 4611686018427387904",
        ),
    ];
    for (name, extension, expected) in cases {
        assert_eq!(reason(&[extension, file(4)]), expected, "{name}");
    }
    for kind in [b'1', b'2', b'5', b'6'] {
        let extension = v01("0,0", "1", "9");
        assert_eq!(reason(&[extension, header(kind, 0, |_| {})]), "what is no file has a sparse map");
    }
    let both = [v01("0,4", "1", "9"), old("00000000011\0", &[], false, 0)];
    assert_eq!(reason(&both), "a sparse file with two maps");
}

#[test]
fn hostile_maps_in_front_of_the_data_are_refused() {
    let extension = || records(&[("major", "1"), ("minor", "0"), ("realsize", "9"), ("name", "real")]);
    let tar = |map: &str, data: &[u8], stored: usize| {
        let bytes = [padded(map.as_bytes()), data.to_vec()].concat();
        [extension(), header(b'0', stored as u64, |_| {}), padded(&bytes)].concat()
    };
    let (member, data) = read_all(&tar("1\n5\n4\n", b"data", 516)).unwrap().remove(0);
    assert_eq!((member.path, data.as_slice()), (PathBuf::from("real"), &b"\0\0\0\0\0data"[..]));
    let malformed = "a number in a sparse map is malformed";
    let cases = [
        ("no count", tar("x\n", b"", 512), malformed),
        ("no line", tar("\0", b"", 512), malformed),
        ("a huge count", tar("4611686018427387904\n0\n1\n", b"", 512), malformed),
        ("more than the data has", tar(&format!("900\n{}", "0\n".repeat(255)), b"", 512), "a sparse map is cut off"),
        ("cut off", tar("1\n0\n", b"", 4), "a sparse map is cut off"),
        ("goes on in the data", tar(&format!("200\n{}", "0\n".repeat(254)), b"", 512), "a sparse map is cut off"),
        ("overlap", tar("2\n0\n4\n3\n1\n", b"datad", 517), "a sparse map is not in order"),
        ("beyond", tar("1\n6\n4\n", b"data", 516), "a sparse map leads beyond its file"),
        ("less than stored", tar("1\n5\n3\n", b"data", 516), "a sparse map does not fit the data"),
    ];
    for (name, tar, expected) in cases {
        assert_eq!(reason(&[tar]), expected, "{name}");
    }
    let endless = "0\n".repeat(1 << 20);
    let long = tar(&format!("1000000\n{endless}"), b"", endless.len());
    assert_eq!(reason(&[long]), "a sparse map is too long");
}

#[test]
fn hostile_maps_of_the_oldest_format_are_refused() {
    let size = "00000000011\0";
    let zero = "00000000000\0";
    let four = "00000000004\0";
    let (member, data) = read_all(&[old(size, &[("5", four)], false, 4), padded(b"data")].concat()).unwrap().remove(0);
    assert_eq!((member.size, data.as_slice()), (9, &b"\0\0\0\0\0data"[..]));
    let on = "a sparse map goes on after its end";
    let cases = [
        ("overlap", old(size, &[(zero, four), ("2", "1")], false, 5), "a sparse map is not in order"),
        ("beyond", old(size, &[("6", four)], false, 4), "a sparse map leads beyond its file"),
        ("no number", old(size, &[("x", four)], false, 4), "a number in a sparse map is malformed"),
        ("negative", old(size, &[("-1", four)], false, 4), "a number in a sparse map is malformed"),
        ("no size", old("x", &[(zero, four)], false, 4), "the size of a sparse file is malformed"),
        ("a hidden piece", old(size, &[(zero, four), ("", ""), ("5", "1")], false, 4), on),
        ("an end that goes on", old(size, &[(zero, four)], true, 4), on),
        ("a piece without length", old(size, &[(zero, "")], false, 0), "a sparse map lacks a number"),
        ("more than stored", old(size, &[(zero, "5")], false, 4), "a sparse map does not fit the data"),
        ("a huge size", old("77777777777\0", &[(zero, four)], false, 4), "the tar ends within an entry, at byte 512"),
    ];
    for (name, tar, expected) in cases {
        assert_eq!(reason(&[tar]), expected, "{name}");
    }
    let full: Vec<(&str, &str)> = vec![(zero, "0"); 4];
    let mut block = [0; 512];
    for piece in block[..504].chunks_exact_mut(24) {
        piece.fill(b'0');
    }
    block[504] = 1;
    let endless = [old(size, &full, true, 0), block.repeat(3000)].concat();
    assert_eq!(reason(&[endless]), "a sparse map is too long");
    assert_eq!(reason(&[old(size, &full, true, 0)]), "the tar ends within an entry, at byte 512");
    // The type byte is also that of star's sparse files, which are others.
    let star = header(b'S', 0, |_| {});
    assert_eq!(reason(&[star]), "the tar holds name, a sparse file of an unknown format");
}

#[test]
fn holes_count_as_bytes() {
    let sparse = |size: u64| {
        let text = size.to_string();
        let map = records(&[("map", "0,4"), ("numblocks", "1"), ("size", &text)]);
        [map, header(b'0', 4, |_| {}), padded(b"data")].concat()
    };
    let tar = [sparse(10_000), sparse(10_000)].concat();
    let read = |bytes: u64| {
        let mut reader = Reader::new(tar.as_slice(), ReadLimits { bytes, ..LIMITS });
        let mut count = 0;
        loop {
            match reader.next_member() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return Ok(count),
                Err(error) => return Err((count, error.to_string())),
            }
        }
    };
    let all = tar.len() as u64 + 2 * (10_000 - 4);
    assert_eq!(read(all), Ok(2));
    let refused = |bytes: u64| format!("the tar has more than {bytes} bytes with name, which has 10000");
    assert_eq!(read(all - 512), Err((1, refused(all - 512))));
    assert_eq!(read(10_000), Err((0, refused(10_000))));
}

fn every_format() -> Vec<u8> {
    let size = "00000000764\0";
    let pieces: Vec<String> = (0..25).map(|number| format!("{:011o}\0", number * 20)).collect();
    let first: Vec<(&str, &str)> = pieces[..4].iter().map(|start| (start.as_str(), "00000000001\0")).collect();
    let mut more = vec![0; 512];
    for (piece, start) in more.chunks_exact_mut(24).zip(&pieces[4..]) {
        piece[..12].copy_from_slice(start.as_bytes());
        piece[12..].copy_from_slice(b"00000000001\0");
    }
    let file = |data: &[u8]| [header(b'0', data.len() as u64, |_| {}), padded(data)].concat();
    let v00 =
        [("size", "9"), ("numblocks", "2"), ("offset", "0"), ("numbytes", "2"), ("offset", "7"), ("numbytes", "2")];
    let v01 = [("size", "9"), ("numblocks", "2"), ("map", "0,2,7,2"), ("name", "real")];
    let v10 = [("major", "1"), ("minor", "0"), ("realsize", "9"), ("name", "real")];
    let in_data = [padded(b"2\n0\n2\n7\n2\n"), b"data".to_vec()].concat();
    let parts = [
        [old(size, &first, true, 25), more, padded(&[b'd'; 25])].concat(),
        [records(&v00), file(b"data")].concat(),
        [records(&v01), file(b"data")].concat(),
        [records(&v10), file(&in_data)].concat(),
        file(b"whole"),
        vec![0; 1024],
    ];
    parts.concat()
}

#[test]
fn every_format_may_be_in_one_tar() {
    let sizes: Vec<usize> = read_all(&every_format()).unwrap().iter().map(|(_, data)| data.len()).collect();
    assert_eq!(sizes, [500, 9, 9, 9, 5]);
}

proptest! {
    #[test]
    fn no_damage_makes_a_reader_panic_or_hand_out_more_than_its_limit(
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), b'0'..=b'9', Just(b'\n')]), 1..5),
    ) {
        let mut bytes = every_format();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        // Checksums are made to hold again, or damage would never get further than to them.
        for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            let sealed = sealed(block.try_into().unwrap());
            block.copy_from_slice(&sealed);
        }
        let limits = ReadLimits { entries: 1000, bytes: 1 << 16 };
        let mut reader = Reader::new(bytes.as_slice(), limits);
        let (mut found, mut sum) = (Vec::new(), 0);
        while let Ok(Some(member)) = reader.next_member() {
            let offset = reader.offset();
            let Ok(read) = std::io::copy(&mut reader, &mut std::io::sink()) else { break };
            prop_assert_eq!(read, member.size);
            sum += read;
            found.push((member, offset));
        }
        prop_assert!(sum <= limits.bytes);
        let mut reader = Reader::seekable(std::io::Cursor::new(bytes), limits).unwrap();
        for expected in found {
            prop_assert_eq!(reader.next_member().unwrap().map(|member| (member, reader.offset())), Some(expected));
        }
    }
}
