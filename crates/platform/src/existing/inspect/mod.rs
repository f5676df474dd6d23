//! What an image is made of, told from manifest, config and labels alone.

mod builder;

use std::collections::BTreeMap;

use dhow_cnb::{label, places};
use dhow_lifecycle::rebase::base_layers;
use dhow_oci::{Descriptor, DiffId, Digest, Image, annotation};
use dhow_store::Presence;
use serde::Serialize;
use serde_json::Value;

use crate::Opened;

pub use builder::Builder;

/// What an image is made of.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The name under which it is known, if one is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// What it runs on.
    pub platform: String,
    /// When it was made, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Whether layers are missing, and whether that is on purpose.
    pub completeness: Completeness,
    /// The bytes of all its layers, compressed, present or not.
    pub size: u64,
    /// What it is based on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What it brings as a builder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<Builder>,
    /// The buildpacks that made it, in order.
    pub buildpacks: Vec<Buildpack>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Its user.
    pub user: String,
    /// Its working directory.
    pub working_directory: String,
    /// Its environment.
    pub environment: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Whether an image's layers are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// All blobs are there.
    Full,
    /// Blobs were left out on purpose.
    Sparse,
    /// Blobs are missing although none was left out on purpose.
    Incomplete,
}

/// What an app image is based on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The base's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of what the name refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The run image as the build recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The diffID of the base's top layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_layer: Option<String>,
}

/// A buildpack that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Buildpack {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its homepage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

/// A process of an app image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The command.
    pub command: Vec<String>,
    /// The default arguments.
    pub args: Vec<String>,
    /// Whether it starts without a shell.
    pub direct: bool,
    /// Whether the image starts it unless told otherwise.
    pub default: bool,
    /// The buildpack that declared it.
    pub buildpack: String,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// The digest of its blob.
    pub digest: Digest,
    /// The size of its blob.
    pub size: u64,
    /// Whether its blob is there.
    pub present: bool,
    /// What made it, from the image's history; `base` for the run image's.
    pub origin: String,
}

impl Inspection {
    /// Looks at an image; opens no layer.
    #[must_use]
    pub fn of(opened: &Opened) -> Self {
        let image = &opened.image;
        let config = image.config().value();
        let manifest = image.manifest().value();
        let lifecycle = json_label(image, label::LIFECYCLE_METADATA);
        let build = json_label(image, label::BUILD_METADATA);
        let present =
            |descriptor: &Descriptor| opened.blobs().presence(descriptor).is_ok_and(|it| it == Presence::Present);
        let layers = layers(image, present);
        let completeness = match (layers.iter().all(|layer| layer.present), opened.resolved.completeness()) {
            (_, dhow_store::Completeness::Sparse) => Completeness::Sparse,
            (true, dhow_store::Completeness::Full) => Completeness::Full,
            (false, dhow_store::Completeness::Full) => Completeness::Incomplete,
        };
        Self {
            name: opened.known_name(),
            digest: image.manifest().digest().clone(),
            platform: config.platform().to_string(),
            created: config.created.clone(),
            completeness,
            size: manifest.layers.iter().map(|layer| layer.size).sum(),
            base: base(image, &lifecycle),
            builder: builder::of(config),
            buildpacks: buildpacks(&build),
            processes: processes(&build, &config.config.entrypoint),
            layers,
            entrypoint: config.config.entrypoint.clone(),
            command: config.config.cmd.clone(),
            user: config.config.user.clone(),
            working_directory: config.config.working_dir.clone(),
            environment: config.config.env.clone(),
            labels: config.config.labels.clone(),
            annotations: manifest.annotations.clone(),
        }
    }
}

fn json_label(image: &Image, key: &str) -> Value {
    let label = image.config().value().label(key);
    label.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn base(image: &Image, lifecycle: &Value) -> Option<Base> {
    let annotations = &image.manifest().value().annotations;
    let run_image = lifecycle.get("runImage").unwrap_or(&Value::Null);
    let base = Base {
        name: annotations.get(annotation::BASE_NAME).cloned(),
        digest: annotations.get(annotation::BASE_DIGEST).cloned(),
        reference: text(run_image, "reference"),
        top_layer: text(run_image, "topLayer"),
    };
    (base != Base::default()).then_some(base)
}

fn buildpacks(build: &Value) -> Vec<Buildpack> {
    let one = |value: &Value| {
        Some(Buildpack {
            id: text(value, "id")?,
            version: text(value, "version").unwrap_or_default(),
            homepage: text(value, "homepage"),
        })
    };
    build.get("buildpacks").and_then(Value::as_array).into_iter().flatten().filter_map(one).collect()
}

fn processes(build: &Value, entrypoint: &[String]) -> Vec<Process> {
    let one = |value: &Value| {
        let kind = text(value, "type")?;
        Some(Process {
            command: texts(value, "command"),
            args: texts(value, "args"),
            direct: value.get("direct").and_then(Value::as_bool).unwrap_or(false),
            default: entrypoint
                .first()
                .is_some_and(|program| *program == format!("{}/{kind}", places::PROCESS_DIRECTORY)),
            buildpack: text(value, "buildpackID").unwrap_or_default(),
            kind,
        })
    };
    build.get("processes").and_then(Value::as_array).into_iter().flatten().filter_map(one).collect()
}

fn layers(image: &Image, present: impl Fn(&Descriptor) -> bool) -> Vec<Layer> {
    let layers = image.layers();
    let history: Vec<&str> = image
        .config()
        .value()
        .history
        .iter()
        .filter(|entry| !entry.empty_layer)
        .map(|entry| entry.created_by.as_str())
        .collect();
    let base_layers = base_layers(image).unwrap_or(0);
    let one = |(position, layer): (usize, &dhow_oci::LayerRef)| {
        let stated = if history.len() == layers.len() { history[position] } else { "" };
        let origin = match (position < base_layers, stated) {
            (true, "") => "base".to_owned(),
            (true, stated) => format!("base: {stated}"),
            (false, stated) => stated.to_owned(),
        };
        Layer {
            diff_id: layer.diff_id.clone(),
            digest: layer.descriptor.digest.clone(),
            size: layer.descriptor.size,
            present: present(&layer.descriptor),
            origin,
        }
    };
    layers.iter().enumerate().map(one).collect()
}
