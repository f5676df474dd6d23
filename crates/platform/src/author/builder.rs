//! What a builder image says of itself: its labels and variables, as pack writes them.

use std::collections::BTreeMap;

use dhow_cnb::label::{BUILDER_METADATA, BUILDPACK_LAYERS, BUILDPACK_ORDER, STACK_ID};
use dhow_cnb::{BuildpackId, BuildpackVersion, Distribution, RunImageNames};
use dhow_oci::{ImageConfig, go_json};
use serde::{Deserialize, Deserializer, Serialize};

/// What a builder image says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderImage {
    /// The buildpacks' user.
    pub uid: u32,
    /// The buildpacks' group.
    pub gid: u32,
    /// The id of the stack, if it has one.
    pub stack_id: Option<String>,
    /// What the builder is and has.
    pub metadata: BuilderMetadata,
    /// The order in which its buildpacks are tried. `/cnb/order.toml` in the image has the last word.
    pub order: Vec<OrderGroup>,
    /// Its buildpacks by id and version.
    pub layers: BuildpackLayersLabel,
}

/// The buildpacks of a builder: id, then version.
pub type BuildpackLayersLabel = BTreeMap<String, BTreeMap<String, BuildpackLayerInfo>>;

/// Why an image is not a builder.
#[derive(Debug, thiserror::Error)]
pub enum BuilderImageError {
    /// A variable that each builder has is not there.
    #[error("the image has no {0}, which every builder has")]
    NoId(&'static str),
    /// A variable is no id.
    #[error("{variable} is `{value}`, which is no user or group id")]
    BadId {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A label cannot be read.
    #[error("cannot read the label {label}")]
    Label {
        /// The label.
        label: &'static str,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
}

/// The label [`BUILDER_METADATA`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BuilderMetadata {
    /// What the builder is for.
    #[serde(deserialize_with = "null_as_default")]
    pub description: String,
    /// Its buildpacks.
    #[serde(deserialize_with = "null_as_default")]
    pub buildpacks: Vec<ModuleInfo>,
    /// Its image extensions.
    #[serde(deserialize_with = "null_as_default")]
    pub extensions: Vec<ModuleInfo>,
    /// The default run image, where older programs look.
    #[serde(deserialize_with = "null_as_default")]
    pub stack: StackRunImage,
    /// The lifecycle in it.
    #[serde(deserialize_with = "null_as_default")]
    pub lifecycle: LifecycleInfo,
    /// The program that made it.
    #[serde(deserialize_with = "null_as_default")]
    pub created_by: Creator,
    /// The run images; the first is the default.
    #[serde(deserialize_with = "null_as_default")]
    pub images: Vec<RunImageNames>,
}

/// A buildpack or extension as [`BuilderMetadata`] lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleInfo {
    /// Its id.
    pub id: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub homepage: String,
}

/// The default run image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StackRunImage {
    /// Its names.
    #[serde(deserialize_with = "null_as_default")]
    pub run_image: RunImageNames,
}

/// The lifecycle of a builder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LifecycleInfo {
    /// Its version.
    pub version: String,
    /// The oldest APIs that it speaks.
    #[serde(deserialize_with = "null_as_default")]
    pub api: ApiPair,
    /// All APIs that it speaks.
    #[serde(deserialize_with = "null_as_default")]
    pub apis: ApiSets,
}

/// A Buildpack API and a Platform API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiPair {
    /// The Buildpack API.
    pub buildpack: String,
    /// The Platform API.
    pub platform: String,
}

/// Buildpack APIs and Platform APIs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiSets {
    /// The Buildpack APIs.
    #[serde(deserialize_with = "null_as_default")]
    pub buildpack: ApiSet,
    /// The Platform APIs.
    #[serde(deserialize_with = "null_as_default")]
    pub platform: ApiSet,
}

/// Versions of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiSet {
    /// Those that are spoken with a warning.
    #[serde(deserialize_with = "null_as_default")]
    pub deprecated: Vec<String>,
    /// Those that are spoken.
    #[serde(deserialize_with = "null_as_default")]
    pub supported: Vec<String>,
}

/// The program that made a builder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Creator {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A buildpack as [`BUILDPACK_LAYERS`] lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildpackLayerInfo {
    /// Its Buildpack API.
    pub api: String,
    /// The stacks that it runs on.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub stacks: Vec<StackInfo>,
    /// What it can build for.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub targets: Vec<TargetInfo>,
    /// The order of a composite.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub order: Vec<OrderGroup>,
    /// The diffID of its layer.
    #[serde(rename = "layerDiffID")]
    pub layer_diff_id: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub homepage: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackInfo {
    /// Its id.
    pub id: String,
}

/// A target. Its variant is spelled as in the distribution spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetInfo {
    /// The operating system.
    pub os: String,
    /// The CPU architecture.
    pub arch: String,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The distributions.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub distros: Vec<Distribution>,
}

/// A group of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderGroup {
    /// The buildpacks.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group: Vec<OrderedBuildpack>,
}

/// An element of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedBuildpack {
    /// The id.
    pub id: BuildpackId,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<BuildpackVersion>,
    /// Whether the group can do without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl BuilderImage {
    /// Reads a builder's config. Absent labels are empty; those that are there must be readable.
    pub fn of(config: &ImageConfig) -> Result<Self, BuilderImageError> {
        Ok(Self {
            uid: id(config, USER_ID)?,
            gid: id(config, GROUP_ID)?,
            stack_id: config.label(STACK_ID).map(str::to_owned),
            metadata: read(config, BUILDER_METADATA)?,
            order: read(config, BUILDPACK_ORDER)?,
            layers: read(config, BUILDPACK_LAYERS)?,
        })
    }

    /// Tells whether an image claims to be a builder.
    #[must_use]
    pub fn is_claimed_by(config: &ImageConfig) -> bool {
        config.label(BUILDER_METADATA).is_some()
    }
}

/// The variable with the buildpacks' user.
pub(super) const USER_ID: &str = "CNB_USER_ID";

/// The variable with the buildpacks' group.
pub(super) const GROUP_ID: &str = "CNB_GROUP_ID";

pub(super) fn id(config: &ImageConfig, variable: &'static str) -> Result<u32, BuilderImageError> {
    let value = config.env(variable).ok_or(BuilderImageError::NoId(variable))?;
    value.parse().map_err(|_| BuilderImageError::BadId { variable, value: value.to_owned() })
}

fn read<T: Default + for<'de> Deserialize<'de>>(
    config: &ImageConfig,
    label: &'static str,
) -> Result<T, BuilderImageError> {
    let Some(text) = config.label(label).filter(|text| !text.is_empty()) else { return Ok(T::default()) };
    let value: Option<T> = serde_json::from_str(text).map_err(|source| BuilderImageError::Label { label, source })?;
    Ok(value.unwrap_or_default())
}

/// Returns a label's text.
pub(super) fn emit<T: Serialize>(value: &T) -> String {
    go_json::to_string(value)
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(env: &[&str], labels: &[(&str, &str)]) -> ImageConfig {
        let mut config = ImageConfig::default();
        config.config.env = env.iter().map(|entry| (*entry).to_owned()).collect();
        config.config.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        config
    }

    const IDS: [&str; 2] = ["CNB_USER_ID=1001", "CNB_GROUP_ID=1000"];

    #[test]
    fn a_builder_as_pack_makes_it_is_read() {
        let metadata = r#"{"description":"d","buildpacks":[{"id":"x/y","name":"Y","version":"1","keywords":["k"]}],"extensions":null,"stack":{"runImage":{"image":"r","mirrors":["m"]}},"lifecycle":{"version":"0.20.1","api":{"buildpack":"0.7","platform":"0.7"},"apis":{"buildpack":{"deprecated":null,"supported":["0.7"]},"platform":{"deprecated":[],"supported":["0.12"]}}},"createdBy":{"name":"Pack CLI","version":"0.36"},"images":[{"image":"r","mirrors":null}]}"#;
        let layers = r#"{"x/y":{"1":{"api":"0.8","stacks":[{"id":"*"}],"layerDiffID":"sha256:0","name":"Y"}}}"#;
        let order = r#"[{"group":[{"id":"x/y","version":"1","optional":true},{"id":"z"}]}]"#;
        let labels =
            [(BUILDER_METADATA, metadata), (BUILDPACK_LAYERS, layers), (BUILDPACK_ORDER, order), (STACK_ID, "s")];
        let builder = BuilderImage::of(&config(&IDS, &labels)).unwrap();
        assert_eq!((builder.uid, builder.gid), (1001, 1000));
        assert_eq!(builder.stack_id.as_deref(), Some("s"));
        assert_eq!(builder.metadata.buildpacks[0].name, "Y");
        assert_eq!(builder.metadata.lifecycle.apis.platform.supported, ["0.12"]);
        assert_eq!(builder.metadata.images[0].image, "r");
        assert_eq!(builder.layers["x/y"]["1"].stacks[0].id, "*");
        assert_eq!(emit(&builder.layers), layers);
        assert_eq!(emit(&builder.order), order);
    }

    #[test]
    fn a_builder_without_labels_is_one_if_it_states_its_ids() {
        let builder = BuilderImage::of(&config(&IDS, &[(BUILDPACK_ORDER, "null")])).unwrap();
        assert_eq!(builder.order, []);
        assert!(!BuilderImage::is_claimed_by(&config(&IDS, &[])));
    }

    #[test]
    fn images_that_are_no_builders_are_refused_with_the_reason() {
        let refusal = |env: &[&str], labels: &[(&str, &str)]| BuilderImage::of(&config(env, labels)).unwrap_err();
        assert!(matches!(refusal(&[], &[]), BuilderImageError::NoId("CNB_USER_ID")));
        let bad = refusal(&["CNB_USER_ID=cnb", "CNB_GROUP_ID=1"], &[]);
        assert_eq!(bad.to_string(), "CNB_USER_ID is `cnb`, which is no user or group id");
        let hostile = [(BUILDPACK_ORDER, r#"[{"group":[{"id":".."}]}]"#)];
        assert!(matches!(refusal(&IDS, &hostile), BuilderImageError::Label { label: BUILDPACK_ORDER, .. }));
    }
}
