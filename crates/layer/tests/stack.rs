//! Files of an image are found as a program in it would find them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use dhow_fs::{FileKind, Root, Work};
use dhow_layer::{Compression, Entry, EntryKind, Owner, PackOptions, Stack, UnpackOptions, Whiteouts, pack, unpack};

/// The directories of layers, topmost first, and what holds them.
struct Layers {
    scratch: tempfile::TempDir,
    directories: Vec<PathBuf>,
}

impl Layers {
    /// Unpacks layers on top of each other, the lowest first.
    fn new(layers: &[&[Entry]]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut directories: Vec<PathBuf> = Vec::new();
        for (number, entries) in layers.iter().enumerate() {
            let work = Work::default();
            let pack_options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
            let mut tar = Vec::new();
            pack(&Root::host().unwrap(), entries, &mut tar, &pack_options).unwrap();
            let directory = scratch.path().join(number.to_string());
            Root::host().unwrap().create_directory(&directory, 0o755).unwrap();
            let below = Stack::open(&directories).unwrap();
            let options = UnpackOptions { whiteouts: Whiteouts::Overlay(&below), ..UnpackOptions::image(&work) };
            unpack(tar.as_slice(), &Root::open(&directory).unwrap(), Path::new("/"), &options).unwrap();
            directories.insert(0, directory);
        }
        Self { scratch, directories }
    }

    fn stack(&self) -> Stack {
        Stack::open(&self.directories).unwrap()
    }

    fn read(&self, path: &str) -> Option<String> {
        self.stack().read_to_string(Path::new(path), 1000).unwrap()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let names = self.stack().names(Path::new(path)).unwrap();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    }
}

fn file(path: &str, content: &str) -> Entry {
    Entry::file(path, content.as_bytes(), 0o644, Owner::ROOT)
}

fn directory(path: &str, mode: u32) -> Entry {
    Entry::directory(path, mode, Owner::ROOT)
}

fn link(path: &str, target: &str) -> Entry {
    Entry::symlink(path, target, 0o777, Owner::ROOT)
}

#[test]
fn what_is_deleted_or_hidden_is_not_found() {
    let layers = Layers::new(&[
        &[file("cnb/system.toml", "old"), file("opaque/old", "x"), file("becomes/a-file", "x"), file("kept", "x")],
        &[
            file("cnb/.wh.system.toml", ""),
            file("opaque/.wh..wh..opq", ""),
            file("opaque/new", "y"),
            file("becomes", "y"),
        ],
        &[file("cnb/order.toml", "z")],
    ]);
    assert_eq!(layers.read("/cnb/system.toml"), None);
    assert_eq!(layers.read("/opaque/old"), None);
    assert_eq!(layers.read("/becomes/a-file"), None);
    assert_eq!(layers.read("/opaque/new").as_deref(), Some("y"));
    assert_eq!(layers.read("/cnb/order.toml").as_deref(), Some("z"));
    assert_eq!(layers.read("kept").as_deref(), Some("x"));
    assert_eq!(layers.names("/"), ["becomes", "cnb", "kept", "opaque"]);
    assert_eq!(layers.names("/cnb"), ["order.toml"]);
    assert_eq!(layers.names("/opaque"), ["new"]);
    assert_eq!(layers.names("/becomes"), <[&str; 0]>::default());
    assert_eq!(layers.names("/none"), <[&str; 0]>::default());
}

#[test]
fn what_lies_below_a_file_shows_in_no_directory_above_it() {
    let layers = Layers::new(&[
        &[file("a/old", ""), file("b/old", "")],
        &[file("a", ""), file(".wh.b", "")],
        &[file("a/new", ""), directory("b", 0o755)],
        &[file("a/.wh.old", ""), file("b/newer", "")],
    ]);
    assert_eq!(layers.names("/a"), ["new"]);
    assert_eq!(layers.names("/b"), ["newer"]);
    assert_eq!(layers.read("/a/old"), None);
    let topmost = Root::open(&layers.directories[0]).unwrap();
    assert!(!topmost.exists(Path::new("/a")), "of nothing there is no mark");
}

#[test]
fn links_lead_from_one_layer_into_another_and_never_out() {
    let layers = Layers::new(&[
        &[file("usr/etc/passwd", "lower"), file("usr/etc/group", "lower"), link("etc", "usr/etc")],
        &[link("cnb/order.toml", "../orders/new.toml"), file("cnb/other", ""), link("up", "../../../../usr")],
        &[file("orders/new.toml", "upper"), file("etc/passwd", "upper"), link("circle", "/circle")],
    ]);
    assert_eq!(layers.read("/cnb/order.toml").as_deref(), Some("upper"));
    assert_eq!(layers.read("/etc/passwd").as_deref(), Some("upper"));
    assert_eq!(layers.read("/etc/group").as_deref(), Some("lower"));
    assert_eq!(layers.read("/up/etc/../etc/group").as_deref(), Some("lower"));
    assert_eq!(layers.names("/etc"), ["group", "passwd"]);
    assert!(layers.stack().read(Path::new("/circle"), 10).is_err());
    let outside = layers.scratch.path().join("secret");
    Root::host().unwrap().write(&outside, b"secret", 0o644).unwrap();
    let leading_out = Layers::new(&[&[link("out", outside.to_str().unwrap())]]);
    assert_eq!(leading_out.read("/out"), None);
}

#[test]
fn what_is_no_file_or_too_large_is_an_error_and_facts_are_the_topmosts() {
    let layers = Layers::new(&[
        &[directory("d", 0o700), file("d/x", ""), file("large", "12345")],
        &[directory("d", 0o711), Entry { path: "pipe".into(), kind: EntryKind::Fifo, mode: 0o600, owner: Owner::ROOT }],
    ]);
    let stack = layers.stack();
    for path in ["/d", "/pipe"] {
        assert!(stack.read(Path::new(path), 10).is_err(), "{path}");
    }
    assert!(stack.read(Path::new("/large"), 4).is_err());
    assert_eq!(stack.read(Path::new("/large"), 5).unwrap().unwrap(), b"12345");
    let stat = stack.metadata(Path::new("/d")).unwrap().unwrap();
    assert_eq!((stat.kind, stat.mode), (FileKind::Directory, 0o711));
    assert_eq!(stack.metadata(Path::new("/none")).unwrap(), None);
    assert_eq!(stack.metadata(Path::new("/large/x")).unwrap(), None);
}

#[test]
fn an_opaque_root_ends_the_stack() {
    let layers = Layers::new(&[&[file("old", "")], &[file(".wh..wh..opq", ""), file("new", "")], &[file("newer", "")]]);
    assert_eq!(layers.stack().len(), 2);
    assert_eq!(layers.names("/"), ["new", "newer"]);
}

/// A missing directory takes the time of the one below, too.
#[test]
fn a_directory_that_no_entry_describes_keeps_its_time() {
    let layers = Layers::new(&[&[directory("d", 0o755)], &[file("d/x", "")], &[file("d/.wh.x", "")]]);
    for layer in &layers.directories {
        let stat = Root::open(layer).unwrap().metadata(Path::new("/d")).unwrap();
        assert_eq!(stat.mtime_ns, i128::from(PackOptions::LAYER_TIME) * 1_000_000_000, "{}", layer.display());
    }
}

#[test]
fn layers_that_show_the_same_need_no_attributes_and_no_marks() {
    let layers = Layers::new(&[
        &[file("d/.wh.none", ""), file("e/.wh..wh..opq", ""), file("e/x", "")],
        &[file("d/.wh.none", ""), file("none/.wh.none", ""), file(".wh.none", "")],
    ]);
    let upper = Root::open(&layers.directories[0]).unwrap();
    assert_eq!(upper.read_directory(Path::new("/")).unwrap(), []);
    let mut value = [0; 8];
    let attribute = rustix::fs::getxattr(layers.directories[1].join("e"), c"user.overlay.opaque", &mut value);
    assert_eq!(attribute, Err(rustix::io::Errno::NODATA));
}
