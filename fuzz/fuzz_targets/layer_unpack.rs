//! Layers, compressed or not, unpacked beside a file that must stay as it is.
#![no_main]

use std::path::Path;

use arbitrary::Arbitrary;
use dhow_fs::{Root, Work};
use dhow_layer::{Limits, UnpackOptions, unpack};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    lifecycle: bool,
    layers: [&'a [u8]; 2],
}

fuzz_target!(|input: Input<'_>| {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("inside")).expect("it is new");
    std::fs::write(at("outside"), "kept").expect("it is new");
    let root = Root::open(&at("inside")).expect("it was made");
    let work = Work::default();
    let options = if input.lifecycle { UnpackOptions::lifecycle(&work) } else { UnpackOptions::image(&work) };
    let options =
        UnpackOptions { limits: Limits { entries: 100, bytes: 1 << 20, depth: 20, names: 1 << 20 }, ..options };
    for layer in input.layers {
        let _ = unpack(layer, &root, Path::new("/"), &options);
    }
    assert_eq!(std::fs::read(at("outside")).ok().as_deref(), Some(&b"kept"[..]));
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 2);
});
