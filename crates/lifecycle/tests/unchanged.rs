//! A rebuild costs what changed: the counters say so.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use dhow_fs::WorkReport;
use dhow_lifecycle::MemoryLog;
use dhow_lifecycle::content::PackedLayer;
use dhow_lifecycle::export::{Exported, KnownLayers, LayerSource, Outcome, Output, Publication, publish};
use dhow_lifecycle::image::SourceImage;
use dhow_oci::{Descriptor, DiffId, Digest, Image, ImageConfig, LayerRef, MediaType, Platform, Selector};
use dhow_store::{BlobSink, BlobSource, Completeness, Expected, ImageSource, Layout, Presence, Query};
use support::{APP, Machine, Options, export_case, recorded};

/// Knows every layer of an export, as a platform does that finds no inode changed.
struct Everything(Exported);

impl Everything {
    fn find(&self, wanted: impl Fn(&LayerSource) -> bool) -> Option<PackedLayer> {
        self.0.layers.iter().find(|layer| wanted(&layer.source)).map(|layer| layer.layer.clone())
    }
}

impl KnownLayers for Everything {
    fn directory(&self, _id: &str, wanted: &Path) -> Option<PackedLayer> {
        self.find(|source| match source {
            LayerSource::Buildpack { directory, .. }
            | LayerSource::Sbom(directory)
            | LayerSource::Config(directory) => directory == wanted,
            _ => false,
        })
    }

    fn diff_id(&self, directory: &Path) -> Option<DiffId> {
        self.directory("", directory).map(|layer| layer.diff_id)
    }

    fn app(&self, _directory: &Path, slices: &[Vec<String>]) -> Option<Vec<PackedLayer>> {
        (1..=slices.len() + 1)
            .map(|wanted| self.find(|source| matches!(source, LayerSource::App { slice, .. } if *slice == wanted)))
            .collect()
    }

    fn launcher(&self) -> Option<PackedLayer> {
        self.find(|source| *source == LayerSource::Launcher)
    }

    fn process_types(&self, wanted: &[String]) -> Option<PackedLayer> {
        self.find(|source| matches!(source, LayerSource::ProcessTypes(types) if types == wanted))
    }
}

/// Returns a run image with a layer that is there.
fn whole_base(machine: &Machine) -> SourceImage {
    let layout = machine.layout("whole-base");
    let blob = vec![7; 4096];
    let descriptor = layout.store(&blob, MediaType::OciLayer).unwrap();
    let layer = LayerRef { descriptor, diff_id: DiffId(Digest::of(&blob)) };
    let config = ImageConfig { architecture: "amd64".to_owned(), os: "linux".to_owned(), ..ImageConfig::default() };
    let image = Image::assemble(config, &[layer], Default::default());
    SourceImage {
        named: image.descriptor(),
        image,
        blobs: Arc::new(layout),
        name: "golden/whole".to_owned(),
        base_name: None,
    }
}

fn save(exported: &Exported, layouts: &[(&Layout, &str)]) {
    let publication = Publication {
        image: &exported.image,
        blobs: &[],
        completeness: exported.completeness,
        base_layers: 1,
        bom: &[],
    };
    let targets: Vec<Output<'_>> = layouts
        .iter()
        .map(|(layout, name)| Output { layout, tag: "latest", name, expected: &Expected::Anything })
        .collect();
    let published = publish(&publication, &targets, &MemoryLog::default()).unwrap();
    assert_eq!(published.report.tags, layouts.iter().map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(published.report.digest, exported.image.manifest().digest().as_str());
}

fn case_for(base: &SourceImage) -> serde_json::Value {
    let mut case = recorded("basic.json");
    let analyzed = dhow_cnb::Analyzed::parse(case["analyzed"].as_str().unwrap()).unwrap();
    let run_image =
        analyzed.run_image.clone().map(|run| dhow_cnb::AnalyzedRunImage { reference: base.reference(), ..run });
    case["analyzed"] = dhow_cnb::Analyzed { run_image, ..analyzed }.emit().into();
    case
}

#[test]
fn with_nothing_changed_nothing_is_read_hashed_packed_or_copied() {
    let machine = Machine::new();
    let base = whole_base(&machine);
    let mut case = case_for(&base);
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    let app = machine.layout("app");
    let options = Options { completeness: Completeness::Full, lifecycle_sbom: false, ..Options::new(&base) };
    let first = export_case(&machine, &case, &app, &options, &MemoryLog::default()).unwrap();
    assert_eq!(first.completeness, Completeness::Full);
    save(&first, &[(&app, APP)]);

    let found =
        app.load(&Query::new(Some(&Selector::Tag("latest".to_owned())), &Platform::new("linux", "amd64"))).unwrap();
    let label = found.image.config().value().label("io.buildpacks.lifecycle.metadata").unwrap();
    let analyzed = dhow_cnb::Analyzed::parse(case["analyzed"].as_str().unwrap()).unwrap();
    let metadata = dhow_cnb::LifecycleMetadata::parse(label).unwrap();
    case["analyzed"] = dhow_cnb::Analyzed { metadata, ..analyzed }.emit().into();
    let previous = SourceImage {
        named: found.resolved.named,
        image: found.image,
        blobs: Arc::new(machine.layout("app")),
        name: APP.to_owned(),
        base_name: None,
    };
    let digest = first.image.manifest().digest().clone();
    let known = Everything(first);
    let before = machine.work.report();
    let options = Options { previous: Some(&previous), known: &known, ..options };
    let second = export_case(&machine, &case, &app, &options, &MemoryLog::default()).unwrap();
    save(&second, &[(&app, APP)]);
    let after = machine.work.report();
    assert_eq!(second.image.manifest().digest(), &digest);
    assert!(second.layers.iter().all(|layer| layer.outcome == Outcome::Reused));
    let reused = second.layers.len() as u64;
    assert_eq!(after, WorkReport { layers_reused: before.layers_reused + reused, ..before });
}

#[test]
fn every_name_gets_a_whole_image_and_the_run_images_blobs_are_read_once() {
    let machine = Machine::new();
    let base = whole_base(&machine);
    let case = case_for(&base);
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    let verified = Arc::default();
    let [app, extra] = ["app", "extra"].map(|name| machine.layout(name).remembering(&verified));
    let options = Options { completeness: Completeness::Full, ..Options::new(&base) };
    let exported = export_case(&machine, &case, &app, &options, &MemoryLog::default()).unwrap();
    save(&exported, &[(&app, APP), (&extra, "golden/extra:1")]);
    let of_base = base.image.layers().len() as u64;
    assert_eq!(machine.work.report().blobs_opened, of_base, "as they come into the first layout");
    for layout in [&app, &extra] {
        assert!(layout.missing(&exported.image).unwrap().is_empty());
        assert!(layout.check().unwrap().is_empty());
    }
}

#[test]
fn an_image_without_its_own_layers_is_not_named() {
    let machine = Machine::new();
    let base = whole_base(&machine);
    let case = case_for(&base);
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    let app = machine.layout("app");
    let exported = export_case(&machine, &case, &app, &Options::new(&base), &MemoryLog::default()).unwrap();
    let lost: &Descriptor = &exported.layers[0].layer.descriptor;
    let file = app.address(lost);
    let file = file.path().unwrap();
    dhow_fs::Root::host().unwrap().remove_file(file).unwrap();
    assert_eq!(app.presence(lost).unwrap(), Presence::Absent);
    let publication = Publication {
        image: &exported.image,
        blobs: &[],
        completeness: Completeness::Sparse,
        base_layers: 1,
        bom: &[],
    };
    let target = Output { layout: &app, tag: "latest", name: APP, expected: &Expected::Anything };
    let error = publish(&publication, &[target], &MemoryLog::default());
    let words = error.unwrap_err().to_string();
    assert!(words.contains("lacks 1 layer(s)"), "{words}");
    assert!(app.index().unwrap().value().manifests.is_empty());
}

#[test]
fn a_damaged_blob_of_the_right_size_in_the_target_is_made_anew_or_replaced() {
    let machine = Machine::new();
    let base = whole_base(&machine);
    let case = case_for(&base);
    machine.tree("/layers", &case["layers"]);
    machine.tree("/workspace", &case["app"]);
    let app = machine.layout("app");
    let options = Options { completeness: Completeness::Full, ..Options::new(&base) };
    let first = export_case(&machine, &case, &app, &options, &MemoryLog::default()).unwrap();
    save(&first, &[(&app, APP)]);
    let mut layers: Vec<Descriptor> = first.image.manifest().value().layers.clone();
    layers.dedup_by(|left, right| left.digest == right.digest);
    let known = Everything(first);
    for layer in &layers {
        let (host, path) = (dhow_fs::Root::host().unwrap(), app.address(layer).path().unwrap().to_owned());
        // Another file than the run image's, whose blob shares the inode.
        host.remove_file(&path).unwrap();
        host.write(&path, &vec![b'x'; usize::try_from(layer.size).unwrap()], 0o644).unwrap();
        let options = Options { known: &known, ..options };
        let second = export_case(&machine, &case, &app, &options, &MemoryLog::default()).unwrap();
        save(&second, &[(&app, APP)]);
        assert_eq!(app.check().unwrap().len(), 0, "{}", layer.digest);
    }
}
