//! What restoring leaves alone.

use std::num::NonZero;
use std::path::Path;

use dhow_cnb::{Group, LifecycleMetadata, PlatformApi, PlatformRules};
use dhow_fs::{Root, Work};
use dhow_lifecycle::MemoryLog;
use dhow_lifecycle::cache::DirectoryCache;
use dhow_lifecycle::restore::{RestoreInput, restore};

/// A layer `l` of a buildpack `b`, as label and cache list it.
fn listed(types: &str) -> String {
    let sha = format!("sha256:{}", "1".repeat(64));
    format!(r#"{{"buildpacks":[{{"key":"b","version":"1","layers":{{"l":{{"sha":"{sha}",{types}}}}}}}]}}"#)
}

#[test]
fn a_launch_layer_that_the_cache_lists_as_not_for_the_cache_keeps_its_metadata() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let work = Work::default();
    root.create_directories(Path::new("/layers"), 0o755).unwrap();
    root.create_directories(Path::new("/cache/committed"), 0o755).unwrap();
    let cached = listed(r#""build":false,"launch":true,"cache":false"#);
    let path = Path::new("/cache/committed").join(dhow_cnb::label::CACHE_METADATA);
    root.write(&path, cached.as_bytes(), 0o644).unwrap();
    let cache = DirectoryCache::open(&directory.path().join("cache"), &work).unwrap();
    let input = RestoreInput {
        root: &root,
        layers: Path::new("/layers"),
        buildpacks: &Group::parse("[[group]]\nid = \"b\"\nversion = \"1\"\napi = \"0.10\"\n").unwrap().buildpacks,
        metadata: &LifecycleMetadata::parse(&listed(r#""build":false,"launch":true,"cache":false"#)).unwrap(),
        cache: Some(&cache),
        kept: None,
        skip_layers: false,
        rules: &PlatformRules::of(PlatformApi::V0_15),
        threads: NonZero::<usize>::MIN,
        work: &work,
    };
    let restored = restore(&input, &MemoryLog::default()).unwrap();
    assert!(restored.layers.is_empty());
    assert!(root.exists(Path::new("/layers/b/l.toml")), "the exporter reuses the layer of the app image by it");
}
