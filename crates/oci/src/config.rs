//! Image configs (image-spec `config.md`), written in the reference's key order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::descriptor::null_as_default;
use crate::{DiffId, Platform};

/// The config of an image. Empty strings stand for absent fields; unknown fields come last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The CPU architecture.
    #[serde(default)]
    pub architecture: String,
    /// Who made the image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The container that the image was committed from (Docker).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The Docker version that made the image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// One entry for each step that made the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub history: Vec<History>,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The layers by their diffIDs.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How to run the image.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: ContainerConfig,
    /// The version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// The variant of the CPU.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Features of the operating system that are needed.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// How the layers of an image are listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The diffIDs, base first.
    #[serde(deserialize_with = "null_as_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// One step of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command that did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// A remark.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// How to run an image. Written in the reference's key order, unknown keys last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The command's default arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub cmd: Vec<String>,
    /// Docker's health check, kept as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Value>,
    /// The command.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub entrypoint: Vec<String>,
    /// The environment, `NAME=value`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// Labels, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// The user, `name|uid[:group|gid]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Directories that hold data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub volumes: BTreeMap<String, Value>,
    /// The directory in which the command starts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Ports that the command listens on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub exposed_ports: BTreeMap<String, Value>,
    /// The signal that stops the command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl ImageConfig {
    /// Returns the platform that the config states.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
        }
    }

    /// Returns a label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.config.labels.get(key).map(String::as_str)
    }

    /// Returns the value of an environment variable: what follows the first `=` of its first entry.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        let named = |entry: &&String| entry.split_once('=').is_some_and(|(key, _)| key == name);
        self.config.env.iter().find(named).and_then(|entry| entry.split_once('=')).map(|(_, value)| value)
    }

    /// Sets an environment variable: in place where it stands, else at the end.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let named = |existing: &&mut String| existing.split_once('=').is_some_and(|(key, _)| key == name);
        match self.config.env.iter_mut().find(named) {
            Some(existing) => *existing = entry,
            None => self.config.env.push(entry),
        }
    }
}
