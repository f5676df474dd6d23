//! What one buildpack's `bin/detect` writes: what it provides and requires, with alternatives.

use crate::plan::Require;
use crate::toml_read::{Fields, TomlError, parse};

/// One alternative of a build plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanSections {
    /// The names of what is provided.
    pub provides: Vec<String>,
    /// What is required.
    pub requires: Vec<Require>,
}

/// A build plan: alternatives, the best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildPlan {
    /// The first alternative (the file's top level).
    pub first: PlanSections,
    /// The others (`[[or]]`).
    pub or: Vec<PlanSections>,
    /// Whether a requirement of any alternative has the old top-level key `version`.
    pub has_top_level_version: bool,
}

impl BuildPlan {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        let document = parse(text)?;
        let fields = Fields::of(&document);
        let versions = |sections: &Fields<'_>| -> Result<bool, TomlError> {
            let each = sections.tables("requires", |require| Ok(!require.text("version")?.is_empty()))?;
            Ok(each.contains(&true))
        };
        let alternatives = fields.tables("or", versions)?;
        Ok(Self {
            first: PlanSections::read(&fields)?,
            or: fields.tables("or", PlanSections::read)?,
            has_top_level_version: versions(&fields)? || alternatives.contains(&true),
        })
    }

    /// Returns the alternatives, the best first. There is always one.
    pub fn alternatives(&self) -> impl Iterator<Item = &PlanSections> {
        std::iter::once(&self.first).chain(&self.or)
    }
}

impl PlanSections {
    fn read(fields: &Fields<'_>) -> Result<Self, TomlError> {
        Ok(Self {
            provides: fields.tables("provides", |provide| provide.text("name"))?,
            requires: fields.tables("requires", Require::read)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_come_in_their_order_and_may_be_empty() {
        let plan = BuildPlan::parse(
            "[[requires]]\nname = \"missing\"\n[[or]]\n[[or.requires]]\nname = \"node\"\n[or.requires.metadata]\nfrom = \"or-1\"\n[[or.provides]]\nname = \"orprov\"\n[[or]]\n",
        )
        .unwrap();
        let names: Vec<(Vec<&str>, Vec<&str>)> = plan
            .alternatives()
            .map(|sections| {
                let requires = sections.requires.iter().map(|require| require.name.as_str()).collect();
                (sections.provides.iter().map(String::as_str).collect(), requires)
            })
            .collect();
        assert_eq!(names, [(vec![], vec!["missing"]), (vec!["orprov"], vec!["node"]), (vec![], vec![])]);
    }

    #[test]
    fn a_top_level_version_is_found_in_each_alternative() {
        let has = |text: &str| BuildPlan::parse(text).unwrap().has_top_level_version;
        assert!(has("[[requires]]\nname = \"a\"\nversion = \"1\""));
        assert!(has("[[or]]\n[[or.requires]]\nname = \"a\"\nversion = \"1\""));
        assert!(!has("[[requires]]\nname = \"a\"\n[requires.metadata]\nversion = \"1\""));
    }
}
