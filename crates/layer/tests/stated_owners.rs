//! A walk through what layers show, with the owners that the image states, whoever unpacks.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use dhow_fs::{Root, Step, Work};
use dhow_layer::{
    Compression, Entry, EntryKind, Owner, Owners, PackOptions, Stack, StatedOwners, UnpackOptions, Whiteouts, pack,
    unpack,
};

const CNB: Owner = Owner { uid: 1000, gid: 1001 };
const ROOT: Owner = Owner::ROOT;

fn tar(entries: &[Entry]) -> Vec<u8> {
    let work = Work::default();
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    pack(&Root::host().unwrap(), entries, &mut bytes, &options).unwrap();
    bytes
}

/// Unpacks layers, the lowest first, each into a directory of its own, and returns them topmost first.
fn unpacked(base: &Path, layers: &[&[Entry]]) -> Vec<PathBuf> {
    let work = Work::default();
    let mut directories: Vec<PathBuf> = Vec::new();
    for (number, entries) in layers.iter().enumerate() {
        let directory = base.join(number.to_string());
        fs::create_dir(&directory).unwrap();
        let below = Stack::open(&directories).unwrap();
        let whiteouts = Whiteouts::Overlay(&below);
        let options = UnpackOptions { whiteouts, owners: Owners::Note, ..UnpackOptions::image(&work) };
        unpack(tar(entries).as_slice(), &Root::open(&directory).unwrap(), Path::new("/"), &options).unwrap();
        directories.insert(0, directory);
    }
    directories
}

/// What a walk comes across: path, mode and owner.
fn shown(directories: &[PathBuf], skip: &str) -> Vec<String> {
    let mut shown = Vec::new();
    Stack::open(directories)
        .unwrap()
        .walk(StatedOwners::Noted, |path, stat, owner| {
            shown.push(format!("{} {:o} {}:{}", path.display(), stat.mode, owner.uid, owner.gid));
            if path == Path::new(skip) { Step::Skip } else { Step::Enter }
        })
        .unwrap();
    shown
}

#[test]
fn owners_are_those_of_the_image_through_all_layers() {
    let base = tempfile::tempdir().unwrap();
    let lower = [
        Entry::directory("opt", 0o755, ROOT),
        Entry::directory("opt/tool", 0o750, CNB),
        Entry::file("opt/tool/own", *b"", 0o444, CNB),
        Entry::file("opt/tool/replaced", *b"", 0o644, CNB),
        Entry::file("opt/tool/roots", *b"", 0o644, ROOT),
        Entry::directory("gone", 0o777, CNB),
        Entry::file("gone/file", *b"", 0o644, CNB),
        Entry::directory("returned", 0o777, CNB),
        Entry::directory("taken", 0o755, CNB),
        Entry::directory("sticky", 0o1777, ROOT),
    ];
    let hard_link =
        Entry { path: "linked".into(), kind: EntryKind::HardLink("opt/tool/own".into()), mode: 0o444, owner: CNB };
    let upper = [
        // Its directories have no entries: they are as below.
        Entry::file("opt/tool/replaced", *b"", 0o600, ROOT),
        Entry::file(".wh.gone", *b"", 0o644, ROOT),
        Entry::file(".wh.returned", *b"", 0o644, ROOT),
        Entry::file("returned/file", *b"", 0o644, ROOT),
        Entry::directory("taken", 0o755, ROOT),
        Entry::symlink("link", "opt/tool", 0o777, CNB),
        hard_link,
    ];
    let directories = unpacked(base.path(), &[&lower, &upper]);
    // No layer names the root, so it is whose it is on the disk.
    let root = format!("/ 755 {}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let expected = [
        root.as_str(),
        "/link 777 0:0",
        "/linked 444 1000:1001",
        "/opt 755 0:0",
        "/opt/tool 750 1000:1001",
        "/opt/tool/own 444 1000:1001",
        "/opt/tool/replaced 600 0:0",
        "/opt/tool/roots 644 0:0",
        "/returned 755 0:0",
        "/returned/file 644 0:0",
        "/sticky 1777 0:0",
        "/taken 755 0:0",
    ];
    assert_eq!(shown(&directories, ""), expected);
    let without = |line: &&&str| !line.starts_with("/opt/tool/");
    let expected: Vec<&str> = expected.iter().filter(without).copied().collect();
    assert_eq!(shown(&directories, "/opt/tool"), expected);
}

#[test]
fn owners_of_layers_that_share_a_directory_are_those_of_the_last() {
    let base = tempfile::tempdir().unwrap();
    let work = Work::default();
    let root = Root::open(base.path()).unwrap();
    for owner in [CNB, ROOT] {
        let entries = [Entry::directory("a", 0o755, owner), Entry::file("a/b", *b"", 0o644, owner)];
        let options = UnpackOptions { owners: Owners::Note, ..UnpackOptions::image(&work) };
        unpack(tar(&entries).as_slice(), &root, Path::new("/"), &options).unwrap();
    }
    assert_eq!(shown(&[base.path().to_owned()], "")[1..], ["/a 755 0:0", "/a/b 644 0:0"]);
}
