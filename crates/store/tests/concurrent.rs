//! Many writers of one layout, and writers that are killed. The writers are processes: this program again.
#![expect(
    clippy::disallowed_methods,
    reason = "as other tests; and the children are told by their environment which layout is meant"
)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Scratch, platform, store_image, tag, work};
use dhow_oci::Selector;
use dhow_store::{ImageSource, Layout, Query};

const LAYOUT: &str = "DHOW_TEST_LAYOUT";
const NAME: &str = "DHOW_TEST_NAME";

fn child(test: &str, layout: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(LAYOUT, layout)
        .env(NAME, name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Returns what the parent said; `None` in a run of all tests, where the children have nothing to do.
fn told() -> Option<(PathBuf, String)> {
    Some((std::env::var_os(LAYOUT)?.into(), std::env::var(NAME).ok()?))
}

fn tags(layout: &Layout) -> BTreeSet<String> {
    let index = layout.index().unwrap();
    index.value().manifests.iter().filter_map(dhow_oci::Entry::ref_name).map(ToOwned::to_owned).collect()
}

#[test]
fn child_writes_one_image() {
    let Some((path, name)) = told() else { return };
    let layout = Layout::open_or_create(&path, &work()).unwrap();
    let image = store_image(&layout, "linux/amd64", &["shared", &name]);
    tag(&layout, &name, &image);
}

#[test]
fn child_writes_images_for_ever() {
    let Some((path, name)) = told() else { return };
    let layout = Layout::open_or_create(&path, &work()).unwrap();
    let large = "x".repeat(200_000);
    for round in 0.. {
        let image = store_image(&layout, "linux/amd64", &[&format!("{round} of {name}"), &large]);
        tag(&layout, &name, &image);
    }
}

#[test]
fn child_collects_for_ever() {
    let Some((path, _)) = told() else { return };
    loop {
        Layout::open(&path, &work()).unwrap().gc(Duration::ZERO).unwrap();
    }
}

#[test]
fn all_of_16_processes_that_write_at_once_are_in_the_index() {
    let scratch = Scratch::new();
    let path = scratch.path("layout");
    let names: BTreeSet<String> = (0..16).map(|number| format!("t{number}")).collect();
    let children: Vec<Child> = names.iter().map(|name| child("child_writes_one_image", &path, name)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let layout = Layout::open(&path, &work()).unwrap();
    assert_eq!(tags(&layout), names);
    assert!(layout.check().unwrap().is_empty());
    let report = layout.gc(Duration::ZERO).unwrap();
    assert_eq!((report.removed.len(), report.reclaimed), (0, 0));
}

#[test]
fn all_of_16_threads_that_write_at_once_are_in_the_index() {
    let scratch = Scratch::new();
    let path = scratch.path("layout");
    let names: BTreeSet<String> = (0..16).map(|number| format!("t{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                let layout = Layout::open_or_create(&path, &work()).unwrap();
                tag(&layout, name, &store_image(&layout, "linux/amd64", &["shared", name]));
            });
        }
    });
    assert_eq!(tags(&Layout::open(&path, &work()).unwrap()), names);
}

#[test]
fn modes_are_the_same_whatever_the_umask_is() {
    let scratch = Scratch::new();
    let path = scratch.path("layout");
    let program = std::env::current_exe().unwrap();
    let status = Command::new("sh")
        .args(["-c", r#"umask 077; exec "$0" --exact child_writes_one_image"#])
        .arg(program)
        .env(LAYOUT, &path)
        .env(NAME, "x")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for directory in ["", "blobs", "blobs/sha256"] {
        assert_eq!(mode(&path.join(directory)), 0o755, "{directory}");
    }
    let files = common::tree(&path);
    assert_eq!(files.len(), 6, "four blobs, index.json, oci-layout: {files:?}");
    for file in files {
        assert_eq!(mode(&path.join(&file)), 0o644, "{file}");
    }
}

#[test]
fn writers_and_a_collector_at_once_lose_nothing() {
    let scratch = Scratch::new();
    let path = scratch.layout("layout").path().to_owned();
    let mut collector = child("child_collects_for_ever", &path, "");
    let names: BTreeSet<String> = (0..24).map(|number| format!("t{number}")).collect();
    for few in names.iter().collect::<Vec<_>>().chunks(4) {
        let children: Vec<Child> = few.iter().map(|name| child("child_writes_one_image", &path, name)).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
    assert!(collector.try_wait().unwrap().is_none(), "the collector met an error");
    collector.kill().unwrap();
    collector.wait().unwrap();
    let layout = Layout::open(&path, &work()).unwrap();
    assert_eq!(tags(&layout), names);
    assert!(layout.check().unwrap().is_empty());
}

#[test]
fn a_layout_is_whole_whenever_its_writers_are_killed() {
    let scratch = Scratch::new();
    let path = scratch.path("layout");
    let first = scratch.layout("layout");
    tag(&first, "kept", &store_image(&first, "linux/amd64", &["kept"]));
    drop(first);
    // Instants spread by a fixed sequence: what matters is that they are many and differ.
    let mut state = 0x9e37_79b9_u64;
    for round in 0..30 {
        let mut children = ["a", "b"].map(|name| child("child_writes_images_for_ever", &path, name));
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let end = Instant::now() + Duration::from_micros(3_000 + (state >> 33) % 60_000);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none(), "the writer met an error in round {round}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let layout = Layout::open(&path, &work()).unwrap();
        let findings = layout.check().unwrap();
        assert!(findings.is_empty(), "round {round}: {findings:?}");
        for name in tags(&layout) {
            layout.load(&Query::new(Some(&Selector::Tag(name)), &platform("linux/amd64"))).unwrap();
        }
        tag(&layout, "next", &store_image(&layout, "linux/amd64", &["next"]));
        assert!(tags(&layout).contains("kept"));
    }
    let layout = Layout::open(&path, &work()).unwrap();
    layout.gc(Duration::ZERO).unwrap();
    let named: usize = tags(&layout).len();
    assert!(named >= 3, "the writers named something between the kills");
    assert!(layout.check().unwrap().is_empty());
    assert!(
        !std::fs::read_dir(&path)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(".dhow-") })
    );
}
