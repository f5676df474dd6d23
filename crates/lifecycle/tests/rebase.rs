//! Rebase as arithmetic over manifest and config.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use dhow_cnb::{LifecycleMetadata, PlatformApi, PlatformRules};
use dhow_fs::Work;
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::rebase::{RebaseError, RebaseInput, Rebased, Unfit, base_layers, rebase};
use dhow_lifecycle::{Level, MemoryLog};
use dhow_oci::{Descriptor, DiffId, Digest, Document, History, Image, ImageConfig, LayerRef, MediaType, annotation};
use dhow_store::Layout;

const LABEL: &str = dhow_cnb::label::LIFECYCLE_METADATA;

fn layer(name: &str) -> LayerRef {
    let blob = format!("blob of {name}");
    LayerRef {
        descriptor: Descriptor::of(MediaType::OciLayerGzip, blob.as_bytes()),
        diff_id: DiffId(Digest::of(name.as_bytes())),
    }
}

fn sha(name: &str) -> String {
    layer(name).diff_id.to_string()
}

/// An image source without any blob.
fn source(image: Image, name: &str) -> SourceImage {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open_or_create(&directory.path().join("layout"), &Arc::new(Work::default())).unwrap();
    SourceImage {
        named: image.descriptor(),
        image,
        blobs: Arc::new(layout),
        name: name.to_owned(),
        base_name: Some(format!("docker.io/{name}")),
    }
}

struct Base<'a> {
    layers: &'a [&'a str],
    labels: &'a [(&'a str, &'a str)],
    architecture: &'a str,
    variant: &'a str,
}

const OLD: Base<'static> = Base {
    layers: &["old-1", "old-2"],
    labels: &[
        ("io.buildpacks.stack.id", "stack"),
        ("io.buildpacks.stack.mixins", r#"["m1","build:m2"]"#),
        ("io.buildpacks.base.id", "old"),
        ("io.buildpacks.base.gone", "1"),
    ],
    architecture: "arm64",
    variant: "v8",
};

const NEW: Base<'static> = Base {
    layers: &["new-1", "new-2", "new-3"],
    labels: &[
        ("io.buildpacks.stack.id", "stack"),
        ("io.buildpacks.stack.mixins", r#"["run:m1","m2","m3"]"#),
        ("io.buildpacks.base.id", "new"),
        ("org.example.base", "not taken over"),
    ],
    architecture: "arm64",
    variant: "",
};

impl Base<'_> {
    fn config(&self) -> ImageConfig {
        let mut config = ImageConfig {
            architecture: self.architecture.to_owned(),
            variant: self.variant.to_owned(),
            os: "linux".to_owned(),
            ..ImageConfig::default()
        };
        config.config.labels.extend(self.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        config.history = self.layers.iter().map(|name| history(name)).collect();
        config
    }

    fn image(&self, name: &str) -> SourceImage {
        let layers: Vec<LayerRef> = self.layers.iter().map(|name| layer(name)).collect();
        source(Image::assemble(self.config(), &layers, BTreeMap::new()), name)
    }
}

fn history(created_by: &str) -> History {
    History { created_by: created_by.to_owned(), ..History::default() }
}

/// An app image on `base`, with an unknown field and an unknown annotation.
fn app(base: &Base<'_>, api: &str, edit: impl FnOnce(&mut ImageConfig)) -> SourceImage {
    let own = ["app-1", "app-2"];
    let top = base.layers.last().unwrap();
    let label = format!(
        r#"{{"app":[{{"sha":"{}"}},{{"sha":"{}"}}],"buildpacks":null,"future":{{"kept":1}},"config":{{"sha":""}},"launcher":{{"sha":""}},"process-types":{{"sha":""}},"runImage":{{"topLayer":"{}","reference":"golden/run@sha256:1","image":"golden/run","mirrors":["example.org/golden/run"]}},"stack":{{"runImage":{{"image":"golden/run"}}}}}}"#,
        sha(own[0]),
        sha(own[1]),
        sha(top)
    );
    let mut config = base.config();
    config.created = Some("1980-01-01T00:00:01Z".to_owned());
    config.config.env = vec![format!("CNB_PLATFORM_API={api}")];
    config.config.labels.insert(LABEL.to_owned(), label);
    config.history.extend(own.map(history));
    config.unknown = [("org.example.config".to_owned(), dhow_oci::Raw::of("kept"))].into_iter().collect();
    edit(&mut config);
    let layers: Vec<LayerRef> = base.layers.iter().chain(&own).map(|name| layer(name)).collect();
    let annotations = [
        ("org.example.kept", "yes"),
        (annotation::BASE_NAME, "docker.io/golden/old"),
        (annotation::BASE_DIGEST, "sha256:1"),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    source(Image::assemble(config, &layers, annotations), "golden/app")
}

fn run(
    app: &SourceImage,
    base: &SourceImage,
    base_name: &str,
    force: bool,
) -> (Result<Rebased, RebaseError>, MemoryLog) {
    let log = MemoryLog::default();
    let rules = PlatformRules::of(PlatformApi::V0_15);
    let result = rebase(&RebaseInput { app, base, base_name, force, rules: &rules }, &log);
    (result, log)
}

fn unfit(result: Result<Rebased, RebaseError>) -> Unfit {
    match result {
        Err(RebaseError::Unfit(unfit)) => unfit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_layers_of_the_run_image_are_exchanged_and_all_else_stays() {
    let (app, base) = (app(&OLD, "0.15", |_| {}), NEW.image("golden/run"));
    let rebased = run(&app, &base, "golden/run:latest", false).0.unwrap();
    let config = rebased.image.config().value();
    let expected: Vec<LayerRef> = ["new-1", "new-2", "new-3", "app-1", "app-2"].map(layer).into();
    assert_eq!(rebased.image.layers(), expected);
    assert_eq!((rebased.replaced, rebased.base_layers.len(), rebased.app_layers.len()), (2, 3, 2));
    let words: Vec<&str> = config.history.iter().map(|entry| entry.created_by.as_str()).collect();
    assert_eq!(words, ["new-1", "new-2", "new-3", "app-1", "app-2"]);
    assert!(config.history[..3].iter().all(|entry| entry.created == config.created));
    assert_eq!(config.variant, "");
    assert_eq!(config.unknown.get("org.example.config"), Some(&dhow_oci::Raw::of("kept")));
    assert_eq!(config.label("io.buildpacks.base.id"), Some("new"));
    assert_eq!(config.label("io.buildpacks.base.gone"), None);
    assert_eq!(config.label("org.example.base"), None);
    let label = config.label(LABEL).unwrap();
    assert!(label.contains(r#""future":{"kept":1}"#));
    let metadata = LifecycleMetadata::parse(label).unwrap();
    assert_eq!(metadata.run_image.top_layer, sha("new-3"));
    assert_eq!(metadata.run_image.reference, base.reference());
    assert_eq!(metadata.run_image.image, "golden/run");
    let annotations = &rebased.image.manifest().value().annotations;
    assert_eq!(annotations["org.example.kept"], "yes");
    assert_eq!(annotations[annotation::BASE_NAME], "docker.io/golden/run");
    assert_eq!(annotations[annotation::BASE_DIGEST], base.named.digest.as_str());
}

#[test]
fn a_base_that_repeats_its_last_layer_is_replaced_whole() {
    let repeats = Base { layers: &["old-2", "old-1", "old-2"], ..OLD };
    let (app, base) = (app(&repeats, "0.15", |_| {}), NEW.image("golden/run"));
    let rebased = run(&app, &base, "golden/run", false).0.unwrap();
    assert_eq!(rebased.replaced, 3);
    assert_eq!(base_layers(&app.image), Some(3));
    let expected: Vec<LayerRef> = ["new-1", "new-2", "new-3", "app-1", "app-2"].map(layer).into();
    assert_eq!(rebased.image.layers(), expected);
}

/// The app may have the run image's top layer once more, of any kind: an empty directory twice is enough.
#[test]
fn an_own_layer_that_equals_the_last_one_of_the_base_stays_with_the_app() {
    let top = sha("old-2");
    let kinds = [
        format!(r#""sbom":{{"sha":"{top}"}}"#),
        format!(r#""config":{{"sha":"{top}"}}"#),
        format!(r#""launcher":{{"sha":"{top}"}}"#),
        format!(r#""process-types":{{"sha":"{top}"}}"#),
        format!(r#""app":[{{"sha":"{top}"}}]"#),
        format!(r#""buildpacks":[{{"key":"b","version":"1","layers":{{"l":{{"sha":"{top}"}}}}}}]"#),
    ];
    for kind in kinds {
        let label = format!(r#"{{{kind},"runImage":{{"topLayer":"{top}","reference":"r","image":"golden/run"}}}}"#);
        let mut config = OLD.config();
        config.config.env = vec!["CNB_PLATFORM_API=0.15".to_owned()];
        config.config.labels.insert(LABEL.to_owned(), label);
        let layers: Vec<LayerRef> = ["old-1", "old-2", "old-2"].map(layer).into();
        let app = source(Image::assemble(config, &layers, BTreeMap::new()), "golden/app");
        assert_eq!(base_layers(&app.image), Some(2), "{kind}");
        let rebased = run(&app, &NEW.image("golden/run"), "golden/run", false).0.unwrap();
        assert_eq!(rebased.image.layers(), ["new-1", "new-2", "new-3", "old-2"].map(layer), "{kind}");
    }
}

#[test]
fn an_image_whose_label_names_no_layer_of_it_is_refused() {
    let other = app(&OLD, "0.15", |config| {
        let label = config.label(LABEL).unwrap().replace(&sha("old-2"), &sha("elsewhere"));
        config.config.labels.insert(LABEL.to_owned(), label);
    });
    let result = run(&other, &NEW.image("golden/run"), "golden/run", false).0;
    assert!(matches!(result, Err(RebaseError::NoTopLayer { .. })));
    let without = app(&OLD, "0.15", |config| drop(config.config.labels.remove(LABEL)));
    let result = run(&without, &NEW.image("golden/run"), "golden/run", false).0;
    assert!(matches!(result, Err(RebaseError::Metadata(_))));
}

#[test]
fn an_image_that_is_not_rebasable_wants_force() {
    let label = |config: &mut ImageConfig| {
        drop(config.config.labels.insert("io.buildpacks.rebasable".to_owned(), "false".to_owned()));
    };
    let (app, base) = (app(&OLD, "0.12", label), NEW.image("golden/run"));
    assert_eq!(unfit(run(&app, &base, "golden/run", false).0), Unfit::NotRebasable);
    let (result, log) = run(&app, &base, "golden/run", true);
    assert!(result.is_ok());
    assert_eq!(log.entries(), [(Level::Warn, "app image is not marked as rebasable".to_owned())]);
}

#[test]
fn the_target_must_fit_where_both_state_it() {
    let base = |architecture, variant, labels| Base { architecture, variant, labels, ..NEW }.image("golden/run");
    let distro: &[(&str, &str)] =
        &[("io.buildpacks.base.distro.name", "ubuntu"), ("io.buildpacks.base.distro.version", "24.04")];
    let table = [
        ("arm64", "v8", NEW.labels, true),
        ("arm64", "", NEW.labels, true),
        ("arm64", "v9", NEW.labels, false),
        ("amd64", "", NEW.labels, false),
        ("arm64", "v8", distro, false),
    ];
    for (architecture, variant, labels, fits) in table {
        let app = app(&OLD, "0.12", |_| {});
        let (result, _) = run(&app, &base(architecture, variant, labels), "golden/run", false);
        assert_eq!(result.is_ok(), fits, "{architecture} {variant} {labels:?}");
        let (forced, _) = run(&app, &base(architecture, variant, labels), "golden/run", true);
        assert!(forced.is_ok());
    }
    let app = app(&OLD, "0.12", |config| {
        config.config.labels.extend(distro.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    });
    assert!(run(&app, &base("arm64", "v8", distro), "golden/run", false).0.is_ok());
}

#[test]
fn a_run_image_of_unknown_name_wants_force_and_becomes_the_only_one() {
    let (app, base) = (app(&OLD, "0.15", |_| {}), NEW.image("golden/other"));
    let known = ["golden/run", "docker.io/golden/run:latest", "example.org/golden/run", "golden/run@sha256:1"];
    for name in known {
        assert!(run(&app, &base, name, false).0.is_ok(), "{name}");
    }
    for name in ["golden/other", "golden/run:2"] {
        let words = unfit(run(&app, &base, name, false).0).to_string();
        assert!(words.starts_with(&format!("rebase app image: new base image '{name}' not found")), "{words}");
    }
    let rebased = run(&app, &base, "golden/other", true).0.unwrap();
    let metadata = LifecycleMetadata::parse(rebased.image.config().value().label(LABEL).unwrap()).unwrap();
    assert_eq!(metadata.run_image.image, "golden/other");
    assert!(metadata.run_image.mirrors.is_empty());
    assert_eq!(metadata.stack.unwrap().run_image.image, "golden/other");
}

#[test]
fn below_platform_api_0_12_stack_and_mixins_decide() {
    let with = |labels| Base { labels, ..NEW }.image("golden/run");
    let image = |api| app(&OLD, api, |_| {});
    assert!(run(&image("0.11"), &NEW.image("golden/run"), "golden/run", false).0.is_ok());
    let lacks = with(&[("io.buildpacks.stack.id", "stack"), ("io.buildpacks.stack.mixins", r#"["m2"]"#)]);
    assert_eq!(unfit(run(&image("0.11"), &lacks, "golden/run", false).0), Unfit::Mixins(vec!["m1".to_owned()]));
    let other = with(&[("io.buildpacks.stack.id", "other")]);
    let words = unfit(run(&image("0.7"), &other, "golden/run", true).0).to_string();
    assert_eq!(words, "incompatible stack: 'other' is not compatible with 'stack'");
    assert_eq!(unfit(run(&image("0.7"), &with(&[]), "golden/run", true).0), Unfit::NoStackOnBase);
}

#[test]
fn a_docker_typed_app_stays_docker_typed() {
    let app = app(&OLD, "0.15", |_| {});
    let manifest = app.image.manifest().edited(|manifest| {
        manifest.media_type = Some(MediaType::DockerManifest);
        manifest.config.media_type = MediaType::DockerConfig;
        for layer in &mut manifest.layers {
            layer.media_type = MediaType::DockerLayerGzip;
        }
    });
    let image = Image::new(manifest, Document::of(app.image.config().value().clone())).unwrap();
    let app = SourceImage { image, ..app };
    let rebased = run(&app, &NEW.image("golden/run"), "golden/run", false).0.unwrap();
    let manifest = rebased.image.manifest().value();
    assert_eq!(manifest.media_type(), MediaType::DockerManifest);
    assert!(manifest.layers.iter().all(|layer| layer.media_type == MediaType::DockerLayerGzip));
    assert_eq!(manifest.config.digest, *rebased.image.config().digest());
}
