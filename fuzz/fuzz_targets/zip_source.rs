//! Zip archives as the app's source, unpacked beside a file that must stay as it is.
#![no_main]

use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_platform::app::{AppCopy, Filter, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let at = |name: &str| directory.path().join(name);
    for name in ["root", "state"] {
        std::fs::create_dir(at(name)).expect("it is new");
    }
    std::fs::write(at("outside"), "kept").expect("it is new");
    std::fs::write(at("app.zip"), bytes).expect("it is new");
    let Ok(source) = Source::open(&at("app.zip")) else { return };
    let root = Root::open(&at("root")).expect("it was made");
    let copy = AppCopy {
        source: &source,
        filter: &Filter::default(),
        apart: &[],
        root: &root,
        workspace: Path::new("/workspace"),
        state: &at("state"),
        owner: None,
        work: &Work::default(),
    };
    let _ = copy.run();
    assert_eq!(std::fs::read(at("outside")).ok().as_deref(), Some(&b"kept"[..]));
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 4);
    assert!(std::fs::read_dir(at("root")).expect("it is there").count() <= 1);
});
