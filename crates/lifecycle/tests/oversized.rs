//! Images that nobody could read again: neither made nor named.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::{BuildpackId, BuildpackLayers, CacheMetadata};
use dhow_lifecycle::MemoryLog;
use dhow_lifecycle::cache::{CacheError, LayerCache, LayoutCache};
use dhow_lifecycle::export::{ExportError, Output, Publication, PublishError, publish};
use dhow_oci::{Image, ImageConfig};
use dhow_store::{Completeness, Expected};
use support::{APP, Machine, Options, export_case, printed, recorded};

/// The TOML file of a layer, and the layer.
const LARGE: (&str, &str) = ("/layers/golden_alpha/A.toml", "golden/alpha:A");

/// JSON in JSON: each of these characters takes seven bytes of the config.
#[test]
fn an_export_names_the_layer_that_makes_the_image_too_large() {
    let case = recorded("basic.json");
    let export = |characters: usize, log: &MemoryLog| {
        let machine = Machine::new();
        machine.tree("/layers", &case["layers"]);
        machine.tree("/workspace", &case["app"]);
        let file = Path::new(LARGE.0);
        let text = machine.root.read_to_string(file, 1 << 20).unwrap();
        let text = format!(
            "{}\n[metadata]\nlarge = \"{}\"\n",
            text.split("[metadata]").next().unwrap(),
            "<".repeat(characters)
        );
        machine.root.write(file, text.as_bytes(), 0o644).unwrap();
        let base = machine.full_base();
        export_case(&machine, &case, &machine.layout("app"), &Options::new(&base), log)
    };
    let log = MemoryLog::default();
    let refused = export(1_700_000, &log).unwrap_err();
    assert_eq!(refused.to_string(), format!("failed to export: the metadata of layer '{}' is too large", LARGE.1));
    let ExportError::Oversized { source, .. } = refused else { panic!("{refused}") };
    assert_eq!((source.what, source.size > 11_000_000), ("config", true));

    let log = MemoryLog::default();
    export(1_000_000, &log).unwrap();
    let warned: Vec<String> = printed(&log).into_iter().filter(|line| line.starts_with("Warning: The image")).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].ends_with(&format!("the largest part of it is the metadata of layer '{}'", LARGE.1)),
        "{warned:?}"
    );

    let log = MemoryLog::default();
    export(1000, &log).unwrap();
    assert!(!printed(&log).iter().any(|line| line.starts_with("Warning: The image")));
}

#[test]
fn an_image_that_is_too_large_is_not_named() {
    let machine = Machine::new();
    let layout = machine.layout("app");
    let mut config = ImageConfig { architecture: "amd64".to_owned(), os: "linux".to_owned(), ..ImageConfig::default() };
    config.config.labels.insert("large".to_owned(), "x".repeat(9 << 20));
    let image = Image::assemble(config, &[], Default::default());
    let publication =
        Publication { image: &image, blobs: &[], completeness: Completeness::Full, base_layers: 0, bom: &[] };
    let target = Output { layout: &layout, tag: "latest", name: APP, expected: &Expected::Anything };
    let error = publish(&publication, &[target], &MemoryLog::default());
    assert!(matches!(error, Err(PublishError::Oversized(_))));
    assert!(layout.index().unwrap().value().manifests.is_empty());
}

#[test]
fn a_cache_image_that_is_too_large_does_not_replace_the_one_before() {
    let machine = Machine::new();
    let layout = Arc::new(machine.layout("cache"));
    let commit = |size: usize| {
        let large = BuildpackLayers {
            key: BuildpackId::new("a/b").unwrap(),
            version: "x".repeat(size),
            layers: Default::default(),
            store: None,
        };
        let metadata = CacheMetadata { buildpacks: vec![large], ..CacheMetadata::default() };
        LayoutCache::new(Arc::clone(&layout), "cache", None).commit(&metadata)
    };
    commit(1000).unwrap();
    let before = layout.index().unwrap().bytes().to_vec();
    assert!(matches!(commit(9 << 20), Err(CacheError::Oversized(_))));
    assert_eq!(layout.index().unwrap().bytes(), before);
}
