//! Image configs (image-spec `config.md`), written in the reference's key order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Raw, Unknown, list, map, object};
use crate::{DiffId, Digest, Document, DocumentError, Platform};

/// The config of an image. Empty strings stand for absent fields; unknown fields come last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The layers by their diffIDs.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How to run the image.
    #[serde(default)]
    pub config: ContainerConfig,
    /// The version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// The variant of the CPU.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Features of the operating system that are needed.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub os_features: Vec<String>,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(ImageConfig);

/// How the layers of an image are listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// The diffIDs, base first.
    #[serde(default)]
    pub diff_ids: Vec<DiffId>,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(RootFs);

fn layers() -> String {
    "layers".to_owned()
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: layers(), diff_ids: Vec::new(), unknown: Unknown::default() }
    }
}

/// One step of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(History);

/// How to run an image. Written in the reference's key order, unknown keys last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The command's default arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub cmd: Vec<String>,
    /// Docker's health check, kept as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Raw>,
    /// The command.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub entrypoint: Vec<String>,
    /// The environment, `NAME=value`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub env: Vec<String>,
    /// Labels, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "map")]
    pub labels: BTreeMap<String, String>,
    /// The user, `name|uid[:group|gid]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Directories that hold data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Raw>,
    /// The directory in which the command starts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Ports that the command listens on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Raw>,
    /// The signal that stops the command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Fields that this crate does not know.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Unknown,
}

object!(ContainerConfig);

impl ImageConfig {
    /// Parses the config `digest`.
    ///
    /// # Errors
    /// If the bytes have another digest, or are no config.
    pub fn parse_as(digest: &Digest, bytes: Vec<u8>) -> Result<Document<Self>, DocumentError> {
        Document::parse_as("config", digest, bytes)
    }

    /// Returns the platform that the config states.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
            unknown: Unknown::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ImageConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_config_is_written_in_the_order_of_the_reference_and_keeps_what_is_not_known_at_every_depth() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"architecture":"amd64","created":"t","history":[{{"created_by":"a","step":1.0}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{digest}"],"r":1e400}},"config":{{"Healthcheck":{{"Interval":18446744073709551616, "A":1}},"Env":["A=b"],"Volumes":{{"/v":{{"n":1.0}}}},"OnBuild":["x"],"Shell":null}},"moby.buildkit":[1.50]}}"#
        );
        assert_eq!(crate::go_json::to_string(&config(&text)), text);
    }

    #[test]
    fn null_stands_for_what_is_not_there_everywhere() {
        let text = r#"{"architecture":null,"author":null,"created":null,"history":null,"os":null,"rootfs":null,"config":null,"os.version":null,"variant":null,"os.features":null}"#;
        assert_eq!(config(text), ImageConfig::default());
        let text = r#"{"rootfs":{"type":null,"diff_ids":null},"history":[{"author":null,"empty_layer":null}],"config":{"Cmd":null,"Env":[null],"Labels":{"a":null},"User":null,"Volumes":null,"ExposedPorts":null,"Healthcheck":null}}"#;
        assert_eq!(config(text), ImageConfig { history: vec![History::default()], ..ImageConfig::default() });
    }

    #[test]
    fn a_variable_is_set_where_it_stands_and_else_at_the_end() {
        let mut config = config(r#"{"config":{"Env":["A=1","B=2=3","A=4","C"]}}"#);
        assert_eq!((config.env("A"), config.env("B"), config.env("C")), (Some("1"), Some("2=3"), None));
        config.set_env("A", "5");
        config.set_env("C", "6");
        assert_eq!(config.config.env, ["A=5", "B=2=3", "A=4", "C", "C=6"]);
    }

    #[test]
    fn a_config_is_parsed_as_the_digest_that_was_asked_for() {
        assert!(ImageConfig::parse_as(&Digest::of(b"{}"), b"{}".to_vec()).is_ok());
        let other = ImageConfig::parse_as(&Digest::of(b"x"), b"{}".to_vec());
        assert!(matches!(other, Err(DocumentError::OtherDigest { what: "config", .. })));
    }
}
