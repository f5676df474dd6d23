//! Archives of layouts: whatever the bytes are, opening and resolving ends, with an image or an error.
#![no_main]

use std::io::Write;
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::Platform;
use dhow_store::{Archive, ImageSource, Query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file takes bytes");
    if let Ok(archive) = Archive::open(file.path(), &Arc::new(Work::default())) {
        let _ = archive.load(&Query::new(None, &Platform::host()));
    }
});
