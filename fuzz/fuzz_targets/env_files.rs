//! Env directories: names and contents of files that buildpacks write.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use arbitrary::Arbitrary;
use dhow_cnb::env::{EnvFile, Environment, PlainFile, changes, platform_changes};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    before: Vec<(Vec<u8>, Vec<u8>)>,
    files: Vec<(Vec<u8>, Vec<u8>)>,
    is_default: bool,
}

fuzz_target!(|input: Input| {
    let text = OsString::from_vec;
    let before: Environment = input.before.into_iter().map(|(name, value)| (text(name), text(value))).collect();
    let files: Vec<EnvFile> = input
        .files
        .iter()
        .map(|(name, content)| EnvFile { name: text(name.clone()), content: content.clone() })
        .collect();
    let plain = if input.is_default { PlainFile::Default } else { PlainFile::Override };
    for changes in [changes(files.clone(), plain), platform_changes(files)] {
        let mut after = before.clone();
        after.apply_all(&changes);
        for (name, value) in after.iter().filter(|(name, value)| before.get(name) != Some(value)) {
            let named = |file: &[u8]| {
                file == name.as_bytes() || file.split(|byte| *byte == b'.').next() == Some(name.as_bytes())
            };
            assert!(input.files.iter().any(|(file, _)| named(file)), "{name:?}={value:?}");
        }
    }
});
