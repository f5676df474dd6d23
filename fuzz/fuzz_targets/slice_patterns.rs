//! Patterns of slices, which buildpacks write, with the paths of an app.
#![no_main]

use arbitrary::Arbitrary;
use dhow_lifecycle::fuzzing::slice_matches;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    pattern: &'a str,
    path: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let matches = slice_matches(input.pattern, input.path);
    let is_plain = !input.pattern.contains(['*', '?', '[', '\\']);
    let is_clean = input.pattern.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain && is_clean {
        assert_eq!(matches, Some(input.pattern.as_bytes() == input.path));
    }
});
