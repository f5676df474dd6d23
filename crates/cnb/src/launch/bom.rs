//! The old bill of materials, which Platform APIs without SBOM files keep in `metadata.toml`.

use crate::data::DataTable;
use crate::toml_read::{self, Fields, TomlError};
use crate::toml_write::{Node, Table};

/// One entry of the bill.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bom {
    /// What is there.
    pub name: String,
    /// A version outside of the metadata, which the builder refuses.
    pub top_level_version: Option<String>,
    /// What the buildpack says about it.
    pub metadata: Option<DataTable>,
    /// The id of the buildpack that put it there.
    pub buildpack_id: String,
    /// The version of that buildpack.
    pub buildpack_version: String,
}

impl Bom {
    /// Returns the entries in the text of a `metadata.toml`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, TomlError> {
        let document = toml_read::parse(text)?;
        Fields::of(&document).tables("bom", |entry| {
            let buildpack = entry.table("buildpack")?;
            let of_buildpack = |key| buildpack.as_ref().map_or(Ok(String::new()), |buildpack| buildpack.text(key));
            Ok(Self {
                name: entry.text("name")?,
                top_level_version: None,
                metadata: entry.data_table("metadata")?,
                buildpack_id: of_buildpack("id")?,
                buildpack_version: of_buildpack("version")?,
            })
        })
    }
}

impl From<&Bom> for Node {
    fn from(bom: &Bom) -> Self {
        let mut buildpack = Table::new();
        buildpack.set("id", &bom.buildpack_id).set("version", &bom.buildpack_version);
        let mut table = Table::new();
        table.set("name", &bom.name).set("metadata", bom.metadata.as_ref()).set("buildpack", buildpack);
        table.into()
    }
}
