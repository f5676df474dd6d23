//! Labels of app images, and the metadata of the cache, which is of the same kind. Fields are in the reference's order.

use std::collections::BTreeMap;

use dhow_oci::go_json;
use serde::{Deserialize, Deserializer, Serialize};

use crate::data::{Data, DataTable};
use crate::name::{BuildpackId, LayerName};
use crate::rules::PlatformRules;

/// The label with [`LifecycleMetadata`].
pub const LIFECYCLE_METADATA: &str = "io.buildpacks.lifecycle.metadata";
/// The label with [`BuildMetadataLabel`](crate::BuildMetadataLabel).
pub const BUILD_METADATA: &str = "io.buildpacks.build.metadata";
/// The label with the project's metadata.
pub const PROJECT_METADATA: &str = "io.buildpacks.project.metadata";
/// The label with the execution environment.
pub const EXEC_ENV: &str = "io.buildpacks.exec-env";
/// The label that tells whether the image can be rebased.
pub const REBASABLE: &str = "io.buildpacks.rebasable";
/// The label with the stack.
pub const STACK_ID: &str = "io.buildpacks.stack.id";
/// The label with the stack's mixins.
pub const STACK_MIXINS: &str = "io.buildpacks.stack.mixins";
/// The label of a base image with its id.
pub const BASE_ID: &str = "io.buildpacks.base.id";
/// The label of a base image with the name of its distribution.
pub const BASE_DISTRO_NAME: &str = "io.buildpacks.base.distro.name";
/// The label of a base image with the version of its distribution.
pub const BASE_DISTRO_VERSION: &str = "io.buildpacks.base.distro.version";
/// What the labels of a base image begin with.
pub const OF_BASE: &str = "io.buildpacks.base.";
/// What the labels of a stack begin with.
pub const OF_STACK: &str = "io.buildpacks.stack.";
/// The label of a cache image, and the file of a cache directory, with [`CacheMetadata`].
pub const CACHE_METADATA: &str = "io.buildpacks.lifecycle.cache.metadata";
/// The label of a builder with what it is and has.
pub const BUILDER_METADATA: &str = "io.buildpacks.builder.metadata";
/// The label of a builder with the layers of its buildpacks.
pub const BUILDPACK_LAYERS: &str = "io.buildpacks.buildpack.layers";
/// The label of a builder with its order.
pub const BUILDPACK_ORDER: &str = "io.buildpacks.buildpack.order";
/// The label of a builder with the layers of its image extensions.
pub const EXTENSION_LAYERS: &str = "io.buildpacks.extension.layers";
/// The label of a builder with the order of its image extensions.
pub const EXTENSION_ORDER: &str = "io.buildpacks.buildpack.order-extensions";

/// A layer by the digest of its plain tar. In JSON, one that there is not has an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerSha {
    /// The diffID, as `sha256:…`; `None` if there is no such layer.
    #[serde(with = "empty_as_none")]
    pub sha: Option<String>,
}

impl LayerSha {
    /// Returns what a text means that is empty if there is no layer.
    #[must_use]
    pub fn of_text(text: String) -> Self {
        Self { sha: Some(text).filter(|text| !text.is_empty()) }
    }

    /// Returns the text that is empty if there is no layer.
    #[must_use]
    pub fn text(&self) -> &str {
        self.sha.as_deref().unwrap_or_default()
    }
}

/// The label `io.buildpacks.lifecycle.metadata`: which layer is what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LifecycleMetadata {
    /// The app's layers.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub app: Vec<LayerSha>,
    /// The layer with the SBOM files for launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<LayerSha>,
    /// The buildpacks' layers, in the order of the group.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub buildpacks: Vec<BuildpackLayers>,
    /// The layer with `config/metadata.toml`.
    #[serde(deserialize_with = "null_as_default")]
    pub config: LayerSha,
    /// The launcher's layer.
    #[serde(deserialize_with = "null_as_default")]
    pub launcher: LayerSha,
    /// The layer with the links of `/cnb/process`.
    #[serde(rename = "process-types", deserialize_with = "null_as_default")]
    pub process_types: LayerSha,
    /// The run image, for a rebase.
    #[serde(rename = "runImage", deserialize_with = "null_as_default")]
    pub run_image: RunImageForRebase,
    /// The run image again, where older platforms look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackMetadata>,
}

/// The layers of one buildpack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildpackLayers {
    /// The buildpack's id.
    pub key: BuildpackId,
    /// The buildpack's version.
    #[serde(default)]
    pub version: String,
    /// The layers by their names.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: BTreeMap<LayerName, BuildpackLayer>,
    /// What `store.toml` held, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
}

/// One layer of a buildpack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildpackLayer {
    /// The diffID, as `sha256:…`.
    pub sha: String,
    /// What the buildpack says about the layer; `null` if nothing.
    pub data: Option<Data>,
    /// Whether later buildpacks see it.
    pub build: bool,
    /// Whether the app sees it.
    pub launch: bool,
    /// Whether it is kept in the cache.
    pub cache: bool,
}

/// What `store.toml` holds: data that a buildpack keeps between builds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// The data; `null` if there is none.
    pub metadata: Option<DataTable>,
}

/// The run image as the label has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunImageForRebase {
    /// The diffID of its last layer.
    #[serde(rename = "topLayer")]
    pub top_layer: String,
    /// Its name with the digest.
    pub reference: String,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Other names of the same image.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub mirrors: Vec<String>,
}

/// The run image as older platforms have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackMetadata {
    /// The run image.
    #[serde(rename = "runImage", deserialize_with = "null_as_default")]
    pub run_image: RunImageNames,
}

/// The names of a run image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunImageNames {
    /// Its name; left out where none is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Other names of the same image.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub mirrors: Vec<String>,
}

/// The cache's metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheMetadata {
    /// The cached SBOM files.
    #[serde(deserialize_with = "null_as_default")]
    pub sbom: LayerSha,
    /// The buildpacks' cached layers.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub buildpacks: Vec<BuildpackLayers>,
}

impl LifecycleMetadata {
    /// Parses the label.
    pub fn parse(label: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(label)
    }

    /// Returns the label's text.
    #[must_use]
    pub fn emit(&self) -> String {
        go_json::to_string(self)
    }

    /// Returns the layers of a buildpack, by its id.
    #[must_use]
    pub fn buildpack(&self, id: &BuildpackId) -> Option<&BuildpackLayers> {
        self.buildpacks.iter().find(|layers| layers.key == *id)
    }

    /// Returns the names of the run image that a rebase starts from; `None` if there is no name.
    ///
    /// Platform APIs from 0.12 on record them in `runImage`. Without them there, those that older APIs record count.
    #[must_use]
    pub fn run_image_names(&self, rules: &PlatformRules) -> Option<RunImageNames> {
        let RunImageForRebase { image, mirrors, .. } = self.run_image.clone();
        let recorded = RunImageNames { image, mirrors };
        let older = self.stack.as_ref().map(|stack| stack.run_image.clone());
        Some(recorded)
            .filter(|names| rules.run_toml && !names.image.is_empty())
            .or(older)
            .filter(|names| !names.image.is_empty())
    }
}

impl CacheMetadata {
    /// Parses the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Returns the file's text, with the newline at its end.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut text = go_json::to_string(self);
        text.push('\n');
        text
    }

    /// Returns the layers of a buildpack, by its id.
    #[must_use]
    pub fn buildpack(&self, id: &BuildpackId) -> Option<&BuildpackLayers> {
        self.buildpacks.iter().find(|layers| layers.key == *id)
    }
}

/// Go writes `null` for absent lists and reads it as such.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn empty_as_null<S: serde::Serializer, T: Serialize>(
    values: &Vec<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if values.is_empty() { serializer.serialize_none() } else { values.serialize(serializer) }
}

/// A text that is empty for none.
mod empty_as_none {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text.as_deref().unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = r#"{"app":[{"sha":"sha256:aa"}],"sbom":{"sha":"sha256:bb"},"buildpacks":[{"key":"a/one","version":"1.0","layers":{"b":{"sha":"","data":null,"build":false,"launch":false,"cache":false}},"store":{"metadata":{"k":"v"}}}],"config":{"sha":"sha256:dd"},"launcher":{"sha":""},"process-types":{"sha":""},"runImage":{"topLayer":"sha256:tt","reference":"r@sha256:1","image":"r","mirrors":["m1"]},"stack":{"runImage":{"image":"r"}}}"#;

    #[test]
    fn the_lifecycle_label_is_written_as_it_was_read() {
        assert_eq!(LifecycleMetadata::parse(LABEL).unwrap().emit(), LABEL);
    }

    #[test]
    fn absent_lists_are_null_and_absent_layers_an_empty_table() {
        let text = LifecycleMetadata::default().emit();
        assert_eq!(
            text,
            r#"{"app":null,"buildpacks":null,"config":{"sha":""},"launcher":{"sha":""},"process-types":{"sha":""},"runImage":{"topLayer":"","reference":""}}"#
        );
        assert_eq!(LifecycleMetadata::parse(&text).unwrap(), LifecycleMetadata::default());
        assert_eq!(LifecycleMetadata::parse("{}").unwrap(), LifecycleMetadata::default());
        let label = LifecycleMetadata::parse(r#"{"buildpacks":[{"key":"a","version":"1","layers":null}]}"#).unwrap();
        assert!(label.emit().contains(r#""layers":{}"#));
    }

    #[test]
    fn a_layer_name_that_would_leave_its_directory_makes_the_label_unreadable() {
        let text = LABEL.replace("\"b\":", "\"../b\":");
        assert!(LifecycleMetadata::parse(&text).is_err());
    }

    #[test]
    fn cache_metadata_is_written_as_it_was_read() {
        let text = "{\"sbom\":{\"sha\":\"sha256:c6\"},\"buildpacks\":[{\"key\":\"golden/alpha\",\"version\":\"1.0.0\",\"layers\":{\"all\":{\"sha\":\"sha256:10\",\"data\":{\"v\":\"1\"},\"build\":true,\"launch\":true,\"cache\":true},\"bc\":{\"sha\":\"sha256:87\",\"data\":null,\"build\":true,\"launch\":false,\"cache\":true}}}]}\n";
        assert_eq!(CacheMetadata::parse(text.as_bytes()).unwrap().emit(), text);
    }
}
