//! What layers may do to a tree, and what they may not. Attacks stand beside what must work all the same.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use dhow_fs::{Root, Work};
use dhow_layer::{
    Compression, Entry, EntryKind, Limits, Owner, Owners, PackOptions, Stack, UnpackError, UnpackOptions, Unpacked,
    Whiteouts, pack, unpack,
};
use proptest::prelude::*;

const ME: Owner = Owner::ROOT;

fn file(path: &str, content: &str) -> Entry {
    Entry::file(path, content.as_bytes(), 0o644, ME)
}

fn directory(path: &str) -> Entry {
    Entry::directory(path, 0o755, ME)
}

fn link(path: &str, target: &str) -> Entry {
    Entry::symlink(path, target, 0o777, ME)
}

fn hard_link(path: &str, target: &str) -> Entry {
    Entry { path: path.into(), kind: EntryKind::HardLink(target.into()), mode: 0o644, owner: ME }
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let work = Work::default();
    // What is deeper is refused by packing, too.
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    let options = PackOptions { compression: Compression::None, limits, ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    pack(&Root::host().unwrap(), entries, &mut bytes, &options).unwrap();
    bytes
}

/// A directory with the tree to unpack into, and a neighbour that must not be touched.
struct Scratch {
    base: tempfile::TempDir,
    root: Root,
}

impl Scratch {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("root")).unwrap();
        std::fs::create_dir(base.path().join("outside")).unwrap();
        std::fs::write(base.path().join("outside/secret"), "untouched").unwrap();
        std::fs::set_permissions(base.path().join("outside"), PermissionsExt::from_mode(0o700)).unwrap();
        let root = Root::open(&base.path().join("root")).unwrap();
        Self { base, root }
    }

    fn outside(&self) -> String {
        self.base.path().join("outside").display().to_string()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.base.path().join("root").join(path)
    }

    fn read(&self, path: &str) -> String {
        self.root.read_to_string(Path::new(path), 1000).unwrap()
    }

    fn kind(&self, path: &str) -> std::fs::Metadata {
        std::fs::symlink_metadata(self.at(path)).unwrap()
    }

    fn try_layer(&self, entries: &[Entry], change: impl Fn(&mut UnpackOptions<'_>)) -> Result<Unpacked, UnpackError> {
        self.unpack(entries, Whiteouts::Apply, change)
    }

    /// Unpacks a layer that is to lie on top of `below`.
    fn try_over(&self, below: &Stack, entries: &[Entry]) -> Result<Unpacked, UnpackError> {
        self.unpack(entries, Whiteouts::Overlay(below), |_| {})
    }

    fn unpack(
        &self,
        entries: &[Entry],
        whiteouts: Whiteouts<'_>,
        change: impl Fn(&mut UnpackOptions<'_>),
    ) -> Result<Unpacked, UnpackError> {
        let work = Work::default();
        let mut options = UnpackOptions { whiteouts, ..UnpackOptions::image(&work) };
        change(&mut options);
        let result = unpack(tar(entries).as_slice(), &self.root, Path::new("/"), &options);
        let outside = self.base.path().join("outside");
        let names: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "untouched");
        assert_eq!(outside.metadata().unwrap().mode() & 0o7777, 0o700);
        result
    }

    fn layer(&self, entries: &[Entry]) -> Unpacked {
        self.try_layer(entries, |_| {}).unwrap()
    }

    fn refused(&self, entries: &[Entry]) -> String {
        self.try_layer(entries, |_| {}).unwrap_err().to_string()
    }
}

#[test]
fn names_with_dots_are_refused_and_absolute_ones_are_below_the_root() {
    for name in ["../x", "a/../../x", "a/../x", "..", "/../x", "a/.."] {
        assert!(Scratch::new().refused(&[file(name, "x")]).contains("`..`"), "{name}");
    }
    let scratch = Scratch::new();
    scratch.layer(&[file("/a/x", "1"), file("./b/./x", "2"), file("c//x", "3"), file("...", "4"), file("..a", "5")]);
    for (name, content) in [("a/x", "1"), ("b/x", "2"), ("c/x", "3"), ("...", "4"), ("..a", "5")] {
        assert_eq!(scratch.read(name), content);
    }
}

#[test]
fn links_that_point_out_lead_inside() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    scratch.layer(&[
        link("absolute", &outside),
        file("absolute/x", "1"),
        link("upwards", "../../../../outside"),
        file("upwards/x", "2"),
        link("one", "two"),
        link("two", "three/../../.."),
        directory("three"),
        file("one/x", "3"),
    ]);
    assert_eq!(scratch.read(&format!("{outside}/x")), "1");
    assert_eq!(scratch.read("outside/x"), "2");
    assert_eq!(scratch.read("x"), "3");
}

#[test]
fn a_link_to_a_directory_is_a_way_to_it() {
    let scratch = Scratch::new();
    scratch.layer(&[
        directory("usr"),
        directory("usr/lib"),
        link("lib", "usr/lib"),
        file("lib/x", "1"),
        file("lib/sub/y", "2"),
        link("usr/lib64", "/lib"),
        file("usr/lib64/z", "3"),
    ]);
    for (name, content) in [("usr/lib/x", "1"), ("usr/lib/sub/y", "2"), ("usr/lib/z", "3")] {
        assert_eq!(scratch.read(name), content);
    }
    assert!(scratch.kind("lib").is_symlink());
}

#[test]
fn a_loop_of_links_is_an_error() {
    let message = Scratch::new().refused(&[link("a", "b"), link("b", "a"), file("a/x", "")]);
    assert_eq!(message, "cannot unpack a/x");
}

#[test]
fn an_entry_replaces_a_link_and_does_not_write_through_it() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    symlink(format!("{outside}/secret"), scratch.at("file")).unwrap();
    symlink(&outside, scratch.at("directory")).unwrap();
    symlink(&outside, scratch.at("node")).unwrap();
    symlink(&outside, scratch.at("link")).unwrap();
    let fifo = Entry { path: "node".into(), kind: EntryKind::Fifo, mode: 0o600, owner: ME };
    scratch.layer(&[
        file("file", "new"),
        Entry::directory("directory", 0o777, ME),
        file("directory/x", "1"),
        fifo,
        link("link", "file"),
    ]);
    assert!(scratch.kind("file").is_file());
    assert!(scratch.kind("directory").is_dir());
    assert!(scratch.kind("node").file_type().is_fifo());
    assert_eq!(scratch.read("link"), "new");
    assert_eq!(scratch.read("directory/x"), "1");
}

#[test]
fn the_last_of_several_entries_with_a_name_counts() {
    let scratch = Scratch::new();
    scratch.layer(&[
        file("ff", "1"),
        file("ff", "2"),
        file("fd", "1"),
        directory("fd"),
        directory("df"),
        file("df/below", ""),
        file("df", "2"),
        directory("dl"),
        file("dl/below", ""),
        link("dl", "ff"),
        link("lf", "ff"),
        file("lf", "3"),
        directory("again"),
        file("again/x", ""),
        file("again", ""),
        directory("again"),
        file("again/y", "4"),
    ]);
    for (name, content) in [("ff", "2"), ("df", "2"), ("dl", "2"), ("lf", "3"), ("again/y", "4")] {
        assert_eq!(scratch.read(name), content, "{name}");
    }
    assert!(scratch.kind("fd").is_dir());
    assert!(scratch.kind("dl").is_symlink());
    assert!(!scratch.at("again/x").exists());
}

#[test]
fn hard_links_lead_to_entries_of_the_tree_only() {
    for target in ["../outside/secret", "/../outside/secret", "..", "/", "missing"] {
        Scratch::new().refused(&[hard_link("x", target)]);
    }
    let scratch = Scratch::new();
    let secret = format!("{}/secret", scratch.outside());
    scratch.refused(&[hard_link("x", &secret)]);
    scratch.refused(&[link("out", &scratch.outside()), hard_link("x", "out/secret")]);
    scratch.refused(&[hard_link("x", "Cargo.toml")]);
    scratch.refused(&[directory("d"), hard_link("x", "d")]);
}

#[test]
fn hard_links_to_files_links_and_themselves_work() {
    let scratch = Scratch::new();
    scratch.layer(&[
        file("a", "1"),
        hard_link("b", "a"),
        hard_link("deep/c", "/a"),
        link("l", "a"),
        hard_link("m", "l"),
        hard_link("a", "a"),
        hard_link("b", "./a"),
        file("d", "2"),
        hard_link("d", "a"),
    ]);
    for name in ["b", "deep/c", "d"] {
        assert_eq!(scratch.kind(name).ino(), scratch.kind("a").ino(), "{name}");
    }
    assert!(scratch.kind("m").is_symlink());
    assert_eq!(scratch.kind("m").ino(), scratch.kind("l").ino());
}

#[test]
fn the_root_itself_can_be_described_and_not_replaced() {
    for name in [".", "./", "/", "/.", "./."] {
        let scratch = Scratch::new();
        for entry in [link(name, "outside"), file(name, ""), hard_link(name, "a")] {
            assert!(scratch.refused(&[file("a", ""), entry]).contains("replace the root"), "{name}");
        }
        scratch.layer(&[Entry::directory(name, 0o711, ME)]);
        assert_eq!(scratch.kind("").mode() & 0o7777, 0o711);
    }
}

#[test]
fn modes_are_set_whatever_the_umask_with_setuid_and_sticky() {
    let scratch = Scratch::new();
    scratch.layer(&[
        Entry::directory("closed", 0o500, ME),
        Entry::directory("closed/sticky", 0o1777, ME),
        Entry::file("closed/setuid", *b"", 0o4777, ME),
        Entry::file("implied/none", *b"", 0, ME),
    ]);
    for (name, mode) in [
        ("closed", 0o500),
        ("closed/sticky", 0o1777),
        ("closed/setuid", 0o4777),
        ("implied", 0o755),
        ("implied/none", 0),
    ] {
        assert_eq!(scratch.kind(name).mode() & 0o7777, mode, "{name}");
    }
    for name in ["closed", "closed/sticky", "closed/setuid"] {
        assert_eq!(scratch.kind(name).mtime(), PackOptions::LAYER_TIME, "{name}");
    }
}

#[test]
fn setuid_survives_the_change_of_the_owner() {
    let scratch = Scratch::new();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let owner = Owner { uid: uid.into(), gid: gid.into() };
    let entries = [Entry::file("sudo", *b"", 0o4755, owner), Entry::file("write", *b"", 0o2755, owner)];
    scratch.try_layer(&entries, |options| options.owners = Owners::Set).unwrap();
    assert_eq!(scratch.kind("sudo").mode() & 0o7777, 0o4755);
    assert_eq!(scratch.kind("write").mode() & 0o7777, 0o2755);
}

/// Does something without the capabilities of root, who may enter every directory.
fn without_capabilities(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let none = rustix::thread::CapabilitySet::empty();
            let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
            rustix::thread::set_capabilities(None, sets).unwrap();
            work();
        });
        working.join().unwrap();
    });
}

#[test]
fn a_later_layer_changes_directories_that_are_closed_to_their_owner() {
    for owners in [Owners::Ignore, Owners::Note] {
        let scratch = Scratch::new();
        without_capabilities(|| {
            let layer = |entries: &[Entry]| scratch.try_layer(entries, |options| options.owners = owners).unwrap();
            layer(&[
                Entry::directory(".", 0o555, ME),
                Entry::directory("described", 0o555, ME),
                Entry::directory("entered", 0, ME),
                Entry::directory("entered/inner", 0, ME),
                file("entered/inner/gone", ""),
                Entry::directory("emptied", 0, ME),
                file("emptied/gone", ""),
            ]);
            layer(&[
                Entry::directory(".", 0o500, ME),
                Entry::directory("described", 0, Owner { uid: 1000, gid: 1000 }),
                file("described/new", ""),
                file("entered/inner/new", "1"),
                file(".wh.entered", ""),
                file(".wh.emptied", ""),
                file("emptied/new", "2"),
            ]);
        });
        let mode = |name: &str| scratch.kind(name).mode() & 0o7777;
        assert_eq!((mode("described"), mode("entered"), mode("emptied")), (0, 0, 0o755), "{owners:?}");
        assert_eq!(mode(""), 0o500);
        scratch.root.set_mode(Path::new("/entered"), 0o755).unwrap();
        assert_eq!(mode("entered/inner"), 0);
        scratch.root.set_mode(Path::new("/entered/inner"), 0o755).unwrap();
        assert_eq!(scratch.root.read_directory(Path::new("/entered/inner")).unwrap().len(), 1);
        assert_eq!(scratch.read("entered/inner/new"), "1");
    }
}

#[test]
fn directories_are_finished_the_inner_ones_first() {
    let scratch = Scratch::new();
    without_capabilities(|| {
        scratch.layer(&[
            Entry::directory("closed", 0, ME),
            Entry::directory("closed/inner", 0o111, ME),
            Entry::directory("closed/inner/innermost", 0o700, ME),
            Entry::file("closed/inner/innermost/x", *b"1", 0o644, ME),
        ]);
    });
    assert_eq!(scratch.kind("closed").mode() & 0o7777, 0);
    scratch.root.set_mode(Path::new("/closed"), 0o755).unwrap();
    assert_eq!(scratch.kind("closed/inner").mode() & 0o7777, 0o111);
    assert_eq!(scratch.kind("closed/inner/innermost").mode() & 0o7777, 0o700);
}

#[test]
fn a_directory_that_is_there_gets_the_mode_of_its_entry_and_keeps_its_content() {
    let scratch = Scratch::new();
    scratch.layer(&[directory("d"), file("d/x", "1")]);
    scratch.layer(&[Entry::directory("d", 0o700, ME)]);
    assert_eq!(scratch.kind("d").mode() & 0o7777, 0o700);
    assert_eq!(scratch.read("d/x"), "1");
}

#[test]
fn whiteouts_remove_what_lower_layers_brought_and_nothing_else() {
    let scratch = Scratch::new();
    scratch.layer(&[
        file("gone", ""),
        file("d/lower", ""),
        file("d/deep/lower", ""),
        file("o/lower", ""),
        file("o/sub/lower", ""),
        file("kept", "1"),
        file("replaced/lower", ""),
    ]);
    scratch.layer(&[
        file(".wh.gone", ""),
        file(".wh.missing", ""),
        file("d/deep/mine", "2"),
        file(".wh.d", ""),
        file("o/sub/mine", "3"),
        file("o/mine", "4"),
        file("o/.wh..wh..opq", ""),
        file("o/later", "5"),
        file(".wh.later", ""),
        file("later", "6"),
        file(".wh.replaced", ""),
        file("replaced", "7"),
        file(".wh..wh.plnk", ""),
    ]);
    for name in ["gone", "d/lower", "d/deep/lower", "o/lower", "o/sub/lower", ".wh.gone", ".wh..wh.plnk"] {
        assert!(!scratch.at(name).exists(), "{name}");
    }
    for (name, content) in [
        ("kept", "1"),
        ("d/deep/mine", "2"),
        ("o/sub/mine", "3"),
        ("o/mine", "4"),
        ("o/later", "5"),
        ("later", "6"),
        ("replaced", "7"),
    ] {
        assert_eq!(scratch.read(name), content, "{name}");
    }
}

#[test]
fn whiteouts_stay_inside_too() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    scratch.layer(&[link("out", &outside), link("up", "../outside")]);
    scratch.layer(&[file("out/.wh.secret", ""), file("up/.wh..wh..opq", "")]);
    let scratch = Scratch::new();
    scratch.layer(&[link("victim", &scratch.outside())]);
    scratch.layer(&[file(".wh.victim", "")]);
    assert!(std::fs::symlink_metadata(scratch.at("victim")).is_err());
    for name in [".wh.", ".wh..", ".wh...", "d/.wh."] {
        assert!(Scratch::new().refused(&[file(name, "")]).contains("whiteout of nothing"), "{name}");
    }
}

#[test]
fn an_opaque_root_empties_the_tree() {
    let scratch = Scratch::new();
    scratch.layer(&[file("a/b", ""), file("c", "")]);
    scratch.layer(&[file(".wh..wh..opq", ""), file("a/d", "1")]);
    assert!(!scratch.at("c").exists());
    assert!(!scratch.at("a/b").exists());
    assert_eq!(scratch.read("a/d"), "1");
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    let below = Scratch::new();
    below.layer(&[file("gone", ""), file("o/x", ""), file("again/x", ""), file("file", ""), file("before/x", "")]);
    let stack = Stack::open([below.at("")]).unwrap();
    let scratch = Scratch::new();
    let result = scratch.try_over(
        &stack,
        &[
            file(".wh.gone", ""),
            file("o/.wh..wh..opq", ""),
            file(".wh.again", ""),
            directory("again"),
            file(".wh.file", ""),
            file("file", "1"),
            directory("before"),
            file(".wh.before", ""),
        ],
    );
    if let Err(UnpackError::Place { source, .. }) = &result
        && source.raw_os_error() == Some(rustix::io::Errno::NOTSUP.raw_os_error())
    {
        return; // a file system without attributes
    }
    result.unwrap();
    let gone = scratch.kind("gone");
    assert!(gone.file_type().is_char_device());
    assert_eq!(gone.rdev(), 0);
    for name in ["o", "again", "before"] {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(scratch.at(name), c"user.overlay.opaque", &mut value).unwrap();
        assert_eq!(&value[..length], b"y", "{name}");
    }
    assert_eq!(scratch.read("file"), "1");
}

#[test]
fn an_image_cannot_make_whiteouts_of_its_own() {
    let scratch = Scratch::new();
    let device =
        Entry { path: "bin".into(), kind: EntryKind::CharDevice { major: 0, minor: 0 }, mode: 0o644, owner: ME };
    let unpacked = scratch.layer(&[device]);
    assert_eq!(unpacked.skipped, [PathBuf::from("bin")]);
    assert!(!scratch.at("bin").exists());
}

#[test]
fn devices_that_cannot_be_made_are_reported() {
    let scratch = Scratch::new();
    let device =
        Entry { path: "dev/null".into(), kind: EntryKind::CharDevice { major: 1, minor: 3 }, mode: 0o666, owner: ME };
    let unpacked = scratch.layer(&[device]);
    match std::fs::symlink_metadata(scratch.at("dev/null")) {
        Ok(metadata) => {
            assert!(metadata.file_type().is_char_device());
            assert_eq!(metadata.mode() & 0o7777, 0o666);
            assert!(unpacked.skipped.is_empty());
        }
        Err(_) => assert_eq!(unpacked.skipped, [PathBuf::from("dev/null")]),
    }
}

#[test]
fn owners_are_recorded_on_request() {
    let scratch = Scratch::new();
    let owner = Owner { uid: 1000, gid: 5_000_000_000 };
    let entries = [Entry::directory("d", 0o755, owner), Entry::file("d/x", *b"", 0o644, ME)];
    let unpacked = scratch.try_layer(&entries, |options| options.owners = Owners::Record).unwrap();
    assert_eq!(unpacked.owners, [(PathBuf::from("d"), owner), (PathBuf::from("d/x"), ME)]);
    assert!(scratch.try_layer(&entries, |options| options.owners = Owners::Set).is_err());
}

#[test]
fn limits_hold() {
    let refused = |limits: Limits, entries: &[Entry]| {
        Scratch::new().try_layer(entries, |options| options.limits = limits).unwrap_err().to_string()
    };
    let entries: Vec<Entry> = (0..4).map(|number| file(&format!("f{number}"), "")).collect();
    let limits = Limits { entries: 3, ..Limits::default() };
    assert_eq!(refused(limits, &entries), "the tar has more than 3 entries");
    let limits = Limits { bytes: 2000, ..Limits::default() };
    assert_eq!(refused(limits, &entries), "the tar has more than 2000 bytes");
    refused(limits, &[file("large", &"x".repeat(5000))]);
    let deep = "d/".repeat(600);
    refused(Limits::default(), &[file(&format!("{deep}x"), "")]);
    refused(Limits::default(), &[file(&"n".repeat(256), "")]);
    Scratch::new().layer(&[file(&format!("{}x", "d/".repeat(400)), ""), file(&"n".repeat(255), "")]);
}

#[test]
fn names_that_are_kept_take_a_limited_memory() {
    let limits = Limits { names: 1 << 16, ..Limits::default() };
    let within = |options: &mut UnpackOptions<'_>| options.limits = limits;
    let long = |number: usize| {
        let path: PathBuf = std::iter::once(number.to_string()).chain((0..40).map(|_| "n".repeat(100))).collect();
        Entry::directory(path.to_str().unwrap(), 0o755, ME)
    };
    let entries: Vec<Entry> = (0..30).map(long).collect();
    let refusal = Scratch::new().try_layer(&entries, within).unwrap_err().to_string();
    assert_eq!(refusal, "the tar has more than 65536 bytes of names");
    let recorded = |options: &mut UnpackOptions<'_>| {
        options.limits = limits;
        options.owners = Owners::Record;
    };
    let entries: Vec<Entry> = (0..2000).map(|number| file(&format!("f{number}"), "")).collect();
    assert!(Scratch::new().try_layer(&entries, recorded).is_err());
    assert!(Scratch::new().try_layer(&entries, within).is_ok(), "of a first layer's files no name is kept");
    let scratch = Scratch::new();
    scratch.layer(&[file("older", "")]);
    assert!(scratch.try_layer(&entries, within).is_err(), "of a later one's they are");

    let short: Vec<Entry> = (0..400).map(|number| Entry::directory(format!("d{number}"), 0o755, ME)).collect();
    assert!(Scratch::new().try_layer(&short, within).is_ok());
    let scratch = Scratch::new();
    assert_eq!(long(0).path.as_os_str().len() / 100, 40, "a path of 4000 bytes");
    scratch.try_layer(&[long(0)], |_| {}).unwrap();
}

#[test]
fn names_that_are_no_text_round_trip() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new();
    let name = std::ffi::OsStr::from_bytes(b"latin\xe9\xff\n");
    scratch.layer(&[Entry::file(name, *b"1", 0o644, ME)]);
    assert!(scratch.base.path().join("root").join(name).exists());
}

proptest! {
    /// Whatever links, whiteouts and replacements come in whatever order.
    #[test]
    fn no_layers_reach_outside(layers in prop::collection::vec(prop::collection::vec(hostile(), 1..10), 1..4)) {
        let scratch = Scratch::new();
        for layer in layers {
            let entries: Vec<Entry> = layer.iter().map(|hostile| entry(*hostile, &scratch.outside())).collect();
            for entry in &entries {
                // Each on its own, so that one that is refused does not keep the next ones from trying.
                let _outcome = scratch.try_layer(std::slice::from_ref(entry), |_| {});
            }
            let _outcome = scratch.try_layer(&entries, |_| {});
            let _outcome = scratch.try_layer(&entries, |options| *options = UnpackOptions::lifecycle(options.work));
        }
    }
}

/// Name, target and kind of an entry; `OUT` stands for where the outside is.
type Hostile = (&'static str, &'static str, usize);

fn hostile() -> impl Strategy<Value = Hostile> {
    let names = ["a", "b", "a/b", "a/secret", "a/b/secret", "b/a/c", "./a", "/b", "a/.wh.b", "a/.wh.secret"];
    let more = ["b/.wh..wh..opq", ".wh.a", ".wh..wh..opq", "secret", "a/outside/secret", "root/outside", "."];
    let targets = ["OUT", "../outside", "../../outside", "..", "/", ".", "a", "b", "../b", "a/..", "b/../../outside"];
    let files = ["OUT/secret", "../outside/secret", "a/secret", "b/secret", "a/b"];
    (
        prop::sample::select([&names[..], &more].concat()),
        prop::sample::select([&targets[..], &files].concat()),
        0..5_usize,
    )
}

fn entry((name, target, kind): Hostile, outside: &str) -> Entry {
    let target = target.replace("OUT", outside);
    match kind {
        0 => Entry::file(name, *b"overwritten", 0o777, ME),
        1 => Entry::directory(name, 0o777, ME),
        2 => hard_link(name, &target),
        _ => link(name, &target),
    }
}

mod lifecycle {
    use super::*;

    fn restore(scratch: &Scratch, entries: &[Entry]) -> Result<Unpacked, UnpackError> {
        scratch.try_layer(entries, |options| *options = UnpackOptions::lifecycle(options.work))
    }

    #[test]
    fn directories_that_are_there_stay_as_they_are() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.at("layers")).unwrap();
        std::fs::set_permissions(scratch.at("layers"), PermissionsExt::from_mode(0o711)).unwrap();
        std::fs::create_dir(scratch.at("real")).unwrap();
        symlink("/real", scratch.at("linked")).unwrap();
        let entries = [
            Entry::directory("/layers", 0o755, ME),
            Entry::directory("/layers/new", 0o700, ME),
            Entry::directory("/linked", 0o700, ME),
            file("/linked/x", "1"),
            file("/implied/x", "2"),
        ];
        restore(&scratch, &entries).unwrap();
        assert_eq!(scratch.kind("layers").mode() & 0o7777, 0o711);
        assert_eq!(scratch.kind("layers/new").mode() & 0o7777, 0o700);
        assert_eq!(scratch.kind("implied").mode() & 0o7777, 0o755);
        assert!(scratch.kind("linked").is_symlink());
        assert_eq!(scratch.read("/real/x"), "1");
    }

    #[test]
    fn a_link_that_is_there_is_replaced_and_times_are_not_set() {
        let scratch = Scratch::new();
        symlink("old", scratch.at("link")).unwrap();
        symlink(format!("{}/secret", scratch.outside()), scratch.at("file")).unwrap();
        restore(&scratch, &[link("/link", "new"), file("/file", "1")]).unwrap();
        assert_eq!(std::fs::read_link(scratch.at("link")).unwrap(), Path::new("new"));
        assert!(scratch.kind("file").is_file());
        assert_ne!(scratch.kind("file").mtime(), PackOptions::LAYER_TIME);
        restore(&scratch, &[link("/link", "newer")]).unwrap();
        assert_eq!(std::fs::read_link(scratch.at("link")).unwrap(), Path::new("newer"));
        assert_eq!(std::fs::read_dir(scratch.at("")).unwrap().count(), 2);
    }

    #[test]
    fn whiteouts_are_files_like_others_and_bits_are_kept() {
        let scratch = Scratch::new();
        restore(&scratch, &[Entry::file("/.wh.x", *b"1", 0o6755, ME)]).unwrap();
        assert_eq!(scratch.read("/.wh.x"), "1");
        assert_eq!(scratch.kind(".wh.x").mode() & 0o7777, 0o6755);
    }

    #[test]
    fn hard_links_and_nodes_are_refused() {
        let fifo = Entry { path: "/x".into(), kind: EntryKind::Fifo, mode: 0o600, owner: ME };
        for entry in [hard_link("/x", "/a"), fifo] {
            let error = restore(&Scratch::new(), &[file("/a", ""), entry]).unwrap_err();
            assert_eq!(error.to_string(), "unknown file type in tar: /x");
        }
    }
}
