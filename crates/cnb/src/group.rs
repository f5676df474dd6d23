//! `group.toml`: the modules that take part in a build.

use std::fmt;

use crate::api::{BuildpackApiError, ModuleKind, StatedApi};
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
    /// Its Buildpack API version.
    pub api: StatedApi,
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

/// A group cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The file cannot be read.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A module states an API that is not spoken, or none.
    #[error(transparent)]
    Api(#[from] BuildpackApiError),
}

impl fmt::Display for GroupElement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.id, self.version)
    }
}

impl Group {
    /// Parses the file, and negotiates the API of every module.
    pub fn parse(text: &str) -> Result<Self, GroupError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let modules = |key: &str, kind: ModuleKind| -> Result<Vec<GroupElement>, GroupError> {
            let stated = fields.tables(key, Stated::read)?;
            stated.into_iter().map(|module| Ok(module.negotiate(kind)?)).collect()
        };
        Ok(Self {
            buildpacks: modules("group", ModuleKind::Buildpack)?,
            extensions: modules("group-extensions", ModuleKind::Extension)?,
        })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set_list("group", &self.buildpacks).set_list("group-extensions", &self.extensions);
        table.to_string()
    }
}

/// A module as the file states it, before its API is negotiated.
struct Stated {
    id: BuildpackId,
    version: BuildpackVersion,
    api: Option<String>,
    homepage: String,
}

impl Stated {
    fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            id: fields.name("id")?,
            version: fields.name("version")?,
            api: fields.optional_text("api")?.filter(|api| !api.is_empty()),
            homepage: fields.text("homepage")?,
        })
    }

    fn negotiate(self, kind: ModuleKind) -> Result<GroupElement, BuildpackApiError> {
        let Self { id, version, api, homepage } = self;
        let api = StatedApi::negotiate(kind, &format!("{id}@{version}"), api.as_deref())?;
        Ok(GroupElement { id, version, api, homepage })
    }
}

impl From<&GroupElement> for crate::launch::Module {
    fn from(element: &GroupElement) -> Self {
        Self {
            id: element.id.to_string(),
            version: element.version.to_string(),
            api: element.api.as_str().to_owned(),
            homepage: Some(element.homepage.clone()).filter(|homepage| !homepage.is_empty()),
        }
    }
}

impl From<&GroupElement> for crate::toml_write::Node {
    fn from(element: &GroupElement) -> Self {
        let mut table = Table::new();
        table.set("id", element.id.as_str()).set("version", element.version.as_str()).set("api", element.api.as_str());
        table.set_nonempty("homepage", &element.homepage);
        table.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[group]]\n  id = \"a\"\n  version = \"1\"\n  api = \"v0.9\"\n  homepage = \"https://example.org/alpha?a=1&b=<2>\"\n\n[[group-extensions]]\n  id = \"e\"\n  version = \"3\"\n  api = \"0.10\"\n";

    #[test]
    fn what_is_read_is_written_byte_for_byte() {
        assert_eq!(Group::parse(TEXT).unwrap().emit(), TEXT);
        assert_eq!(Group::default().emit(), "");
    }

    #[test]
    fn a_module_whose_api_is_absent_or_not_spoken_makes_the_group_unusable() {
        let words = |text: &str| Group::parse(text).unwrap_err().to_string();
        for absent in ["[[group]]\nid = \"a\"\nversion = \"1\"", "[[group]]\nid = \"a\"\nversion = \"1\"\napi = \"\""] {
            assert_eq!(words(absent), "failed to parse buildpack API '<nil>' for buildpack 'a@1'");
        }
        let extension = "[[group-extensions]]\nid = \"e\"\nversion = \"1\"\napi = \"0.99\"";
        assert_eq!(words(extension), "failed to set API for Extension 'e@1'");
    }
}
