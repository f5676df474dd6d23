//! A layout whose maker was killed before it named an image is gone for whoever looks there next; anything else stays.
#![expect(
    clippy::disallowed_methods,
    reason = "as other tests; and the process that is killed is told by its environment which layout is meant"
)]
#![expect(clippy::unwrap_used, reason = "a failure to set a test up fails it")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Scratch, store_image, tag, work};
use dhow_oci::MediaType;
use dhow_store::{BlobSink, Layout, LayoutError};

const LAYOUT: &str = "DHOW_TEST_LAYOUT";
const END: &str = "DHOW_TEST_END";

#[test]
fn child_makes_a_layout() {
    let Some(path) = std::env::var_os(LAYOUT) else { return };
    let layout = Layout::prepare(Path::new(&path), &work()).unwrap();
    let image = store_image(&layout, "linux/amd64", &["base"]);
    match std::env::var(END).as_deref() {
        Ok("named") => tag(&layout, "app", &image),
        Ok("dropped") => return,
        _ => {}
    }
    std::process::abort();
}

/// Runs the child, by way of `wrapper`, and tells whether it came to its end.
fn run(layout: &Path, end: &str, wrapper: &[&str]) -> bool {
    let own = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&own);
            command
        }
    };
    command.args(["--exact", "child_makes_a_layout", "--test-threads=1"]).env(LAYOUT, layout).env(END, end);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

fn abandoned(scratch: &Scratch) -> std::path::PathBuf {
    let path = scratch.path("above/layout");
    assert!(!run(&path, "killed", &[]));
    assert!(path.join("index.json").exists());
    path
}

#[test]
fn it_is_gone_with_what_was_stored_and_the_directories_above_when_somebody_looks() {
    let scratch = Scratch::new();
    let path = abandoned(&scratch);
    assert!(matches!(Layout::open(&path, &work()), Err(LayoutError::Missing(_))));
    assert!(!scratch.path("above").exists());
    // Who makes an image there leaves no more behind when it fails, too.
    abandoned(&scratch);
    drop(Layout::prepare(&path, &work()).unwrap());
    assert!(!scratch.path("above").exists());
    abandoned(&scratch);
    drop(Layout::open_or_create(&path, &work()).unwrap());
    assert_eq!(common::tree(&path), ["index.json", "oci-layout"]);
}

#[test]
fn a_directory_that_was_there_stays_and_is_empty_again() {
    let scratch = Scratch::new();
    let path = scratch.path("above/layout");
    fs::create_dir_all(&path).unwrap();
    abandoned(&scratch);
    assert!(matches!(Layout::open(&path, &work()), Err(LayoutError::Missing(_))));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn what_names_an_image_or_was_an_empty_layout_before_stays() {
    let scratch = Scratch::new();
    let path = scratch.path("above/layout");
    assert!(!run(&path, "named", &[]));
    assert_eq!(Layout::open(&path, &work()).unwrap().index().unwrap().value().manifests.len(), 1);
    let scratch = Scratch::new();
    let path = scratch.path("above/layout");
    drop(Layout::open_or_create(&path, &work()).unwrap());
    abandoned(&scratch);
    Layout::open(&path, &work()).unwrap();
}

#[test]
fn what_others_put_there_stays_and_the_layout_with_it() {
    let digest = dhow_oci::Digest::of(b"foreign");
    for foreign in ["README".to_owned(), "blobs/sha256/other".to_owned(), format!("blobs/sha256/{}", digest.hex())] {
        let scratch = Scratch::new();
        let path = abandoned(&scratch);
        fs::write(path.join(&foreign), "foreign").unwrap();
        let before = common::tree(&path);
        Layout::open(&path, &work()).unwrap();
        assert_eq!(common::tree(&path), before, "{foreign}");
    }
    let scratch = Scratch::new();
    let path = abandoned(&scratch);
    fs::write(path.join("index.json"), r#"{"schemaVersion":2,"manifests":[],"note":1}"#).unwrap();
    Layout::open(&path, &work()).unwrap();
}

#[test]
fn it_stays_while_anybody_is_at_work_there() {
    let scratch = Scratch::new();
    let path = scratch.path("above/layout");
    abandoned(&scratch);
    let root = dhow_fs::Root::open(&path).unwrap();
    let lock = dhow_fs::Lock::attempt(&root, Path::new("/"), dhow_fs::LockMode::Exclusive).unwrap();
    Layout::open(&path, &work()).unwrap();
    drop(lock);
    assert!(matches!(Layout::open(&path, &work()), Err(LayoutError::Missing(_))));

    // One that has begun, and whose maker is alive.
    let maker = Layout::prepare(&path, &work()).unwrap();
    let stored = maker.store(b"of the maker", MediaType::OciLayer).unwrap();
    Layout::open(&path, &work()).unwrap();
    assert!(common::blob(&path, &stored.digest).exists());
}

/// Kills the maker, or what it does when it fails, at each call that changes a directory.
#[test]
fn at_whatever_call_its_maker_is_killed_nothing_is_left_but_an_empty_directory() {
    for (call, end) in [("mkdirat", ""), ("openat2", ""), ("renameat2", ""), ("unlinkat", "dropped"), ("mkdir", "")] {
        for number in 1.. {
            let scratch = Scratch::new();
            let path = scratch.path("above/layout");
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            let trace = format!("trace={call}");
            let log = scratch.path("log").display().to_string();
            run(&path, end, &["strace", "-f", "-qq", "-o", &log, "-e", &trace, "-e", &inject]);
            let is_killed = fs::read_to_string(&log).unwrap().contains("killed by SIGKILL");
            if path.exists() {
                let opened = Layout::open(&path, &work());
                assert!(matches!(opened, Err(LayoutError::Missing(_))), "{call} {number}: {opened:?}");
                let left = if path.exists() { common::tree(&path) } else { Vec::new() };
                assert!(left.is_empty(), "{call} {number}: {left:?}");
            }
            if !is_killed {
                assert!(number > 1 || call == "mkdir", "no {call} was made");
                break;
            }
        }
    }
}
