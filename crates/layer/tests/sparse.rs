//! Sparse files as GNU tar writes them, unpacked and imported.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use dhow_fs::{Root, Work};
use dhow_layer::{ImportOptions, Limits, PackOptions, UnpackOptions, import, unpack};

const FORMATS: [&[&str]; 4] = [
    &["--format=gnu"],
    &["--format=pax", "--sparse-version=0.0"],
    &["--format=pax", "--sparse-version=0.1"],
    &["--format=pax", "--sparse-version=1.0"],
];

const MIB: u64 = 1 << 20;

/// Names, sizes, and places of data.
const FILES: [(&str, u64, &[u64]); 4] = [
    ("hole-at-end", 8 * MIB, &[0]),
    ("hole-at-start", 8 * MIB + 17, &[8 * MIB]),
    ("holes", 9 * MIB, &[0, MIB, 3 * MIB, 5 * MIB, 7 * MIB, 8 * MIB]),
    ("hole-alone", 4 * MIB, &[]),
];

fn make(directory: &Path) {
    for (name, size, places) in FILES {
        let file = std::fs::File::create(directory.join(name)).unwrap();
        file.set_len(size).unwrap();
        for place in places {
            file.write_all_at(b"seventeen letters", *place).unwrap();
        }
    }
    std::fs::write(directory.join("whole"), "whole").unwrap();
}

fn gnu_tar(directory: &Path, options: &[&str]) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--create", "--sparse", "--hole-detection=raw", "--file=-", "--directory"])
        .arg(directory)
        .args(options)
        .args(FILES.map(|(name, _, _)| name))
        .arg("whole")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn assert_unpacked(layer: &[u8], originals: &Path) {
    let base = tempfile::tempdir().unwrap();
    let root = Root::open(base.path()).unwrap();
    let work = Work::default();
    let unpacked = unpack(layer, &root, Path::new("/"), &UnpackOptions::image(&work)).unwrap();
    assert_eq!(unpacked.entries, 5);
    for (name, size, _) in FILES {
        let (before, after) = (originals.join(name), base.path().join(name));
        assert!(std::fs::read(&before).unwrap() == std::fs::read(&after).unwrap(), "{name}");
        // In blocks of 512 bytes, whatever a hole takes on this file system.
        let room = |path: &Path| path.metadata().unwrap().blocks() * 512;
        assert!(room(&after) <= room(&before).max(64 * 1024), "{name} of {size} bytes takes {}", room(&after));
    }
    assert_eq!(std::fs::read_to_string(base.path().join("whole")).unwrap(), "whole");
}

#[test]
fn sparse_files_are_unpacked_with_their_holes() {
    let originals = tempfile::tempdir().unwrap();
    make(originals.path());
    for options in FORMATS {
        let tar = gnu_tar(originals.path(), options);
        assert!(tar.len() < 200_000, "{options:?} makes a tar without holes");
        assert_unpacked(&tar, originals.path());
    }
}

#[test]
fn sparse_files_are_imported_as_they_are() {
    let originals = tempfile::tempdir().unwrap();
    make(originals.path());
    let work = Work::default();
    let wanted = |name: &Path| name == Path::new("hole-alone") || name == Path::new("holes");
    let options = ImportOptions { pack: PackOptions::new(&work), keep: &wanted, keep_limit: 8 * MIB };
    for format in FORMATS {
        let tar = gnu_tar(originals.path(), format);
        let mut layer = Vec::new();
        let imported = import(tar.as_slice(), &mut layer, &options).unwrap();
        assert_eq!(imported.packed.diff_id.0, dhow_oci::Digest::of(&tar), "{format:?}");
        let read = |name: &str| imported.tree.read(Path::new(name));
        assert_eq!(read("hole-alone"), Some(vec![0; 4 << 20].as_slice()), "{format:?}");
        assert_eq!(read("holes"), None, "{format:?}: larger than the limit");
        assert_unpacked(&layer, originals.path());
    }
}

#[test]
fn holes_beyond_the_limit_are_refused_before_a_file_is_made() {
    let originals = tempfile::tempdir().unwrap();
    make(originals.path());
    let work = Work::default();
    let limits = Limits { bytes: 9 * MIB, ..Limits::default() };
    for format in FORMATS {
        let tar = gnu_tar(originals.path(), format);
        let base = tempfile::tempdir().unwrap();
        let root = Root::open(base.path()).unwrap();
        let options = UnpackOptions { limits, ..UnpackOptions::image(&work) };
        let error = unpack(tar.as_slice(), &root, Path::new("/"), &options).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the tar has more than {} bytes with hole-at-start, which has {}", 9 * MIB, 8 * MIB + 17)
        );
        assert!(!base.path().join("hole-at-start").exists());
    }
}
