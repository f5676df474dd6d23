//! `project-metadata.toml`, and the label it becomes.

use dhow_oci::go_json;
use serde::{Deserialize, Serialize};

use crate::data::DataTable;
use crate::label::null_as_default;
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::Table;

/// Where the source of an app came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectMetadata {
    /// The source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ProjectSource>,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSource {
    /// Its kind, such as `git`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its version.
    #[serde(skip_serializing_if = "DataTable::is_empty", deserialize_with = "null_as_default")]
    pub version: DataTable,
    /// What else is known of it.
    #[serde(skip_serializing_if = "DataTable::is_empty", deserialize_with = "null_as_default")]
    pub metadata: DataTable,
}

impl ProjectMetadata {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let source = Fields::of(&document).table("source")?.map(|source| -> Result<_, TomlError> {
            Ok(ProjectSource {
                kind: source.text("type")?,
                version: source.data_table("version")?.unwrap_or_default(),
                metadata: source.data_table("metadata")?.unwrap_or_default(),
            })
        });
        Ok(Self { source: source.transpose()? })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        if let Some(source) = &self.source {
            let mut inner = Table::new();
            inner.set("type", &source.kind).set("version", &source.version).set("metadata", &source.metadata);
            table.set("source", inner);
        }
        table.to_string()
    }

    /// Returns the label's text; `{}` if nothing is known.
    #[must_use]
    pub fn emit_label(&self) -> String {
        go_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_holds_what_the_file_holds() {
        let text = "[source]\n  type = \"git\"\n  [source.version]\n    commit = \"abc<&>\"\n    n = 1\n  [source.metadata]\n    branches = [\"main\", \"b\"]\n";
        let project = ProjectMetadata::parse(text).unwrap();
        assert_eq!(project.emit(), text);
        assert_eq!(
            project.emit_label(),
            r#"{"source":{"type":"git","version":{"commit":"abc\u003c\u0026\u003e","n":1},"metadata":{"branches":["main","b"]}}}"#
        );
        assert_eq!(ProjectMetadata::default().emit_label(), "{}");
    }
}
