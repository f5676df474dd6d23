//! In which order a layout is written, as the kernel sees it: this program again, watched by `strace`.
#![expect(
    clippy::disallowed_methods,
    reason = "as other tests; and the watched process is told by its environment which layout is meant"
)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Scratch, store_image, tag, work};
use dhow_oci::Image;
use dhow_store::Layout;

const LAYOUT: &str = "DHOW_TEST_LAYOUT";

fn write(layout: &Path) -> Image {
    let layout = Layout::open(layout, &work()).unwrap();
    let image = store_image(&layout, "linux/amd64", &["base", "app"]);
    tag(&layout, "app", &image);
    image
}

#[test]
fn child_writes_an_image() {
    let Some(path) = std::env::var_os(LAYOUT) else { return };
    write(Path::new(&path));
}

/// Returns the syncs and renames of `child_writes_an_image`, with the paths that they are about.
fn trace(layout: &Path, log: &Path) -> Vec<String> {
    let status = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "300", "-e", "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2", "-o"])
        .arg(log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_writes_an_image", "--test-threads=1"])
        .env(LAYOUT, layout)
        .stdout(Stdio::null())
        .status()
        .expect("strace, which scripts/test.sh installs");
    assert!(status.success());
    let calls = std::fs::read_to_string(log).unwrap();
    calls.lines().filter(|line| line.ends_with("= 0")).map(str::to_owned).collect()
}

#[test]
fn blobs_are_on_the_disk_before_the_index_names_them_and_the_index_when_the_tag_is_told() {
    let scratch = Scratch::new();
    let path = scratch.layout("layout").path().canonicalize().unwrap();
    let calls = trace(&path, &scratch.path("calls"));
    let place = |what: &str, call: &str, end: &str| {
        let found = calls.iter().position(|line| line.contains(call) && line.contains(end));
        found.unwrap_or_else(|| panic!("{what}: no {call} of {end} in\n{}", calls.join("\n")))
    };
    let index = place("the index gets its name", "rename", "\"index.json\"");
    let written = place("the index is written", "fsync(", &format!("<{}/.dhow-", path.display()));
    // The same image elsewhere tells which blobs it has.
    let image = write(scratch.layout("other").path());
    let blobs = path.join("blobs/sha256").display().to_string();
    let directory = place("the names of the blobs", "fsync(", &format!("<{blobs}>"));
    for digest in image.blobs().into_iter().map(|blob| &blob.digest).chain([image.manifest().digest()]) {
        let named = place("the blob gets its name", "rename", &format!("\"{}\"", digest.hex()));
        let synced = place("the blob is written", "fsync(", &format!("<{blobs}/{}>", digest.hex()));
        assert!(named < directory && synced < index && synced < directory, "{digest}");
    }
    assert!(directory < index && written < index);
    let last =
        calls.iter().rposition(|line| line.contains("fsync(") && line.contains(&format!("<{}>", path.display())));
    assert_eq!(last, Some(calls.len() - 1), "the name of the index is the last thing that is synced");
    assert!(last > Some(index));
}
