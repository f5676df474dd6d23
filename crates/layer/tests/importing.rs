//! Root filesystems from elsewhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write;
use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_layer::{
    Compression, Encoding, Entry, EntryKind, ImportError, ImportOptions, Imported, Limits, Owner, Owners, PackOptions,
    Packed, UnpackOptions, import, pack, unpack,
};

fn tar(entries: &[Entry]) -> Vec<u8> {
    let work = Work::default();
    let limits = Limits { depth: 1000, ..Limits::DEFAULT };
    let options = PackOptions { compression: Compression::None, limits, ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    pack(&Root::host().unwrap(), entries, &mut bytes, &options).unwrap();
    bytes
}

fn root_filesystem() -> Vec<Entry> {
    let owner = Owner::ROOT;
    let library: Vec<u8> = (0..5_000_000_u32).map(|number| (number / 3 % 251) as u8).collect();
    vec![
        Entry::directory("./etc", 0o755, owner),
        Entry::file("./etc/passwd", *b"root:x:0:0::/root:/bin/sh\n", 0o644, owner),
        Entry::symlink("./etc/os-release", "../usr/lib/os-release", 0o777, owner),
        Entry::file("./usr/lib/os-release", *b"ID=debian\n", 0o644, owner),
        Entry::file("./usr/lib/library.so", library, 0o644, owner),
    ]
}

fn wanted(name: &Path) -> bool {
    name.ends_with("passwd") || name.ends_with("os-release") || name.ends_with("library.so")
}

fn imported(archive: &[u8], output: &mut dyn Write) -> Result<Imported, ImportError> {
    let work = Work::default();
    let options = ImportOptions { pack: PackOptions::new(&work), keep: &wanted, keep_limit: 1000 };
    import(archive, output, &options)
}

#[test]
fn the_layer_depends_on_the_tar_and_not_on_its_compression() {
    let tar = tar(&root_filesystem());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&tar).unwrap();
    let archives = [
        (tar.clone(), Encoding::Plain),
        (encoder.finish().unwrap(), Encoding::Gzip),
        (zstd::bulk::compress(&tar, 3).unwrap(), Encoding::Zstd),
    ];
    let mut first: Option<(Packed, Vec<u8>)> = None;
    for (archive, encoding) in archives {
        let mut layer = Vec::new();
        let result = imported(&archive, &mut layer).unwrap();
        assert_eq!(result.encoding, encoding);
        assert_eq!(result.packed.diff_id.0, dhow_oci::Digest::of(&tar));
        assert_eq!(result.packed.digest, dhow_oci::Digest::of(&layer));
        assert_eq!((result.packed.size, result.packed.unpacked_size), (layer.len() as u64, tar.len() as u64));
        assert_eq!(result.entries, 5);
        let (known, bytes) = first.get_or_insert((result.packed.clone(), layer.clone()));
        assert_eq!(*known, result.packed);
        assert!(*bytes == layer);
    }
}

#[test]
fn files_that_were_asked_for_are_found_as_a_program_would_find_them() {
    let owner = Owner::ROOT;
    let read = |entries: &[Entry], name: &str| {
        let result = imported(&tar(entries), &mut Vec::new()).unwrap();
        result.tree.read(Path::new(name)).map(|content| String::from_utf8(content.to_vec()).unwrap())
    };
    let file = |name: &str, content: &str| Entry::file(name, content.as_bytes(), 0o644, owner);
    let link = |name: &str, target: &str| Entry::symlink(name, target, 0o777, owner);
    let plain = root_filesystem();
    assert_eq!(read(&plain, "etc/os-release").as_deref(), Some("ID=debian\n"));
    assert_eq!(read(&plain, "/etc/passwd").as_deref(), Some("root:x:0:0::/root:/bin/sh\n"));
    assert_eq!(read(&plain, "usr/lib/library.so"), None, "larger than the limit");
    assert_eq!(read(&plain, "usr/lib"), None);
    let usr = || vec![link("etc", "/usr/etc"), file("usr/lib/os-release", "1")];
    let tables = [
        (vec![link("etc/os-release", "../lib/os-release")], Some("1")),
        (vec![link("etc/os-release", "../../../usr/lib/os-release")], Some("1")),
        (
            vec![link("etc/os-release", "one"), link("etc/one", "two"), link("etc/two", "/usr/lib/os-release")],
            Some("1"),
        ),
        (vec![hard_link("etc/os-release", "./usr/lib/os-release")], Some("1")),
        (vec![hard_link("etc/os-release", "usr/lib/os-release"), file("usr/lib/os-release", "2")], Some("1")),
        (vec![file("etc/os-release", "1"), file("usr/etc/os-release", "2")], Some("2")),
        (vec![file("etc/os-release", "1"), Entry::directory("etc/os-release", 0o755, owner)], None),
        (vec![file("etc/os-release", "1"), file("usr/etc", "2")], None),
        (vec![file("etc/os-release", "1"), Entry::directory("etc", 0o755, owner)], None),
        (vec![link("etc/os-release", "os-release")], None),
        (vec![link("etc/os-release", "/none/os-release")], None),
    ];
    for (entries, expected) in tables {
        let entries = [usr(), entries].concat();
        assert_eq!(read(&entries, "etc/os-release").as_deref(), expected, "{entries:?}");
    }
}

fn hard_link(name: &str, target: &str) -> Entry {
    Entry { path: name.into(), kind: EntryKind::HardLink(target.into()), mode: 0o644, owner: Owner::ROOT }
}

/// Importing and unpacking refuse the same, with the same words.
#[test]
fn what_could_not_be_unpacked_is_refused() {
    let owner = Owner::ROOT;
    let file = |name: &str| Entry::file(name, *b"", 0o644, owner);
    let link = |name: &str, target: &str| Entry::symlink(name, target, 0o777, owner);
    let deep = "d/".repeat(501) + "x";
    let refused = [
        (vec![file("../x")], "a name with `..`"),
        (vec![file("x"), hard_link("y", "a/../x")], "a name with `..`"),
        (vec![file(".")], "would replace the root"),
        (vec![link("./", "x")], "would replace the root"),
        (vec![file("a/.wh.")], "a whiteout of nothing"),
        (vec![file(".wh...")], "a whiteout of nothing"),
        (vec![file(&"n".repeat(256))], "more than 255 bytes"),
        (vec![file(&deep)], "more than 500 directories deep"),
        (
            vec![Entry::directory(deep.trim_end_matches("/x").to_owned(), 0o755, owner)],
            "more than 500 directories deep",
        ),
        (vec![Entry::file("x", *b"", 0o644, Owner { uid: 1 << 32, gid: 0 })], "no id of the kernel"),
        (vec![Entry::file("x", *b"", 0o644, Owner { uid: 0, gid: u64::from(u32::MAX) })], "no id of the kernel"),
        (vec![hard_link("x", "none")], "a hard link to what is no file"),
        (vec![Entry::directory("d", 0o755, owner), hard_link("x", "d")], "a hard link to what is no file"),
        (vec![hard_link("x", "/")], "a hard link to the root"),
        (vec![file("a"), file("a/b")], "below a file"),
        (vec![file("a"), link("l", "a"), file("l/b")], "below a file"),
        (vec![link("a", "b"), link("b", "a"), file("a/x")], "lead in a circle"),
        (vec![link("a", &"x".repeat(4096))], "too long"),
    ];
    for (entries, reason) in refused {
        let archive = tar(&entries);
        let error = imported(&archive, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, and not {reason}");
        let (work, directory) = (Work::default(), tempfile::tempdir().unwrap());
        let options = UnpackOptions { owners: Owners::Set, ..UnpackOptions::image(&work) };
        let root = Root::open(directory.path()).unwrap();
        assert!(unpack(archive.as_slice(), &root, Path::new("/"), &options).is_err(), "unpacking takes {reason}");
    }
    let whole = tar(&root_filesystem());
    assert!(matches!(imported(&whole[..2_000_000], &mut Vec::new()), Err(ImportError::Read(_))));
    assert!(matches!(imported(b"not a tar", &mut Vec::new()), Err(ImportError::Read(_))));
}

#[test]
fn what_is_odd_and_can_be_unpacked_is_taken() {
    let owner = Owner::ROOT;
    let file = |name: &str| Entry::file(name, *b"", 0o644, owner);
    let entries = [
        file(&("d/".repeat(500) + "x")),
        file(&"n".repeat(255)),
        file("a/.wh.b"),
        file("c/.wh..wh..opq"),
        file("e"),
        hard_link("e", "e"),
        Entry::directory("e", 0o755, owner),
        file("e/f"),
        hard_link("e/g", "e/f"),
        file("e"),
        Entry::directory("e", 0o755, owner),
        file("e/f/h"),
        Entry::file("x", *b"", 0o644, Owner { uid: u64::from(u32::MAX) - 1, gid: 0 }),
    ];
    let archive = tar(&entries);
    imported(&archive, &mut Vec::new()).unwrap();
    let (work, directory) = (Work::default(), tempfile::tempdir().unwrap());
    let root = Root::open(directory.path()).unwrap();
    unpack(archive.as_slice(), &root, Path::new("/"), &UnpackOptions::image(&work)).unwrap();
}
