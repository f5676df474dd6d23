//! The project descriptor, `project.toml`: what an app says about its own build.
//!
//! Schemas 0.1 (tables `[project]` and `[build]`) and 0.2 (tables `[_]` and `[io.buildpacks]`) become
//! one value. Tables of other owners are theirs; keys that nobody knows are reported, not obeyed.

mod buildpack;
mod parse;

use dhow_cnb::{Data, DataTable, ProjectMetadata, ProjectSource, TomlError};

pub use buildpack::{InlineFile, ProjectBuildpack, ProjectBuildpackSource, Script};

/// What a project descriptor says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectDescriptor {
    /// The id of the project, for machines.
    pub id: String,
    /// The name of the project, for people.
    pub name: String,
    /// The version of the project.
    pub version: String,
    /// Who made it.
    pub authors: Vec<String>,
    /// Where its documentation is.
    pub documentation_url: String,
    /// Where its source is.
    pub source_url: String,
    /// Its licences.
    pub licenses: Vec<License>,
    /// What else its authors say about it.
    pub metadata: DataTable,
    /// The builder to use, as a user would name it.
    pub builder: Option<String>,
    /// Patterns of the only files that enter the build.
    pub include: Vec<String>,
    /// Patterns of files that stay out of the build.
    pub exclude: Vec<String>,
    /// Buildpacks instead of the builder's order; empty if the order is to be used.
    pub buildpacks: Vec<ProjectBuildpack>,
    /// Buildpacks before them or before each group of the order.
    pub pre_buildpacks: Vec<ProjectBuildpack>,
    /// Buildpacks after them or after each group of the order.
    pub post_buildpacks: Vec<ProjectBuildpack>,
    /// Variables of the build, in order.
    pub environment: Vec<(String, String)>,
    /// What the user should know about the file.
    pub warnings: Vec<String>,
}

/// A licence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct License {
    /// Its kind, best as an SPDX identifier.
    pub kind: String,
    /// Where its text is.
    pub uri: String,
}

/// Why a text is not a project descriptor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DescriptorError {
    /// It is no TOML, or a key has a value of the wrong type.
    #[error("cannot read the project descriptor")]
    Toml(#[from] TomlError),
    /// It is of a schema that dhow does not know.
    #[error("the project descriptor has schema version `{0}`; 0.1 and 0.2 are supported")]
    Schema(String),
    /// It includes and excludes.
    #[error("the project descriptor has both `include` and `exclude`; use one of them")]
    IncludeAndExclude,
    /// A buildpack has neither an id nor a uri.
    #[error("{0} of the project descriptor has neither `id` nor `uri`")]
    NamelessBuildpack(String),
    /// A buildpack has a uri and something that contradicts it.
    #[error("{place} of the project descriptor has both `uri` and `{other}`; use one of them")]
    UriAndMore {
        /// Which one.
        place: String,
        /// The other key.
        other: &'static str,
    },
    /// An inline buildpack lacks something.
    #[error("{place} of the project descriptor is an inline buildpack without `{missing}`")]
    Script {
        /// Which one.
        place: String,
        /// The key.
        missing: &'static str,
    },
    /// A variable has no name, or one that cannot be one.
    #[error("the project descriptor has a build variable named `{0}`, which cannot be a variable's name")]
    Variable(String),
    /// A licence has neither a type nor a uri.
    #[error("the project descriptor has a licence with neither `type` nor `uri`")]
    License,
}

impl ProjectDescriptor {
    /// Parses the file.
    pub fn parse(text: &str) -> Result<Self, DescriptorError> {
        parse::parse(text)
    }

    /// Returns what the image's label says about the project: its declared version and the place of its source.
    #[must_use]
    pub fn project_metadata(&self) -> ProjectMetadata {
        if self.version.is_empty() && self.source_url.is_empty() {
            return ProjectMetadata::default();
        }
        let text = |key: &str, value: &str| DataTable::from([(key.to_owned(), Data::Text(value.to_owned()))]);
        ProjectMetadata {
            source: Some(ProjectSource {
                kind: "project".to_owned(),
                version: text("declared", &self.version),
                metadata: text("url", &self.source_url),
            }),
        }
    }
}
