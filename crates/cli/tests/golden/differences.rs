//! Where the recording shows a defect of the reference, what is right instead.
//!
//! Each entry names its row in `docs/differences.md`. Whatever differs and is not listed here fails.

/// A listed difference.
pub(crate) struct Difference {
    /// The runs.
    pub(crate) runs: &'static [&'static str],
    /// The step, from 1; 0 for the image at the end.
    pub(crate) step: usize,
    /// The row in `docs/differences.md`.
    pub(crate) row: &'static str,
    /// What is right.
    pub(crate) right: Right,
}

/// What is right instead of what was recorded.
pub(crate) enum Right {
    /// The step's exit code and output.
    Ends(i32, &'static str),
    /// The recording, with one text in output, files, config and cache replaced by another.
    Replaced(&'static str, &'static str),
    /// The step does not write this file.
    NotWritten(&'static str),
    /// The image is not written.
    NoImage,
    /// The whole run is as another one was recorded.
    AsIn(&'static str),
}

const NO_RUN_IMAGE: &str = "ERROR: failed to resolve inputs: run image not found in analyzed metadata\n";
const NO_ANALYZED: &str = "Warning: No analyzed metadata found at path \"/layers/analyzed.toml\"\n\
    ERROR: failed to resolve inputs: run image not found in analyzed metadata\n";
const NO_BASE: &str = "Warning: Platform requested experimental feature 'export to OCI layout format'\n\
    Image with name \"/layout-repo/index.docker.io/golden/app/latest\" not found\n\
    Image with name \"/layout-repo/index.docker.io/golden/base/latest\" not found\n\
    ERROR: failed to analyze: run image not found: there is no image at /layout-repo/index.docker.io/golden/base/latest\n";
const NO_MIRROR: &str = "Warning: Platform requested experimental feature 'export to OCI layout format'\n\
    Image with name \"/layout-repo/index.docker.io/golden/app/latest\" not found\n\
    Image with name \"/layout-repo/example.org/golden/base/latest\" not found\n\
    ERROR: failed to analyze: run image not found: there is no image at /layout-repo/example.org/golden/base/latest\n";
const fn difference(runs: &'static [&'static str], step: usize, row: &'static str, right: Right) -> Difference {
    Difference { runs, step, row, right }
}

use Right::{AsIn, Ends, NoImage, NotWritten, Replaced};

#[rustfmt::skip]
pub(crate) const DIFFERENCES: &[Difference] = &[
    // Indexes are resolved.
    difference(&["bases/0.15/nested", "bases/0.15/two", "bases/0.15/two-noplatform"], 0, "L1", AsIn("bases/0.15/sparse")),
    difference(&["bases/0.15/docker-nested"], 0, "L1", AsIn("bases/0.15/docker")),
    // A run image that is missing is an error of the analyzer.
    difference(&["bases/0.15/missing", "bases/0.15/run-image-mirror"], 0, "L23", AsIn("bases/0.15/no-os")),
    difference(&["bases/0.15/missing", "bases/0.15/empty-index"], 1, "L23", Ends(32, NO_BASE)),
    difference(&["bases/0.15/run-image-mirror"], 1, "L23", Ends(32, NO_MIRROR)),
    // The run image must be the one that was analyzed.
    difference(&["bases/0.15/digest-moved"], 4, "L5", Ends(62, "Warning: No cached data will be used, no cache specified.\n\
        Warning: Platform requested experimental feature 'export to OCI layout format'\n\
        Using app image: /layout-repo/index.docker.io/golden/app/latest\n\
        ERROR: failed to export: run image /layout-repo/index.docker.io/golden/base/latest changed since it was analyzed: expected \
        sha256:b9b633e0e8f8b7848095c1b41eb39f7594a7266adf8df0d4058d4066f5229277, found \
        sha256:03b4b10c3ba5f68a565bdfb8f6b8e85b48740fde183259cf79d29399ba80865f\n")),
    difference(&["bases/0.15/digest-moved"], 4, "L5", NotWritten("report.toml")),
    difference(&["bases/0.15/digest-moved"], 0, "L5", NoImage),
    // Every name is a directory of the layout directory.
    difference(&["previous/tags/run2"], 5, "L6", Replaced("golden/extra:1", "/layout-repo/index.docker.io/golden/extra/1")),
    difference(&["previous/tags/run2"], 5, "L6", Replaced("golden/app:two", "/layout-repo/index.docker.io/golden/app/two")),
    // Bytes that are absent are never taken for empty ones.
    difference(&["previous/previous-sparse/run2"], 1, "L9", Replaced("Restoring data for SBOM from previous image\n", "Restoring data for SBOM from previous image\n\
        Warning: Skipping restore of SBOM: blob sha256:75f644e04569c47d2affa273a7edc6e9c37c3dc6314803590ba253427c5f0ab1 is not in \
        /layout-repo/index.docker.io/golden/app/latest: it is sparse there\n")),
    difference(&["previous/previous-sparse/run2"], 5, "G7", Ends(62, "Warning: No cached data will be used, no cache specified.\n\
        Warning: Platform requested experimental feature 'export to OCI layout format'\n\
        Reusing layers from image '/layout-repo/index.docker.io/golden/app/latest'\n\
        Using app image: /layout-repo/index.docker.io/golden/app/latest\n\
        Warning: Did not find SBOM lifecycle.sbom.cdx.json in /cnb/lifecycle\n\
        Warning: Did not find SBOM lifecycle.sbom.spdx.json in /cnb/lifecycle\n\
        Warning: Did not find SBOM lifecycle.sbom.syft.json in /cnb/lifecycle\n\
        Warning: Did not find SBOM launcher.sbom.cdx.json in /cnb/lifecycle\n\
        Warning: Did not find SBOM launcher.sbom.spdx.json in /cnb/lifecycle\n\
        Warning: Did not find SBOM launcher.sbom.syft.json in /cnb/lifecycle\n\
        Reusing layer 'golden/prev:jre'\n\
        ERROR: failed to export: reusing layer: 'golden/prev:jre': blob \
        sha256:0addeb9f57e040a438c52140e04bf0a20b23e23f7ffa56c796714edb9b56ca0c is absent from previous image \
        /layout-repo/index.docker.io/golden/app/latest\n")),
    difference(&["previous/previous-sparse/run2"], 5, "G7", NotWritten("report.toml")),
    difference(&["previous/previous-sparse/run2"], 0, "G7", Replaced(
        "382bce2eb5c86bab86c07fb300de62f75f1b93570e862ae0c5e69f5c53b53afb", "683a9a7f05092b81fe0389bf3852ec4944bd875ce639b9c33f56b0752da4b38f")),
    // The rebaser knows layouts.
    difference(&["errors/0.15/flags"], 7, "L10", Replaced("  -log-level", "  -layout\n    \texport to OCI layout format on disk\n  \
        -layout-dir string\n    \tpath to output directory for images in OCI layout format\n  -log-level")),
    difference(&["errors/0.15/flags"], 10, "L10", Ends(3, "ERROR: failed to resolve inputs: could not parse reference: x\n")),
    // Where the image goes is made before layers are packed.
    difference(&["errors/0.15/layout-dir-not-writable"], 4, "L21", Ends(62, "Warning: No cached data will be used, no cache specified.\n\
        Warning: Platform requested experimental feature 'export to OCI layout format'\n\
        Using app image: /layout-repo/index.docker.io/golden/app/latest\n\
        ERROR: failed to export: saving image: mkdir /layout-repo/index.docker.io/golden/app: permission denied\n")),
    // The run image's names are those of its entry in run.toml.
    difference(&["bases/0.15/run-image-flag"], 0, "G2", Replaced(
        r#"\"image\":\"golden/base\",\"mirrors\":[\"example.org/golden/base\",\"other.example.org:5000/golden/base:latest\"]}"#,
        r#"\"image\":\"golden/unused\"}"#)),
    // A PATH with an equals sign in it is kept.
    difference(&["bases/0.15/path-eq"], 0, "G3", Replaced("PATH=/cnb/process:/cnb/lifecycle:\"", "PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/opt/a=b/bin\"")),
    // No analyzed.toml, or one without a run image.
    difference(&["bases/0.15/no-os", "bases/0.15/empty-index", "bases/0.15/missing", "bases/0.15/run-image-mirror", "previous/previous-corrupt/run2"], 5, "G4", Ends(3, NO_RUN_IMAGE)),
    difference(&["errors/0.15/layers-missing"], 5, "G4", Ends(3, NO_ANALYZED)),
    difference(&["errors/0.15/no-analyzed"], 3, "G4", Ends(3, NO_ANALYZED)),
    // Without -layout-dir the default directory counts.
    difference(&["bases/0.15/layout-dir-empty"], 4, "G5", Replaced("index.docker.io/golden/app/latest", "/layout-repo/index.docker.io/golden/app/latest")),
    // A layout and a daemon at once.
    difference(&["errors/0.15/args"], 18, "G6", Ends(3, "ERROR: failed to resolve inputs: -layout (CNB_USE_LAYOUT) and -daemon (CNB_USE_DAEMON) exclude each other\n")),
    // Restored files keep setuid and setgid.
    difference(&["treebytes/0.15-rebuild-2"], 3, "G8", Replaced("f 0755 1000:1000 5 47ee5a", "f 6755 1000:1000 5 47ee5a")),
    difference(&["treebytes/0.15-rebuild-2"], 3, "G8", Replaced("f 0755 1000:1000 5 629ec3", "f 2755 1000:1000 5 629ec3")),
    difference(&["treebytes/0.15-rebuild-2"], 3, "G8", Replaced("f 0755 1000:1000 5 ae6940", "f 4755 1000:1000 5 ae6940")),
    difference(&["treebytes/0.15-rebuild-2"], 3, "G8", Replaced("f 1777 1000:1000 5 cc41c2", "f 7777 1000:1000 5 cc41c2")),
    difference(&["treebytes/0.15-rebuild-2"], 4, "G8", Replaced("f 0755 1000:1000 5 47ee5a", "f 6755 1000:1000 5 47ee5a")),
    difference(&["treebytes/0.15-rebuild-2"], 4, "G8", Replaced("f 0755 1000:1000 5 629ec3", "f 2755 1000:1000 5 629ec3")),
    difference(&["treebytes/0.15-rebuild-2"], 4, "G8", Replaced("f 0755 1000:1000 5 ae6940", "f 4755 1000:1000 5 ae6940")),
    difference(&["treebytes/0.15-rebuild-2"], 4, "G8", Replaced("f 1777 1000:1000 5 cc41c2", "f 7777 1000:1000 5 cc41c2")),
    difference(&["treebytes/0.15-rebuild-2"], 5, "G8", Replaced("Adding layer 'golden/tree:tree'", "Reusing layer 'golden/tree:tree'")),
    difference(&["treebytes/0.15-rebuild-2"], 5, "G8", Replaced("Adding cache layer 'golden/tree:tree'", "Reusing cache layer 'golden/tree:tree'\nAdding cache layer 'golden/tree:tree'")),
    difference(&["treebytes/0.15-rebuild-2"], 0, "G8", Replaced(
        "a42774cba346041c0122d25c63d7376493e80b749418cdddd06360a995a13361", "1b923b1c1ccc535096e3213955ed12d814a3eed8489b47072ce0d80d3ee6a4e2")),
    // A garbage index.json.
    difference(&["previous/previous-corrupt/run2"], 1, "W1", Replaced("failed to load image from index: invalid character 'n' looking for beginning of object key string",
        "cannot read /layout-repo/index.docker.io/golden/app/latest/index.json: cannot parse index sha256:26b8317cfd9d065b7325a6ff3e6260dc62890ecf626448028a14a23fd6c1e04c: key must be a string at line 1 column 2")),
];

/// Returns the listed differences of a step.
pub(crate) fn of_step(run: &str, step: usize) -> impl Iterator<Item = &'static Difference> {
    let run = run.to_owned();
    DIFFERENCES.iter().filter(move |difference| difference.step == step && difference.runs.contains(&run.as_str()))
}

/// Returns the run whose recording is right for this one.
pub(crate) fn instead(run: &str) -> Option<&'static str> {
    of_step(run, 0).find_map(|difference| match difference.right {
        AsIn(other) => Some(other),
        _ => None,
    })
}

/// Returns the rows that the table of differences does not have.
pub(crate) fn rows_without_documentation() -> Vec<&'static str> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
    let table = std::fs::read_to_string(path).unwrap_or_default();
    let is_missing = |row: &&str| !table.contains(&format!("\n| {row} |"));
    DIFFERENCES.iter().map(|difference| difference.row).filter(is_missing).collect()
}
