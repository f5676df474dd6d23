//! What is written is read again, by any number of threads, in any compression.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use dhow_fs::{Root, Work};
use dhow_layer::{
    Compression, Encoding, Entry, EntryKind, FileSource, LimitError, Limits, Member, MemberKind, Owner, PackError,
    PackOptions, Packed, Reader, UnpackError, UnpackOptions, decompress, diff_id, directory_entries, pack, unpack,
};
use proptest::prelude::*;

const COMPRESSIONS: [Compression; 4] =
    [Compression::None, Compression::Gzip { level: 1 }, Compression::Gzip { level: 0 }, Compression::Zstd { level: 1 }];

fn packed(root: &Root, entries: &[Entry], compression: Compression, threads: usize) -> (Packed, Vec<u8>) {
    let work = Work::default();
    let options = PackOptions { compression, threads: NonZero::new(threads).unwrap(), ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    let packed = pack(root, entries, &mut bytes, &options).unwrap();
    (packed, bytes)
}

/// Neither random nor constant, and the same everywhere.
fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    std::iter::repeat_with(|| if next() % 3 == 0 { b'a' } else { (next() % 64) as u8 }).take(size).collect()
}

fn tree() -> (tempfile::TempDir, Root, Vec<Entry>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("app/sub")).unwrap();
    for (number, size) in [0, 1, 511, 512, 513, 1_048_064, 3_000_000, 1_048_576, 700, 2_500_001].iter().enumerate() {
        let name = if number % 2 == 0 { format!("app/f{number}") } else { format!("app/sub/f{number}") };
        std::fs::write(directory.path().join(name), noise(*size, number as u32)).unwrap();
    }
    let root = Root::open(directory.path()).unwrap();
    let entries = directory_entries(&root, Path::new("/app"), Owner { uid: 1, gid: 2 }).unwrap();
    (directory, root, entries)
}

#[test]
fn bytes_are_the_same_at_any_number_of_threads() {
    let (_directory, root, entries) = tree();
    for compression in COMPRESSIONS {
        let alone = packed(&root, &entries, compression, 1);
        assert_eq!(alone.0.size, alone.1.len() as u64);
        for threads in [2, 3, 8, 40] {
            assert!(packed(&root, &entries, compression, threads) == alone, "{compression:?} by {threads}");
        }
    }
}

#[test]
fn the_diff_id_is_that_of_the_blob_s_tar() {
    let (_directory, root, entries) = tree();
    let work = Work::default();
    let (expected, size) = diff_id(&root, &entries, &PackOptions::new(&work)).unwrap();
    let report = work.report();
    assert_eq!((report.bytes_hashed, report.bytes_compressed, report.layers_packed), (size, 0, 0));
    assert_eq!(report.files_read, 10);
    for compression in COMPRESSIONS {
        let (packed, bytes) = packed(&root, &entries, compression, 2);
        assert_eq!(packed.diff_id, expected);
        let (encoding, mut tar) = decompress(bytes.as_slice()).unwrap();
        assert_eq!(Encoding::of(&compression.media_type()), Some(encoding));
        let mut plain = Vec::new();
        tar.read_to_end(&mut plain).unwrap();
        assert_eq!(dhow_oci::Digest::of(&plain), expected.0);
    }
}

#[test]
fn an_unpacked_layer_is_the_tree_it_came_from() {
    let (_directory, root, entries) = tree();
    let (packed, bytes) = packed(&root, &entries, Compression::default(), 2);
    let other = tempfile::tempdir().unwrap();
    let destination = Root::open(other.path()).unwrap();
    let work = Work::default();
    let unpacked = unpack(bytes.as_slice(), &destination, Path::new("/"), &UnpackOptions::image(&work)).unwrap();
    assert_eq!((unpacked.diff_id, unpacked.size), (packed.diff_id, packed.unpacked_size));
    assert_eq!(unpacked.entries, entries.len() as u64);
    let again = directory_entries(&destination, Path::new("/app"), Owner { uid: 1, gid: 2 }).unwrap();
    assert_eq!(again, entries);
    for entry in entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))) {
        let (before, after) = (root.read(&entry.path, 1 << 30), destination.read(&entry.path, 1 << 30));
        assert!(before.unwrap() == after.unwrap(), "{}", entry.path.display());
    }
}

#[test]
fn a_file_that_changed_since_it_was_listed_is_an_error() {
    let (directory, root, entries) = tree();
    let path = directory.path().join("app/sub/f9");
    let work = Work::default();
    let outcome = || pack(&root, &entries, &mut io::sink(), &PackOptions::new(&work)).unwrap_err();
    for size in [5, 3_000_000] {
        std::fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        assert!(matches!(outcome(), PackError::Changed { expected: 2_500_001, found, .. } if found == size));
    }
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(outcome().to_string(), format!("cannot open {}", path.display()));
    std::fs::remove_file(&path).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert_eq!(outcome().to_string(), format!("cannot open {}", path.display()));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outcome().to_string(), format!("cannot open {}", path.display()));
}

#[test]
fn a_hole_of_a_tebibyte_is_refused_by_name_before_anything_is_read() {
    let (directory, root, _) = tree();
    std::fs::File::create(directory.path().join("app/sub/hole")).unwrap().set_len(1 << 40).unwrap();
    let entries = directory_entries(&root, Path::new("/app"), Owner::ROOT).unwrap();
    let work = Work::default();
    let mut output = Vec::new();
    let packed = pack(&root, &entries, &mut output, &PackOptions::new(&work)).unwrap_err();
    let hashed = diff_id(&root, &entries, &PackOptions::new(&work)).unwrap_err();
    for error in [packed, hashed] {
        let PackError::Limit(LimitError::Bytes { largest, largest_size, limit, .. }) = error else { panic!("{error}") };
        assert_eq!((largest.as_path(), largest_size), (Path::new("/app/sub/hole"), 1 << 40));
        assert_eq!(limit, Limits::default().bytes);
    }
    assert_eq!((work.report().files_read, work.report().file_bytes_read, output.len()), (0, 0, 0));
}

#[test]
fn what_is_as_deep_as_can_be_unpacked_is_packed_and_nothing_deeper() {
    let chain = |depth: usize| "/d".repeat(depth);
    let layer = |depth: usize| {
        [
            Entry::directory(chain(depth), 0o755, Owner::ROOT),
            Entry::file(format!("{}/f", chain(depth)), *b"x", 0o644, Owner::ROOT),
        ]
    };
    let limits = Limits::default();
    let work = Work::default();
    let unpacked = |entries: &[Entry]| {
        let mut tar = Vec::new();
        let unlimited = Limits { depth: 10_000, ..limits };
        pack(&Root::host().unwrap(), entries, &mut tar, &PackOptions { limits: unlimited, ..PackOptions::new(&work) })
            .unwrap();
        let other = tempfile::tempdir().unwrap();
        unpack(tar.as_slice(), &Root::open(other.path()).unwrap(), Path::new("/"), &UnpackOptions::image(&work))
            .map(drop)
    };
    let packed = |entries: &[Entry]| pack(&Root::host().unwrap(), entries, &mut io::sink(), &PackOptions::new(&work));
    for entry in layer(limits.depth) {
        packed(std::slice::from_ref(&entry)).unwrap();
        unpacked(&[entry]).unwrap();
    }
    for entry in layer(limits.depth + 1) {
        let error = packed(std::slice::from_ref(&entry)).unwrap_err();
        assert!(matches!(error, PackError::Limit(LimitError::Depth { limit: 500, .. })));
        assert!(unpacked(&[entry]).is_err());
    }
}

/// Of a file of more than one block, the first block is handed on before the rest is read.
#[test]
fn a_file_that_grows_or_shrinks_while_it_is_packed_is_an_error() {
    struct Meanwhile<'a>(&'a Path, Option<u64>);
    impl Write for Meanwhile<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(size) = self.1.take() {
                std::fs::File::options().write(true).open(self.0)?.set_len(size)?;
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    let root = Root::open(directory.path()).unwrap();
    let work = Work::default();
    let options =
        PackOptions { compression: Compression::None, threads: NonZero::<usize>::MIN, ..PackOptions::new(&work) };
    let size = 3 << 20;
    for (later, expected) in
        [(size + 1, Some(size + 1)), (size + 5000, Some(size + 1)), (size, None), (2 << 20, Some(2 << 20))]
    {
        std::fs::write(&path, noise(3 << 20, 1)).unwrap();
        let entry = Entry {
            kind: EntryKind::File(FileSource::InRoot { path: "/f".into(), size }),
            ..Entry::file("/f", *b"", 0o644, Owner::ROOT)
        };
        let outcome = pack(&root, &[entry], &mut Meanwhile(&path, Some(later)), &options);
        match (outcome, expected) {
            (Ok(_), None) => {}
            (Err(PackError::Changed { path, expected, found }), Some(later)) => {
                assert_eq!((path.as_path(), expected, found), (Path::new("/f"), size, later));
            }
            (outcome, _) => panic!("{later}: {outcome:?}"),
        }
    }
}

#[test]
fn an_output_that_fails_ends_the_pipeline() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (_directory, root, entries) = tree();
    let work = Work::default();
    for threads in [1, 2, 5] {
        for room in [0, 100_000, 3_000_000] {
            let threads = NonZero::new(threads).unwrap();
            let options = PackOptions { threads, ..PackOptions::new(&work) };
            let error = pack(&root, &entries, &mut Full(room), &options).unwrap_err();
            assert!(matches!(error, PackError::Output(source) if source.kind() == io::ErrorKind::StorageFull));
        }
    }
}

#[test]
fn levels_that_do_not_exist_are_errors() {
    let (_directory, root, entries) = tree();
    let work = Work::default();
    for compression in
        [Compression::Gzip { level: 13 }, Compression::Gzip { level: -1 }, Compression::Zstd { level: 99 }]
    {
        let options = PackOptions { compression, ..PackOptions::new(&work) };
        assert!(matches!(pack(&root, &entries, &mut io::sink(), &options), Err(PackError::Level(_))));
    }
}

#[test]
fn damaged_and_mislabelled_blobs_are_errors() {
    let (_directory, root, entries) = tree();
    let (_, bytes) = packed(&root, &entries, Compression::default(), 2);
    let unpacked = |bytes: &[u8], encoding| {
        let other = tempfile::tempdir().unwrap();
        let work = Work::default();
        let options = UnpackOptions { encoding, ..UnpackOptions::image(&work) };
        unpack(bytes, &Root::open(other.path()).unwrap(), Path::new("/"), &options)
    };
    for length in [0, 1, 10, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        assert!(unpacked(&bytes[..length], Some(Encoding::Gzip)).is_err(), "{length}");
    }
    for place in [20, bytes.len() / 2, bytes.len() - 5] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        assert!(unpacked(&damaged, None).is_err(), "{place}");
    }
    assert!(matches!(unpacked(&bytes, Some(Encoding::Zstd)), Err(UnpackError::Encoding { .. })));
    unpacked(&bytes, Some(Encoding::Gzip)).unwrap();
}

fn name() -> impl Strategy<Value = PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let byte = prop_oneof![4 => b'a'..=b'z', 1 => 1_u8..=255, 1 => Just(b'/')];
    prop_oneof![
        prop::collection::vec(byte.clone(), 1..40),
        prop::collection::vec(byte.clone(), 90..110),
        prop::collection::vec(byte, 150..400)
    ]
    .prop_map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        Just(EntryKind::Directory),
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(|bytes| EntryKind::File(FileSource::Bytes(bytes.into()))),
        name().prop_map(EntryKind::Symlink),
        name().prop_map(EntryKind::HardLink),
        Just(EntryKind::Fifo),
        (0_u32..4096, 0_u32..1 << 20).prop_map(|(major, minor)| EntryKind::CharDevice { major, minor }),
        (0_u32..4096, 0_u32..1 << 20).prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let id = || prop_oneof![0_u64..3000, 2_097_150_u64..2_097_155, 0_u64..1 << 60];
    (name(), kind(), 0_u32..0o10000, id(), id()).prop_map(|(path, kind, mode, uid, gid)| Entry {
        path,
        kind,
        mode,
        owner: Owner { uid, gid },
    })
}

fn as_read(entry: &Entry, modified: i64) -> (Member, Vec<u8>) {
    let mut data = Vec::new();
    let kind = match &entry.kind {
        EntryKind::Directory => MemberKind::Directory,
        EntryKind::File(FileSource::Bytes(bytes)) => {
            data.extend_from_slice(bytes);
            MemberKind::File
        }
        EntryKind::File(FileSource::InRoot { .. }) => unreachable!("not generated"),
        EntryKind::Symlink(target) => MemberKind::Symlink(target.clone()),
        EntryKind::HardLink(target) => MemberKind::HardLink(target.clone()),
        EntryKind::Fifo => MemberKind::Fifo,
        EntryKind::CharDevice { major, minor } => MemberKind::CharDevice { major: *major, minor: *minor },
        EntryKind::BlockDevice { major, minor } => MemberKind::BlockDevice { major: *major, minor: *minor },
    };
    let (path, mode, owner, size) = (entry.path.clone(), entry.mode, entry.owner, data.len() as u64);
    (Member { path, kind, mode, owner, size, sparse: None, modified, attributes: 0, capabilities: false }, data)
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(entry(), 0..8), modified in -(1_i64 << 40)..1 << 40) {
        let work = Work::default();
        let options = PackOptions { compression: Compression::None, modified, ..PackOptions::new(&work) };
        let mut bytes = Vec::new();
        let packed = pack(&Root::host().unwrap(), &entries, &mut bytes, &options).unwrap();
        let mut reader = Reader::new(bytes.as_slice(), Limits::default());
        let mut members = Vec::new();
        while let Some(member) = reader.next_member().unwrap() {
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            members.push((member, data));
        }
        prop_assert_eq!(reader.finish().unwrap(), packed.unpacked_size);
        let expected: Vec<_> = entries.iter().map(|entry| as_read(entry, modified)).collect();
        prop_assert_eq!(members, expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut reader = Reader::new(bytes.as_slice(), Limits::default());
        while let Ok(Some(_)) = reader.next_member() {}
        let _ended = reader.finish();
    }

    #[test]
    fn no_damage_makes_the_reader_panic(
        entries in prop::collection::vec(entry(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let work = Work::default();
        let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
        let mut bytes = Vec::new();
        pack(&Root::host().unwrap(), &entries, &mut bytes, &options).unwrap();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        // Checksums are made to hold again, or damage would never get further than to them.
        for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let mut reader = Reader::new(bytes.as_slice(), Limits::default());
        while let Ok(Some(_)) = reader.next_member() {}
        let _ended = reader.finish();
    }
}
