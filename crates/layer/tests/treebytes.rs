//! A tree with every kind of difficult name, mode, link and length, packed to the diffIDs that the
//! reference lifecycle 0.21.17 gave to it.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

mod tree;

use std::path::Path;

use dhow_fs::{IdRun, Ownership, Root, Work};
use dhow_layer::{Compression, Owner, PackOptions, UnpackOptions, diff_id, directory_entries, pack, unpack};

const OWNER: Owner = Owner { uid: 1000, gid: 1000 };

/// The parents belong to user 1000 there; whoever runs the tests is shown as that user.
fn scratch() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let run = |outside| vec![IdRun { inside: 1000, outside, count: 1 }];
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let root = Root::open(directory.path()).unwrap();
    (directory, root.with_ownership(Ownership::Mapped { uids: run(uid), gids: run(gid) }))
}

fn diff_id_of(root: &Root, path: &str) -> String {
    let work = Work::default();
    let entries = directory_entries(root, Path::new(path), OWNER).unwrap();
    diff_id(root, &entries, &PackOptions::new(&work)).unwrap().0.to_string()
}

/// The app is packed as a slice: its entries are sorted by their whole path, not directory by directory.
#[test]
fn the_app_layer_has_the_reference_s_diff_id() {
    let (directory, root) = scratch();
    tree::fill(directory.path(), "/workspace");
    let work = Work::default();
    let mut entries = directory_entries(&root, Path::new("/workspace/"), OWNER).unwrap();
    entries.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    let (diff_id, size) = diff_id(&root, &entries, &PackOptions::new(&work)).unwrap();
    assert_eq!(size, 148_480);
    assert_eq!(diff_id.to_string(), "sha256:058aa2f9830c4ef088ce6c8c6275759d860bdc934b448cc72809a780a7037fd1");
}

#[test]
fn the_buildpack_layer_has_the_reference_s_diff_id() {
    let (directory, root) = scratch();
    tree::fill(directory.path(), "/layers/golden_tree/tree");
    assert_eq!(
        diff_id_of(&root, "/layers/golden_tree/tree"),
        "sha256:1b923b1c1ccc535096e3213955ed12d814a3eed8489b47072ce0d80d3ee6a4e2"
    );
}

#[test]
fn an_empty_layer_has_the_reference_s_diff_id() {
    let (directory, root) = scratch();
    tree::make_directories(directory.path(), "/layers/golden_tree/emptylayer");
    assert_eq!(
        diff_id_of(&root, "/layers/golden_tree/emptylayer"),
        "sha256:e65b30beb8c5c6970e5f92b99b2d40dbc136a522ac8b383160878c85b1334827"
    );
}

#[test]
fn a_fifo_is_packed_and_a_socket_left_out() {
    for (kind, expected) in [
        ("fifo", "sha256:6dab8dd139dcd525af8ba86696a78e4571815689e0ec16569b896e7120121a22"),
        ("socket", "sha256:5e0761a6b9f5c10ab26b91fc719d0b7c7c3eb05fa7df0b96f257a2d532b5be9d"),
    ] {
        let (directory, root) = scratch();
        let base = tree::make_directories(directory.path(), "/layers/golden_tree/tree");
        tree::special(&base, kind);
        assert_eq!(diff_id_of(&root, "/layers/golden_tree/tree"), expected, "{kind}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (directory, root) = scratch();
    let base = tree::make_directories(directory.path(), "/workspace");
    tree::special(&base, "unreadable");
    if std::fs::File::open(base.join("m0000")).is_ok() {
        return; // a privileged user reads everything
    }
    let work = Work::default();
    let entries = directory_entries(&root, Path::new("/workspace"), OWNER).unwrap();
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
    let error = pack(&root, &entries, &mut Vec::new(), &options).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot open {}", base.join("m0000").display()));
}

#[test]
fn a_layer_that_is_restored_packs_to_the_same_diff_id() {
    let (directory, root) = scratch();
    tree::fill(directory.path(), "/layers/golden_tree/tree");
    let work = Work::default();
    let entries = directory_entries(&root, Path::new("/layers/golden_tree/tree"), OWNER).unwrap();
    let mut blob = Vec::new();
    let packed = pack(&root, &entries, &mut blob, &PackOptions::new(&work)).unwrap();
    let (_other, restored) = scratch();
    let unpacked = unpack(blob.as_slice(), &restored, Path::new("/"), &UnpackOptions::lifecycle(&work)).unwrap();
    assert_eq!(unpacked.diff_id, packed.diff_id);
    assert_eq!(unpacked.size, packed.unpacked_size);
    // setuid and setgid are kept, other than by the reference (golden point 16).
    assert_eq!(diff_id_of(&restored, "/layers/golden_tree/tree"), packed.diff_id.to_string());
}
