//! `group.toml`: the modules that take part in a build.

use std::fmt;

use crate::api::ModuleKind;
use crate::name::{BuildpackId, BuildpackVersion};
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::Table;

/// One module of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupElement {
    /// The id.
    pub id: BuildpackId,
    /// The version.
    pub version: BuildpackVersion,
    /// Its Buildpack API version, as it is written.
    pub api: String,
    /// Where to read more; may be empty.
    pub homepage: String,
}

/// What `group.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The buildpacks, in the order in which they build.
    pub buildpacks: Vec<GroupElement>,
    /// The image extensions.
    pub extensions: Vec<GroupElement>,
}

impl fmt::Display for GroupElement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.id, self.version)
    }
}

impl Group {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        Ok(Self {
            buildpacks: fields.tables("group", GroupElement::read)?,
            extensions: fields.tables("group-extensions", GroupElement::read)?,
        })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set_list("group", &self.buildpacks).set_list("group-extensions", &self.extensions);
        table.to_string()
    }

    /// Returns every module with its kind, buildpacks first.
    pub fn modules(&self) -> impl Iterator<Item = (ModuleKind, &GroupElement)> {
        let buildpacks = self.buildpacks.iter().map(|element| (ModuleKind::Buildpack, element));
        buildpacks.chain(self.extensions.iter().map(|element| (ModuleKind::Extension, element)))
    }
}

impl GroupElement {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            id: fields.name("id")?,
            version: fields.name("version")?,
            api: fields.text("api")?,
            homepage: fields.text("homepage")?,
        })
    }
}

impl From<&GroupElement> for crate::launch::Module {
    fn from(element: &GroupElement) -> Self {
        Self {
            id: element.id.to_string(),
            version: element.version.to_string(),
            api: element.api.clone(),
            homepage: Some(element.homepage.clone()).filter(|homepage| !homepage.is_empty()),
        }
    }
}

impl From<&GroupElement> for crate::toml_write::Node {
    fn from(element: &GroupElement) -> Self {
        let mut table = Table::new();
        table.set("id", element.id.as_str()).set("version", element.version.as_str()).set("api", &element.api);
        table.set_nonempty("homepage", &element.homepage);
        table.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[group]]\n  id = \"a\"\n  version = \"1\"\n  api = \"0.9\"\n  homepage = \"https://example.org/alpha?a=1&b=<2>\"\n\n[[group-extensions]]\n  id = \"e\"\n  version = \"3\"\n  api = \"0.10\"\n";

    #[test]
    fn what_is_read_is_written_byte_for_byte() {
        assert_eq!(Group::parse(TEXT).unwrap().emit(), TEXT);
        assert_eq!(Group::default().emit(), "");
    }
}
