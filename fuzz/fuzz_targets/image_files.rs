//! Files of an image that say who it runs as and what it is.
#![no_main]

use arbitrary::Arbitrary;
use dhow_platform::fuzzing;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    user: &'a str,
    passwd: &'a str,
    group: &'a str,
    os_release: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    if let Some((uid, gid, home)) = fuzzing::user(input.user, input.passwd, input.group) {
        assert!(!home.is_empty());
        for id in [uid, gid] {
            let named = [input.user, input.passwd, input.group]
                .iter()
                .flat_map(|text| text.split([':', '\n', '\r']))
                .any(|word| word.parse() == Ok(id));
            assert!(id != u32::MAX && (id == 0 || named), "{id}");
        }
    }
    if let Some((name, _)) = fuzzing::distribution(input.os_release) {
        assert!(!name.is_empty());
    }
});
