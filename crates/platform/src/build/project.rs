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
    /// Whether there is one.
    pub(crate) has_descriptor: bool,
    pub(crate) filter: Filter,
    pub(crate) builder: Option<Location>,
    pub(crate) buildpacks: Vec<Wanted>,
    pub(crate) pre_buildpacks: Vec<Wanted>,
    pub(crate) post_buildpacks: Vec<Wanted>,
    /// Build-time variables; later ones win. [`SOURCE_DATE_EPOCH`] is among them.
    pub(crate) environment: Vec<(String, String)>,
}

/// What the embedded Cargo buildpack needs nothing of: Cargo's own results, which are made in a layer, and the history.
/// An `exclude` that ends in `!/target` brings it back.
const CARGO_LEAVES_OUT: [&str; 2] = ["/target", "/.git"];

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
    let (path, text) = match &request.descriptor {
        Some(path) => (path.clone(), Some(Root::host()?.read_to_string(path, DESCRIPTOR_LIMIT)?)),
        None => (source.path().join(DESCRIPTOR), source.read_to_string(DESCRIPTOR, DESCRIPTOR_LIMIT)?),
    };
    let descriptor = text.as_deref().map_or_else(|| Ok(ProjectDescriptor::default()), ProjectDescriptor::parse);
    let descriptor = descriptor.map_err(|source| BuildError::Descriptor { path: path.clone(), source })?;
    for warning in &descriptor.warnings {
        events.warn(&format!("{}: {warning}", path.display()));
    }
    // Of an archive, what is relative is relative to where the archive is: nothing in it can be named by a path.
    let file = match (&request.descriptor, source) {
        (None, Source::Zip(archive)) => archive,
        _ => &path,
    };
    let reader = Reader { path: &path, directory: file.parent().unwrap_or(Path::new(".")), scratch };
    let builder = match (&request.builder, &descriptor.builder) {
        (Some(builder), _) => Some(builder.clone()),
        (None, Some(text)) => {
            let location = Location::parse_in(text, reader.directory);
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
    let embedded = builder.is_none() && buildpacks.is_empty();
    let is_cargo = embedded && source.read_to_string("Cargo.toml", DESCRIPTOR_LIMIT)?.is_some();
    let filter = match is_cargo {
        true => Filter::with_defaults(&descriptor.include, &CARGO_LEAVES_OUT, &descriptor.exclude),
        false => Filter::new(&descriptor.include, &descriptor.exclude),
    };
    let filter = filter.map_err(|source| BuildError::Filter { path: path.clone(), source })?;
    if is_cargo && let Source::Directory(directory) = source {
        tell_left_out(directory, &filter, &descriptor, events);
    }
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
    let has_descriptor = text.is_some();
    Ok(Project {
        descriptor,
        has_descriptor,
        filter,
        builder,
        buildpacks,
        pre_buildpacks,
        post_buildpacks,
        environment,
    })
}

/// Says what is left out that the descriptor does not name.
fn tell_left_out(app: &Path, filter: &Filter, descriptor: &ProjectDescriptor, events: &dyn Events) {
    let Ok(own) = Filter::new(&descriptor.include, &descriptor.exclude) else { return };
    let names = CARGO_LEAVES_OUT.map(|pattern| pattern.trim_start_matches('/'));
    let is_left_out = |name: &&str| {
        let is_there = Root::host().is_ok_and(|host| host.is_directory(&app.join(name)));
        is_there && !filter.keeps_directory(Path::new(name)) && own.keeps_directory(Path::new(name))
    };
    let left_out: Vec<&str> = names.into_iter().filter(is_left_out).collect();
    if !left_out.is_empty() {
        let text = format!("left out {}: Cargo needs nothing of them", left_out.join(", "));
        events.info(&text);
    }
}

struct Reader<'a> {
    path: &'a Path,
    /// To which paths in the descriptor are relative.
    directory: &'a Path,
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
                // Of one id, each version has a script of its own.
                let directory = self.scratch.join(id.escaped()).join(version.as_str());
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

    fn beside(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}
