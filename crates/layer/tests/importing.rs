//! Root filesystems from elsewhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use dhow_fs::{Root, Work};
use dhow_layer::{
    Compression, Encoding, Entry, ImportError, ImportOptions, Imported, Kept, Owner, PackOptions, import, pack,
};

fn tar(entries: &[Entry]) -> Vec<u8> {
    let work = Work::default();
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
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
    ["etc/passwd", "etc/os-release", "usr/lib/os-release", "usr/lib/library.so"]
        .iter()
        .any(|want| name == Path::new(want))
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
    let mut first: Option<(Imported, Vec<u8>)> = None;
    for (archive, encoding) in archives {
        let mut layer = Vec::new();
        let result = imported(&archive, &mut layer).unwrap();
        assert_eq!(result.encoding, encoding);
        assert_eq!(result.packed.diff_id.0, dhow_oci::Digest::of(&tar));
        assert_eq!(result.packed.digest, dhow_oci::Digest::of(&layer));
        assert_eq!((result.packed.size, result.packed.unpacked_size), (layer.len() as u64, tar.len() as u64));
        assert_eq!(result.entries, 5);
        let (known, bytes) = first.get_or_insert((result.clone(), layer.clone()));
        assert_eq!(known.packed, result.packed);
        assert!(*bytes == layer);
    }
}

#[test]
fn entries_that_were_asked_for_are_handed_out() {
    let result = imported(&tar(&root_filesystem()), &mut Vec::new()).unwrap();
    let expected = BTreeMap::from([
        (PathBuf::from("etc/passwd"), Kept::File(b"root:x:0:0::/root:/bin/sh\n".to_vec())),
        (PathBuf::from("etc/os-release"), Kept::Symlink("../usr/lib/os-release".into())),
        (PathBuf::from("usr/lib/os-release"), Kept::File(b"ID=debian\n".to_vec())),
        (PathBuf::from("usr/lib/library.so"), Kept::TooLarge(5_000_000)),
    ]);
    assert_eq!(result.kept, expected);
}

#[test]
fn what_could_not_be_unpacked_is_refused() {
    let up = tar(&[Entry::file("../x", *b"", 0o644, Owner::ROOT)]);
    assert!(matches!(imported(&up, &mut Vec::new()), Err(ImportError::Unsafe(path)) if path == Path::new("../x")));
    let whole = tar(&root_filesystem());
    assert!(matches!(imported(&whole[..2_000_000], &mut Vec::new()), Err(ImportError::Read(_))));
    assert!(matches!(imported(b"not a tar", &mut Vec::new()), Err(ImportError::Read(_))));
}
