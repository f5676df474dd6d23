//! What the project descriptor says about a build, joined with what the user says.

use std::path::{Path, PathBuf};

use dhow_fs::Root;
use dhow_lifecycle::export::REPRODUCIBLE_TIME;

use super::choice::{BuildpackChoice, Found};
use super::error::BuildError;
use super::request::BuildRequest;
use crate::app::{Filter, Source};
use crate::descriptor::{ProjectBuildpack, ProjectBuildpackSource, ProjectDescriptor};
use crate::{Events, Location};

const DESCRIPTOR: &str = "project.toml";
const DESCRIPTOR_LIMIT: u64 = 4 * 1024 * 1024;

/// A buildpack that was asked for, and whether the build goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) choice: BuildpackChoice,
    pub(crate) optional: bool,
}

/// What a build is asked to do, flags before the descriptor.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) descriptor: ProjectDescriptor,
    pub(crate) filter: Filter,
    pub(crate) builder: Option<Location>,
    pub(crate) buildpacks: Vec<Wanted>,
    pub(crate) pre_buildpacks: Vec<Wanted>,
    pub(crate) post_buildpacks: Vec<Wanted>,
    /// Build-time variables; later ones win. [`SOURCE_DATE_EPOCH`] is among them.
    pub(crate) environment: Vec<(String, String)>,
}

/// Tells tools which time to write instead of the clock's: that of the image, unless the user gives the variable.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Reads the descriptor that the user named, or `project.toml` of the app directory, if it is there.
///
/// Inline buildpacks are written below `scratch`.
pub(crate) fn read(
    request: &BuildRequest,
    source: &Source,
    scratch: &Path,
    events: &dyn Events,
) -> Result<Project, BuildError> {
    let path = match &request.descriptor {
        Some(path) => path.clone(),
        None => source.path().join(DESCRIPTOR),
    };
    let descriptor = match Root::host()?.read_to_string(&path, DESCRIPTOR_LIMIT) {
        Ok(text) => {
            ProjectDescriptor::parse(&text).map_err(|source| BuildError::Descriptor { path: path.clone(), source })?
        }
        Err(error) if error.is_not_found() && request.descriptor.is_none() => ProjectDescriptor::default(),
        Err(error) => return Err(error.into()),
    };
    for warning in &descriptor.warnings {
        events.warn(&format!("{}: {warning}", path.display()));
    }
    let filter = Filter::new(&descriptor.include, &descriptor.exclude)
        .map_err(|source| BuildError::Filter { path: path.clone(), source })?;
    let reader = Reader { path: &path, scratch };
    let builder = match (&request.builder, &descriptor.builder) {
        (Some(builder), _) => Some(builder.clone()),
        (None, Some(text)) => {
            let location = Location::parse_in(text, reader.directory());
            Some(location.map_err(|error| reader.bad(format!("builder: {error}")))?)
        }
        (None, None) => request.default_builder.clone(),
    };
    let flagged = |choices: &[BuildpackChoice]| -> Vec<Wanted> {
        choices.iter().map(|choice| Wanted { choice: choice.clone(), optional: false }).collect()
    };
    let buildpacks = if request.buildpacks.is_empty() {
        reader.wanted(&descriptor.buildpacks)?
    } else {
        flagged(&request.buildpacks)
    };
    let mut pre_buildpacks = reader.wanted(&descriptor.pre_buildpacks)?;
    pre_buildpacks.extend(flagged(&request.pre_buildpacks));
    let mut post_buildpacks = reader.wanted(&descriptor.post_buildpacks)?;
    post_buildpacks.extend(flagged(&request.post_buildpacks));
    let mut environment = descriptor.environment.clone();
    environment.extend(request.environment.iter().cloned());
    if environment.iter().all(|(name, _)| name != SOURCE_DATE_EPOCH) {
        let time = request.created.unwrap_or(REPRODUCIBLE_TIME).to_string();
        environment.push((SOURCE_DATE_EPOCH.to_owned(), time));
    }
    Ok(Project { descriptor, filter, builder, buildpacks, pre_buildpacks, post_buildpacks, environment })
}

struct Reader<'a> {
    path: &'a Path,
    scratch: &'a Path,
}

impl Reader<'_> {
    fn bad(&self, reason: String) -> BuildError {
        BuildError::DescriptorValue { path: self.path.to_owned(), reason }
    }

    fn wanted(&self, buildpacks: &[ProjectBuildpack]) -> Result<Vec<Wanted>, BuildError> {
        let one = |buildpack: &ProjectBuildpack| {
            Ok(Wanted { choice: self.choice(&buildpack.source)?, optional: buildpack.optional })
        };
        buildpacks.iter().map(one).collect()
    }

    fn choice(&self, source: &ProjectBuildpackSource) -> Result<BuildpackChoice, BuildError> {
        match source {
            ProjectBuildpackSource::OfBuilder { id, version } => Ok(BuildpackChoice::OfBuilder {
                id: id.to_string(),
                version: version.as_ref().map(ToString::to_string),
            }),
            ProjectBuildpackSource::Uri(text) => {
                let choice = BuildpackChoice::parse(text, |path| Found::at(&self.beside(Path::new(path))))
                    .map_err(|error| self.bad(error.to_string()))?;
                Ok(match choice {
                    BuildpackChoice::Directory(path) => BuildpackChoice::Directory(self.beside(&path)),
                    other => other,
                })
            }
            ProjectBuildpackSource::Inline { id, version, script } => {
                let directory = self.scratch.join(id.escaped());
                let host = Root::host()?;
                for file in script.files(id, version) {
                    let path = directory.join(file.path);
                    if let Some(parent) = path.parent() {
                        host.create_directories(parent, 0o755)?;
                    }
                    host.remove_file(&path)?;
                    host.write(&path, file.content.as_bytes(), file.mode)?;
                    host.set_mode(&path, file.mode)?;
                }
                Ok(BuildpackChoice::Directory(directory))
            }
        }
    }

    /// Relative paths of a descriptor are relative to it.
    fn beside(&self, path: &Path) -> PathBuf {
        self.directory().join(path)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}
