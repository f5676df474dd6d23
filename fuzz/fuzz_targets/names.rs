//! Names that people and documents give: digests, media types, platforms, references.
#![no_main]

use std::path::Component;

use dhow_oci::{Digest, MediaType, Platform, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
        let _ = digest.hasher();
    }
    assert_eq!(MediaType::from(text).as_str(), text);
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform));
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.as_written(), text);
        let path = reference.layout_path();
        assert!(path.components().all(|component| matches!(component, Component::Normal(_))), "{path:?}");
        let again: Reference = reference.familiar().parse().expect("a full name is a name");
        assert_eq!(again.layout_path(), path);
    }
});
