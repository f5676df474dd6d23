//! Files that buildpacks leave in their layers directory: `<layer>.toml`, `store.toml`, `build.toml`.

use dhow_oci::DiffId;

use crate::data::Data;
use crate::label::{BuildpackLayer, Store};
use crate::launch::Bom;
use crate::toml_read::{Fields, TomlError, parse};
use crate::toml_write::Table;

/// What `<layer>.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerFile {
    /// Whether later buildpacks see the layer.
    pub build: bool,
    /// Whether the app sees it.
    pub launch: bool,
    /// Whether it is kept in the cache.
    pub cache: bool,
    /// What the buildpack says about it.
    pub metadata: Option<Data>,
}

/// `<layer>.toml` can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerFileError {
    /// It can't be read.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// It has the flags of long ago, outside of `[types]`. The caller adds the path.
    #[error("the launch, cache and build flags should be in the types table")]
    TopLevelTypes,
}

impl LayerFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, LayerFileError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let mut file = Self { metadata: fields.data("metadata"), ..Self::default() };
        if let Some(types) = fields.table("types")? {
            file.build = types.boolean("build")?;
            file.launch = types.boolean("launch")?;
            file.cache = types.boolean("cache")?;
        }
        let is_stated = |flag: &str| fields.raw().contains_key(flag);
        if ["build", "launch", "cache"].into_iter().any(is_stated) {
            return Err(LayerFileError::TopLevelTypes);
        }
        Ok(file)
    }

    /// Tells whether nobody wants the layer.
    #[must_use]
    pub fn has_no_type(&self) -> bool {
        !self.build && !self.launch && !self.cache
    }

    /// Returns what labels and caches record of the layer: its diffID, and what its file says.
    #[must_use]
    pub fn recorded(&self, diff_id: &DiffId) -> BuildpackLayer {
        let Self { build, launch, cache, metadata } = self.clone();
        BuildpackLayer { sha: diff_id.to_string(), data: metadata, build, launch, cache }
    }

    /// Returns the text of a restored file: the metadata only, never the types.
    #[must_use]
    pub fn emit_restored(metadata: Option<&Data>) -> String {
        let mut table = Table::new();
        table.set("metadata", metadata);
        table.to_string()
    }
}

impl Store {
    /// Parses `store.toml`.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        Ok(Self { metadata: Fields::of(&document).data_table("metadata")? })
    }

    /// Returns the text of `store.toml`.
    #[must_use]
    pub fn emit(&self) -> String {
        let mut table = Table::new();
        table.set("metadata", self.metadata.as_ref());
        table.to_string()
    }
}

/// What `build.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildFile {
    /// The names of what the buildpack did not provide after all.
    pub unmet: Vec<String>,
    /// The old bill of materials.
    pub bom: Vec<Bom>,
}

impl BuildFile {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        Ok(Self { unmet: fields.tables("unmet", |unmet| unmet.text("name"))?, bom: fields.tables("bom", read_bom)? })
    }
}

/// A buildpack writes the entry. The builder adds which buildpack that was.
pub(crate) fn read_bom(fields: &Fields<'_>) -> Result<Bom, TomlError> {
    Ok(Bom {
        name: fields.text("name")?,
        top_level_version: fields.optional_text("version")?.filter(|version| !version.is_empty()),
        metadata: fields.data_table("metadata")?,
        ..Bom::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_their_table_in_any_case() {
        let file = LayerFile::parse("[types]\nLaunch = true\nfoo = 1\n[bar]\nx = 1").unwrap();
        assert_eq!(file, LayerFile { launch: true, ..LayerFile::default() });
        assert!(LayerFile::parse("[metadata]\nn = 1").unwrap().has_no_type());
    }

    #[test]
    fn types_outside_of_their_table_are_an_error_whatever_they_are() {
        for text in ["launch = true", "build = false", "[cache]", "launch = \"x\""] {
            assert_eq!(LayerFile::parse(text), Err(LayerFileError::TopLevelTypes), "{text}");
        }
        assert!(LayerFile::parse("Launch = true").unwrap().has_no_type());
    }

    #[test]
    fn a_restored_file_has_metadata_only() {
        let file = LayerFile::parse("[types]\nlaunch = true\n[metadata]\nr = 1.0\n[metadata.t]\nk = \"v\"").unwrap();
        let text = LayerFile::emit_restored(file.metadata.as_ref());
        assert_eq!(text, "[metadata]\n  r = 1.0\n  [metadata.t]\n    k = \"v\"\n");
        assert_eq!(LayerFile::emit_restored(None), "");
    }

    #[test]
    fn a_store_keeps_its_data() {
        let text = "[metadata]\n  n = 7\n  s = \"store\"\n  [metadata.deep]\n    t = true\n";
        assert_eq!(Store::parse(text).unwrap().emit(), text);
        assert_eq!(Store::parse("").unwrap().emit(), "");
    }

    #[test]
    fn unmet_requirements_may_lack_a_name_which_the_builder_refuses() {
        assert_eq!(BuildFile::parse("[[unmet]]").unwrap().unmet, [""]);
        assert_eq!(BuildFile::parse("").unwrap(), BuildFile::default());
    }
}
