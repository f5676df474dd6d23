//! `plan.toml`: what buildpacks require and who provides it, for a group and for one buildpack.

use crate::data::DataTable;
use crate::group::GroupElement;
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::{Node, Table};

/// Something that a buildpack requires.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Require {
    /// Its name.
    pub name: String,
    /// What the buildpack says about it.
    pub metadata: Option<DataTable>,
}

/// A module that provides something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The id.
    pub id: String,
    /// The version.
    pub version: String,
    /// Whether it is an image extension.
    pub extension: bool,
}

/// One dependency, with all that provide and all that require it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanEntry {
    /// Who provides it.
    pub providers: Vec<Provider>,
    /// Who requires it, all by the same name.
    pub requires: Vec<Require>,
}

/// What `plan.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The dependencies, in the order in which they are first required.
    pub entries: Vec<PlanEntry>,
}

/// The plan that one buildpack gets: what it is to provide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildpackPlan {
    /// The requirements.
    pub entries: Vec<Require>,
}

impl Plan {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let entries = Fields::of(&document).tables("entries", |entry| {
            Ok(PlanEntry {
                providers: entry.tables("providers", |provider| {
                    Ok(Provider {
                        id: provider.text("id")?,
                        version: provider.text("version")?,
                        extension: provider.boolean("extension")?,
                    })
                })?,
                requires: entry.tables("requires", Require::read)?,
            })
        })?;
        Ok(Self { entries })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set_list("entries", &self.entries);
        table.to_string()
    }

    /// Returns what a buildpack is to provide. Providers are matched by id: a group has each id once.
    #[must_use]
    pub fn of_buildpack(&self, buildpack: &GroupElement) -> BuildpackPlan {
        let is_ours = |provider: &Provider| !provider.extension && buildpack.id == provider.id.as_str();
        let provided = |entry: &&PlanEntry| entry.providers.iter().any(is_ours);
        let entries = self.entries.iter().filter(provided).flat_map(|entry| entry.requires.clone()).collect();
        BuildpackPlan { entries }
    }

    /// Returns the plan without the dependencies whose name is among `met`.
    #[must_use]
    pub fn without(self, met: &[String]) -> Self {
        let unmet = |entry: &PlanEntry| !entry.requires.iter().any(|require| met.contains(&require.name));
        Self { entries: self.entries.into_iter().filter(unmet).collect() }
    }
}

impl BuildpackPlan {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        Ok(Self { entries: Fields::of(&document).tables("entries", Require::read)? })
    }

    /// Returns the file's text.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set_list("entries", &self.entries);
        table.to_string()
    }
}

impl Require {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self { name: fields.text("name")?, metadata: fields.data_table("metadata")? })
    }
}

impl From<&PlanEntry> for Node {
    fn from(entry: &PlanEntry) -> Self {
        let mut table = Table::new();
        table.set_list("providers", &entry.providers).set_list("requires", &entry.requires);
        table.into()
    }
}

impl From<&Provider> for Node {
    fn from(provider: &Provider) -> Self {
        let mut table = Table::new();
        table.set("id", &provider.id).set("version", &provider.version);
        if provider.extension {
            table.set("extension", true);
        }
        table.into()
    }
}

impl From<&Require> for Node {
    fn from(require: &Require) -> Self {
        let mut table = Table::new();
        table.set("name", &require.name).set("metadata", require.metadata.as_ref());
        table.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildpackApi, BuildpackId, BuildpackVersion};

    const TEXT: &str = r#"[[entries]]

  [[entries.providers]]
    id = "golden/alpha"
    version = "1.0.0"

  [[entries.requires]]
    name = "alpha"
    [entries.requires.metadata]
      count = 3
      list = ["a", "b"]
      ratio = 2.5
      version = "1"
      [entries.requires.metadata.nested]
        k = "v<&>é"

[[entries]]

  [[entries.providers]]
    id = "e"
    version = "1"
    extension = true

  [[entries.requires]]
    name = "beta"
"#;

    fn element(id: &str, version: &str) -> GroupElement {
        GroupElement {
            id: BuildpackId::new(id).unwrap(),
            version: BuildpackVersion::new(version).unwrap(),
            api: BuildpackApi::V0_10.into(),
            homepage: String::new(),
        }
    }

    #[test]
    fn what_is_read_is_written_byte_for_byte() {
        assert_eq!(Plan::parse(TEXT).unwrap().emit(), TEXT);
        assert_eq!(Plan::default().emit(), "");
    }

    #[test]
    fn a_buildpack_gets_what_it_provides() {
        let plan = Plan::parse(TEXT).unwrap();
        assert_eq!(
            plan.of_buildpack(&element("golden/alpha", "1.0.0")).emit(),
            r#"[[entries]]
  name = "alpha"
  [entries.metadata]
    count = 3
    list = ["a", "b"]
    ratio = 2.5
    version = "1"
    [entries.metadata.nested]
      k = "v<&>é"
"#
        );
        assert_eq!(plan.of_buildpack(&element("e", "1")), BuildpackPlan::default(), "that is the extension's");
        assert_eq!(plan.without(&["alpha".to_owned()]).entries.len(), 1);
    }
}
