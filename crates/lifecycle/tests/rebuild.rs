//! Two builds in a row: export, cache, analysis and restore against what the reference recorded.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use dhow_cnb::{Analyzed, CacheMetadata, Group};
use dhow_layer::Owner;
use dhow_lifecycle::analyze::{AnalyzeInput, Wanted, analyze};
use dhow_lifecycle::cache::{DirectoryCache, LayerCache, LayoutCache};
use dhow_lifecycle::content::Packing;
use dhow_lifecycle::export::{
    CacheInput, ExportProgress, Exported, NothingKnown, Output, Publication, publish, write_cache,
};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::restore::{KeptTree, RestoreInput, Restored, restore};
use dhow_lifecycle::{Level, MemoryLog};
use dhow_oci::{DiffId, Document, Image, Platform, Selector};
use dhow_store::{Completeness, Expected, ImageSource, Layout, Query};
use serde_json::{Value, json};
use support::{
    APP, Machine, Options, assert_same_text, config_text, export_case, lines, printed, recorded, rules, text,
    with_right_reference,
};

/// What the first build leaves: its image, and its cache.
struct FirstBuild {
    machine: Machine,
    base: SourceImage,
    app: Arc<Layout>,
}

fn cache_path(machine: &Machine) -> std::path::PathBuf {
    let path = machine.directory.path().join("cache");
    dhow_fs::Root::host().unwrap().create_directories(&path, 0o755).unwrap();
    path
}

fn save(machine: &Machine, exported: &Exported, app: &Layout, log: &MemoryLog) {
    let publication = Publication {
        image: &exported.image,
        blobs: &[],
        completeness: exported.completeness,
        base_layers: 2,
        bom: &[],
    };
    let _published =
        publish(&publication, &[Output { layout: app, tag: "latest", name: APP, expected: &Expected::Anything }], log)
            .unwrap();
    let _machine = machine;
}

fn fill_cache(
    machine: &Machine,
    case: &Value,
    exported: &Exported,
    app: &Layout,
    cache: &mut dyn LayerCache,
    log: &MemoryLog,
) {
    let group = Group::parse(text(case, "group")).unwrap();
    let packing = Packing::new(&machine.root, Owner { uid: 1000, gid: 1000 }, &machine.work);
    let input = CacheInput {
        packing: &packing,
        rules: &rules("0.15"),
        layers: Path::new("/layers"),
        buildpacks: &group.buildpacks,
        exported: &ExportProgress::ended(&exported.layers),
        blobs: app,
        known: &NothingKnown,
    };
    write_cache(&input, cache, log).unwrap();
}

fn first_build(fill: impl FnOnce(&Machine, &Value, &Exported, &Layout)) -> FirstBuild {
    let case = recorded("rebuild-1.json");
    let machine = Machine::new();
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    let base = machine.full_base();
    let app = Arc::new(machine.layout("app"));
    let log = MemoryLog::default();
    let exported = export_case(&machine, &case, &app, &Options::new(&base), &log).unwrap();
    save(&machine, &exported, &app, &log);
    fill(&machine, &case, &exported, &app);
    assert_same_text(&config_text(&exported), &with_right_reference(text(&case, "config"), &base), "run 1");
    FirstBuild { machine, base, app }
}

fn with_directory_cache() -> FirstBuild {
    first_build(|machine, case, exported, app| {
        let log = MemoryLog::default();
        let mut cache = DirectoryCache::open(&cache_path(machine), &machine.work).unwrap();
        fill_cache(machine, case, exported, app, &mut cache, &log);
        let expected = lines(case, "stdout").into_iter().filter(|line| line.contains("cache layer"));
        assert_eq!(printed(&log), expected.collect::<Vec<_>>());
    })
}

fn previous(build: &FirstBuild) -> SourceImage {
    let found = build
        .app
        .load(&Query::new(Some(&Selector::Tag("latest".to_owned())), &Platform::new("linux", "amd64")))
        .unwrap();
    SourceImage {
        named: found.resolved.named,
        image: found.image,
        blobs: Arc::clone(&build.app) as Arc<dyn dhow_store::BlobSource>,
        name: APP.to_owned(),
        base_name: None,
    }
}

/// Analyses as the second build does, over empty layers.
fn analysis(build: &FirstBuild, previous: &SourceImage, log: &MemoryLog) -> Analyzed {
    build.machine.tree("/layers", &json!([]));
    let input = AnalyzeInput {
        root: &build.machine.root,
        layers: Path::new("/layers"),
        rules: &rules("0.15"),
        previous: Wanted { name: APP, image: Some(previous) },
        run: Wanted { name: &build.base.name, image: Some(&build.base) },
        kept: None,
        skip_layers: false,
        work: &build.machine.work,
    };
    analyze(&input, log).unwrap()
}

fn restoration(
    build: &FirstBuild,
    analyzed: &Analyzed,
    cache: Option<&dyn LayerCache>,
    kept: Option<&dyn KeptTree>,
    log: &MemoryLog,
) -> Restored {
    let group = Group::parse(text(&recorded("rebuild-2.json"), "group")).unwrap();
    let input = RestoreInput {
        root: &build.machine.root,
        layers: Path::new("/layers"),
        buildpacks: &group.buildpacks,
        metadata: &analyzed.metadata,
        cache,
        kept,
        skip_layers: false,
        rules: &rules("0.15"),
        threads: NonZero::new(3).unwrap(),
        work: &build.machine.work,
    };
    restore(&input, log).unwrap()
}

/// The reference prints the metadata lines in random order.
fn sorted_metadata_lines(mut lines: Vec<String>) -> Vec<String> {
    let count = lines.iter().take_while(|line| line.starts_with("Restoring metadata")).count();
    lines[..count].sort();
    lines
}

fn recorded_tree(case: &Value) -> Vec<(String, String)> {
    let entry = |entry: &Value| {
        let field = |position: usize| entry[position].as_str().unwrap().to_owned();
        let content = match field(0).as_str() {
            "d" => "directory".to_owned(),
            "l" => format!("link {}", field(3)),
            _ => field(3),
        };
        (field(2), content)
    };
    let mut tree: Vec<(String, String)> = case["restored"].as_array().unwrap().iter().map(entry).collect();
    tree.sort();
    tree
}

fn restored_tree(machine: &Machine) -> Vec<(String, String)> {
    let mut tree = machine.list("/layers");
    tree.sort();
    tree
}

#[test]
fn a_second_build_restores_reuses_and_caches_as_the_reference() {
    let build = with_directory_cache();
    let machine = &build.machine;
    let second = recorded("rebuild-2.json");
    let previous = previous(&build);

    let log = MemoryLog::default();
    let analyzed = analysis(&build, &previous, &log);
    assert_eq!(printed(&log), ["Restoring data for SBOM from previous image"]);
    let expected = Analyzed::parse(text(&second, "analyzed")).unwrap();
    assert_eq!(analyzed.metadata.buildpacks, expected.metadata.buildpacks);
    assert_eq!(analyzed.run_image, expected.run_image);

    let log = MemoryLog::default();
    let mut cache = DirectoryCache::open(&cache_path(machine), &machine.work).unwrap();
    let _restored = restoration(&build, &analyzed, Some(&cache), None, &log);
    let printed_lines = sorted_metadata_lines(printed(&log));
    assert_eq!(printed_lines, sorted_metadata_lines(lines(&second, "restorer_stdout")));
    assert_eq!(restored_tree(machine), recorded_tree(&second));

    machine.tree("/layers", &second["layers"]);
    machine.tree("/workspace", &second["app"]);
    let mut case = second.clone();
    case["analyzed"] = analyzed.emit().into();
    let log = MemoryLog::default();
    let options = Options { previous: Some(&previous), ..Options::new(&build.base) };
    let exported = export_case(machine, &case, &build.app, &options, &log).unwrap();
    assert_same_text(&config_text(&exported), &with_right_reference(text(&second, "config"), &build.base), "run 2");
    save(machine, &exported, &build.app, &log);
    fill_cache(machine, &second, &exported, &build.app, &mut cache, &log);
    let of_image = |line: &String| line.starts_with("*** Images");
    let of_command = |line: &String| {
        line.contains("experimental") || line.starts_with("Reusing layers from") || line.starts_with("Using app image")
    };
    let expected: Vec<String> =
        lines(&second, "stdout").into_iter().filter(|line| !of_image(line) && !of_command(line)).collect();
    assert_eq!(printed(&log).into_iter().filter(|line| !of_image(line)).collect::<Vec<_>>(), expected);
    check_cache_files(machine, &second);
}

fn check_cache_files(machine: &Machine, case: &Value) {
    let root = dhow_fs::Root::open(&cache_path(machine)).unwrap();
    let committed = root.read_directory(Path::new("/committed")).unwrap();
    let names: Vec<String> =
        committed.into_iter().map(|entry| format!("committed/{}", entry.name.to_str().unwrap())).collect();
    assert_eq!(names, lines(case, "cache_files"));
    let metadata =
        root.read_to_string(Path::new("/committed/io.buildpacks.lifecycle.cache.metadata"), 1 << 20).unwrap();
    assert_same_text(&metadata, text(case, "cache_metadata"), "cache metadata");
    let top: Vec<_> = root.read_directory(Path::new("/")).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(top, ["committed"]);
}

#[test]
fn damaged_cached_layers_are_left_out_with_the_references_warnings() {
    let build = with_directory_cache();
    let previous = previous(&build);
    let root = dhow_fs::Root::open(&cache_path(&build.machine)).unwrap();
    let metadata = root.read(Path::new("/committed/io.buildpacks.lifecycle.cache.metadata"), 1 << 20).unwrap();
    let metadata = CacheMetadata::parse(&metadata).unwrap();
    let sha = |name: &str| metadata.buildpacks[0].layers[name].sha.clone();
    let keep = format!("/committed/{}.tar", sha("keep"));
    let mut bytes = root.read(Path::new(&keep), 1 << 20).unwrap();
    bytes.extend_from_slice(b"junk");
    root.write(Path::new(&keep), &bytes, 0o644).unwrap();
    root.remove_file(Path::new(&format!("/committed/{}.tar", sha("bc")))).unwrap();

    let analyzed = analysis(&build, &previous, &MemoryLog::default());
    let log = MemoryLog::default();
    let cache = DirectoryCache::open(&cache_path(&build.machine), &build.machine.work).unwrap();
    let restored = restoration(&build, &analyzed, Some(&cache), None, &log);
    let warnings: Vec<String> = printed(&log).into_iter().filter(|line| line.starts_with("Warning")).collect();
    let found = dhow_oci::Digest::of(&bytes);
    assert_eq!(
        warnings,
        [
            format!(
                "Warning: Skipping restore for layer golden/re:bc: failed to find cache layer with SHA '{}'",
                sha("bc")
            ),
            format!(
                "Warning: Skipping restore for layer golden/re:keep: expected layer contents to have SHA '{}'; found '{found}'",
                sha("keep")
            ),
        ]
    );
    let names: Vec<&str> = restored.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["all", "change", "gonecache", "nomd"]);
    assert!(!build.machine.root.exists(Path::new("/layers/golden_re/keep")));
    assert!(build.machine.root.exists(Path::new("/layers/golden_re/keep.toml")));
}

#[test]
fn cache_metadata_that_is_garbage_counts_as_an_empty_cache() {
    let build = with_directory_cache();
    let root = dhow_fs::Root::open(&cache_path(&build.machine)).unwrap();
    root.write(Path::new("/committed/io.buildpacks.lifecycle.cache.metadata"), b"{nope", 0o644).unwrap();
    let cache = DirectoryCache::open(&cache_path(&build.machine), &build.machine.work).unwrap();
    assert_eq!(cache.metadata(), CacheMetadata::default());
}

#[test]
fn an_interrupted_exchange_of_the_cache_is_undone() {
    let build = with_directory_cache();
    let path = cache_path(&build.machine);
    let root = dhow_fs::Root::open(&path).unwrap();
    root.rename(Path::new("/committed"), Path::new("/committed-backup")).unwrap();
    let cache = DirectoryCache::open(&path, &build.machine.work).unwrap();
    assert_eq!(cache.metadata().buildpacks[0].layers.len(), 6);
}

/// Row L24 of docs/differences.md: files that an earlier build left are replaced, not written through.
#[test]
fn restoring_over_a_foreign_layers_tree_gives_the_cached_layer() {
    let build = with_directory_cache();
    let previous = previous(&build);
    let analyzed = analysis(&build, &previous, &MemoryLog::default());
    let root = &build.machine.root;
    root.create_directories(Path::new("/layers/golden_re/keep"), 0o755).unwrap();
    root.write(Path::new("/layers/golden_re/keep/left"), b"left", 0o644).unwrap();
    root.symlink(Path::new("/etc"), Path::new("/layers/golden_re/keep/sub")).unwrap();
    root.symlink(Path::new("/etc"), Path::new("/layers/golden_re/change")).unwrap();
    let cache = DirectoryCache::open(&cache_path(&build.machine), &build.machine.work).unwrap();
    let _restored = restoration(&build, &analyzed, Some(&cache), None, &MemoryLog::default());
    assert_eq!(restored_tree(&build.machine), recorded_tree(&recorded("rebuild-2.json")));
}

#[test]
fn a_cache_in_a_layout_shares_the_blobs_of_the_app_image() {
    let build = first_build(|machine, case, exported, app| {
        let packed = machine.work.report().layers_packed;
        let mut cache = LayoutCache::new(Arc::new(machine.layout("app")), "cache", None);
        fill_cache(machine, case, exported, app, &mut cache, &MemoryLog::default());
        // `bc` and the SBOM files are not in the app image; the other five layers are.
        assert_eq!(machine.work.report().layers_packed - packed, 2);
    });
    let found = build.app.load(&Query::new(Some(&Selector::Tag("cache".to_owned())), &Platform::host())).unwrap();
    let cache = LayoutCache::new(Arc::clone(&build.app), "cache", Some(found.image));
    let previous = previous(&build);
    let analyzed = analysis(&build, &previous, &MemoryLog::default());
    let restored = restoration(&build, &analyzed, Some(&cache), None, &MemoryLog::default());
    assert_eq!(restored.layers.len(), 6);
    assert_eq!(restored_tree(&build.machine), recorded_tree(&recorded("rebuild-2.json")));
}

/// A tree that is as the last build left it.
struct Untouched<'a>(&'a Machine);

impl KeptTree for Untouched<'_> {
    fn intact(&self, directory: &Path, _diff_id: &DiffId) -> bool {
        self.0.root.is_directory(directory)
    }
}

#[test]
fn a_kept_tree_is_left_where_it_is_and_what_no_build_needs_is_removed() {
    let build = with_directory_cache();
    let machine = &build.machine;
    let previous = previous(&build);
    let analyzed = analysis(&build, &previous, &MemoryLog::default());
    machine.tree("/layers", &recorded("rebuild-1.json")["layers"]);
    machine.root.write(Path::new("/layers/left"), b"", 0o644).unwrap();
    machine.root.symlink(Path::new("golden_re"), Path::new("/layers/link")).unwrap();
    let inode = |path: &str| machine.root.metadata(Path::new(path)).unwrap().inode;
    let before = inode("/layers/golden_re/keep/sub/f");
    let cache = DirectoryCache::open(&cache_path(machine), &machine.work).unwrap();
    let restored = restoration(&build, &analyzed, Some(&cache), Some(&Untouched(machine)), &MemoryLog::default());
    assert!(restored.layers.iter().all(|layer| layer.kept));
    assert_eq!(machine.work.report().layers_restored, 0);
    assert_eq!(inode("/layers/golden_re/keep/sub/f"), before);
    for gone in ["golden_re/launchonly", "golden_re/launch.toml", "golden_re/bl", "left", "link"] {
        assert!(!machine.root.exists(&Path::new("/layers").join(gone)), "{gone}");
    }
}

#[test]
fn analysis_opens_no_blob_but_that_of_the_sbom() {
    let build = with_directory_cache();
    let previous = previous(&build);
    let before = build.machine.work.report().blobs_opened;
    let _analyzed = analysis(&build, &previous, &MemoryLog::default());
    assert_eq!(build.machine.work.report().blobs_opened - before, 1);
}

/// Row G7 of docs/differences.md: the reference takes the absent blobs over as absent.
#[test]
fn layers_whose_blobs_the_previous_image_lacks_are_packed_again() {
    let build = with_directory_cache();
    let previous = previous(&build);
    let analyzed = analysis(&build, &previous, &MemoryLog::default());
    let second = recorded("rebuild-2.json");
    build.machine.tree("/layers", &second["layers"]);
    build.machine.tree("/workspace", &second["app"]);
    let mut case = second.clone();
    case["analyzed"] = analyzed.emit().into();
    let elsewhere = build.machine.layout("elsewhere");
    let sparse = SourceImage { blobs: Arc::new(build.machine.layout("empty")), ..previous };
    let options = Options { previous: Some(&sparse), ..Options::new(&build.base) };
    let log = MemoryLog::default();
    // `launchonly` has no directory, so that it can come from nowhere else.
    let error = export_case(&build.machine, &case, &elsewhere, &options, &log).unwrap_err();
    assert_eq!(error.to_string(), "failed to export: reusing layer: 'golden/re:launchonly'");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("blob sha256:") && cause.ends_with(&format!("is absent from previous image {APP}")),
        "{cause}"
    );
    let reused = printed(&log).into_iter().filter(|line| line == "Reusing layer 'golden/re:keep'").count();
    assert_eq!(reused, 1);
    assert!(build.machine.work.report().layers_packed > 0);
}

/// Row L9 of docs/differences.md.
#[test]
fn an_absent_sbom_layer_is_told_of() {
    let build = with_directory_cache();
    let sparse = SourceImage { blobs: Arc::new(build.machine.layout("empty")), ..previous(&build) };
    let log = MemoryLog::default();
    let _analyzed = analysis(&build, &sparse, &log);
    let warned = log
        .entries()
        .into_iter()
        .any(|(level, text)| level == Level::Warn && text.starts_with("Skipping restore of SBOM"));
    assert!(warned);
}

/// Row L23 of docs/differences.md.
#[test]
fn a_missing_run_image_is_an_error_that_names_its_path() {
    let machine = Machine::new();
    let name = "/layout-repo/index.docker.io/golden/base/latest";
    let input = AnalyzeInput {
        root: &machine.root,
        layers: Path::new("/layers"),
        rules: &rules("0.15"),
        previous: Wanted { name: APP, image: None },
        run: Wanted { name, image: None },
        kept: None,
        skip_layers: false,
        work: &machine.work,
    };
    let log = MemoryLog::default();
    let error = analyze(&input, &log).unwrap_err();
    assert_eq!(error.to_string(), format!("failed to analyze: run image not found: there is no image at {name}"));
    assert_eq!(error.exit_code().number(), 32);
    let expected = [format!("Image with name \"{APP}\" not found"), format!("Image with name \"{name}\" not found")];
    assert_eq!(printed(&log), expected);
}

#[test]
fn a_previous_image_whose_label_is_garbage_counts_as_none() {
    let build = with_directory_cache();
    let found = previous(&build);
    let config = found.image.config().edited(|config| {
        config.config.labels.insert("io.buildpacks.lifecycle.metadata".to_owned(), "{nope".to_owned());
    });
    let manifest = found.image.manifest().edited(|manifest| {
        manifest.config.digest = config.digest().clone();
        manifest.config.size = config.bytes().len() as u64;
    });
    let image = Image::new(Document::of(manifest.value().clone()), config).unwrap();
    let analyzed = analysis(&build, &SourceImage { image, ..found }, &MemoryLog::default());
    assert_eq!(analyzed.previous_image, None);
    assert_eq!(analyzed.metadata, dhow_cnb::LifecycleMetadata::default());
}

#[test]
fn full_and_sparse_exports_are_the_same_image() {
    let build = with_directory_cache();
    let case = recorded("rebuild-1.json");
    build.machine.tree("/layers", &case["layers"]);
    let digest = |completeness| {
        let options = Options { completeness, ..Options::new(&build.base) };
        let store = build.machine.layout("other");
        let exported = export_case(&build.machine, &case, &store, &options, &MemoryLog::default()).unwrap();
        (exported.image.manifest().digest().clone(), exported.completeness)
    };
    let (full, completeness) = digest(Completeness::Full);
    assert_eq!(digest(Completeness::Sparse).0, full);
    // The base's blobs are absent, so that what was to be full is sparse.
    assert_eq!(completeness, Completeness::Sparse);
}
