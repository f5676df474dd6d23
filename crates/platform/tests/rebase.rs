//! What a rebase does to the layout of an app image.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dhow_cnb::label;
use dhow_fs::Work;
use dhow_oci::{Descriptor, DiffId, Digest, Image, ImageConfig, LayerRef, MediaType, Platform};
use dhow_platform::{Location, RebaseReport, RebaseRequest, rebase};
use dhow_store::{BlobSink, BlobSource, Completeness, Layout, Presence};

struct Silent;

impl dhow_platform::Events for Silent {
    fn emit(&self, _event: dhow_platform::Event<'_>) {}
}

fn blob(layer: &str) -> Descriptor {
    Descriptor::of(MediaType::OciLayer, layer.as_bytes())
}

/// Writes an image of `layers` to `directory/name`, with the blobs of `stored` alone.
fn write(
    directory: &Path,
    name: &str,
    layers: &[&str],
    stored: &[&str],
    label_text: Option<String>,
    how: Completeness,
) {
    let layout = Layout::open_or_create(&directory.join(name), &Arc::new(Work::default())).unwrap();
    let host = Platform::host();
    let mut config = ImageConfig { os: host.os, architecture: host.architecture, ..ImageConfig::default() };
    config.config.env = vec!["CNB_PLATFORM_API=0.15".to_owned()];
    config.config.labels.extend(label_text.map(|text| (label::LIFECYCLE_METADATA.to_owned(), text)));
    let refs: Vec<LayerRef> = layers
        .iter()
        .map(|layer| LayerRef { descriptor: blob(layer), diff_id: DiffId(Digest::of(layer.as_bytes())) })
        .collect();
    let image = Image::assemble(config, &refs, BTreeMap::new());
    for layer in stored {
        layout.store(layer.as_bytes(), MediaType::OciLayer).unwrap();
    }
    layout.store(image.config().bytes(), MediaType::OciConfig).unwrap();
    layout.store(image.manifest().bytes(), MediaType::OciManifest).unwrap();
    layout.tag("latest", image.descriptor(), how).unwrap();
}

/// Rebases an app whose run image is `old` onto the run image `new`; returns the report and whether `new` is with the app.
fn rebased(app: Completeness) -> (RebaseReport, bool) {
    let directory = tempfile::tempdir().unwrap();
    let sha = |layer: &str| Digest::of(layer.as_bytes()).to_string();
    let label_text = format!(
        r#"{{"app":[{{"sha":"{}"}}],"runImage":{{"topLayer":"{}","reference":"r","image":"run"}}}}"#,
        sha("app"),
        sha("old")
    );
    let stored: &[&str] = if app == Completeness::Full { &["old", "app"] } else { &["app"] };
    write(directory.path(), "app", &["old", "app"], stored, Some(label_text), app);
    write(directory.path(), "run", &["new"], &["new"], None, Completeness::Full);
    let location = |name: &str| Location::parse_in(&format!("oci:{name}"), directory.path()).unwrap();
    let request = RebaseRequest {
        image: location("app").place(directory.path()),
        name: "oci:app".to_owned(),
        run_image: Some(location("run")),
        force: true,
        layout_repository: directory.path().to_owned(),
        cache_directory: directory.path().join("cache"),
    };
    let report = rebase(&request, &Silent).unwrap();
    let layout = Layout::open(&directory.path().join("app"), &Arc::new(Work::default())).unwrap();
    (report, layout.presence(&blob("new")).unwrap() == Presence::Present)
}

#[test]
fn a_sparse_app_stays_sparse_though_its_new_run_image_is_whole() {
    let (report, has_base) = rebased(Completeness::Sparse);
    assert!(report.sparse);
    assert!(!has_base, "nobody asked for the run image's layers");
}

#[test]
fn a_full_app_stays_full() {
    let (report, has_base) = rebased(Completeness::Full);
    assert!(!report.sparse);
    assert!(has_base);
}
