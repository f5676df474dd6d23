//! JSON of the lifecycle: in a label of a previous image, in a cache.
#![no_main]

use dhow_cnb::{CacheMetadata, LifecycleMetadata};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(metadata) = LifecycleMetadata::parse(text) {
        let written = metadata.emit();
        assert_eq!(LifecycleMetadata::parse(&written).expect("what is written reads back").emit(), written);
    }
    if let Ok(metadata) = CacheMetadata::parse(text.as_bytes()) {
        let written = metadata.emit();
        assert_eq!(CacheMetadata::parse(written.as_bytes()).expect("what is written reads back").emit(), written);
    }
});
