//! Build: runs `bin/build` of each buildpack of the group, and gathers what they leave.

mod buildpack;
mod layers;
mod processes;
mod sbom;

use std::io::Write;
use std::path::Path;

use dhow_cnb::launch::{Bom, Metadata, Module as LaunchModule};
use dhow_cnb::{
    Analyzed, BuildpackApiError, ExitCode, Group, LaunchFileError, Plan, PlatformRules, Target, TomlError,
    emit_legacy_bom,
};
use dhow_fs::{Root, sweep};

use crate::environment::{self, BuildEnvironment};
use crate::files::{self, FileError, GroupFileError};
use crate::go_error::GoPathError;
use crate::layers_directory::OwnFileError;
use crate::log::Log;
use crate::modules::ModuleError;
use crate::program::{RunError, Runner};

pub use layers::LayerError;
pub use sbom::SbomError;

/// What a build works from.
#[derive(Clone, Copy)]
pub struct BuildInput<'a> {
    /// The machine, or the directory that stands for it.
    pub root: &'a Root,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// The directories.
    pub paths: BuildPaths<'a>,
    /// The variables for buildpacks.
    pub environment: &'a BuildEnvironment,
    /// Runs `bin/build`.
    pub runner: &'a dyn Runner,
    /// Who takes part.
    pub group: &'a Group,
    /// What they require of each other.
    pub plan: &'a Plan,
    /// What the run image is for, if that is recorded.
    pub target: Option<&'a Target>,
}

/// The directories of a build.
#[derive(Clone, Copy, Debug)]
pub struct BuildPaths<'a> {
    /// The app.
    pub app: &'a Path,
    /// The buildpacks.
    pub buildpacks: &'a Path,
    /// The layers.
    pub layers: &'a Path,
    /// What the platform gives.
    pub platform: &'a Path,
    /// What the operator gives.
    pub build_config: &'a Path,
    /// The directory for temporary files.
    pub temporary: &'a Path,
}

/// What a build left, as it is written to `<layers>/config/metadata.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// What the exporter and the launcher need.
    pub metadata: Metadata,
    /// The old bill of materials of what is launched; empty from Platform API 0.9 on, where it has files of its own.
    pub bom: Vec<Bom>,
}

/// The files that earlier phases left for a build.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildFiles {
    /// `group.toml`.
    pub group: Group,
    /// `plan.toml`.
    pub plan: Plan,
    /// `analyzed.toml`.
    pub analyzed: Analyzed,
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of an earlier phase can't be read, or the result can't be written.
    #[error(transparent)]
    File(FileError),
    /// A Buildpack API is not spoken.
    #[error(transparent)]
    Api(BuildpackApiError),
    /// A buildpack failed.
    #[error("failed to build")]
    Buildpack {
        /// Its id and version.
        buildpack: String,
        /// How.
        source: BuildpackFailure,
    },
    /// Something else failed.
    #[error("failed to build")]
    Other(#[source] BuildCause),
}

/// How a buildpack failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildpackFailure {
    /// Its program could not be run.
    #[error(transparent)]
    Run(RunError),
    /// Its program ended with an error; the words are the reference's (`exit status 9`).
    #[error("{0}")]
    Ending(String),
}

/// What failed in a build that was not a buildpack's program.
#[derive(Debug, thiserror::Error)]
pub enum BuildCause {
    /// The disk.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// A buildpack can't be read.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// A layer that a buildpack left can't be used.
    #[error("failed to process buildpack layer")]
    Layer(#[source] LayerError),
    /// A TOML file that a buildpack left can't be read.
    #[error(transparent)]
    Own(#[from] OwnFileError),
    /// A TOML file that a buildpack left can't be used.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// `launch.toml` can't be used.
    #[error(transparent)]
    Launch(#[from] LaunchFileError),
    /// An SBOM file can't be used.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// An entry of the old bill of materials has a version where none may be.
    #[error(
        "bom entry '{0}' has a top level version which is not allowed. The buildpack should instead set metadata.version"
    )]
    BomVersion(String),
    /// An entry of `build.toml` is not named.
    #[error("unmet.name is required")]
    UnmetWithoutName,
    /// An entry of `build.toml` names what the buildpack was not asked for.
    #[error("unmet.name '{0}' must match a requested dependency")]
    UnmetUnknown(String),
}

impl BuildError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::File(_) => ExitCode::Generic,
            Self::Api(_) => ExitCode::BuildpackApi,
            Self::Buildpack { .. } => ExitCode::BuildBuildpackFailed,
            Self::Other(_) => ExitCode::Build,
        }
    }
}

impl From<BuildCause> for BuildError {
    fn from(cause: BuildCause) -> Self {
        match cause {
            BuildCause::Module(ModuleError::Api(error)) => Self::Api(error),
            other => Self::Other(other),
        }
    }
}

impl BuildFiles {
    /// Reads what earlier phases left, and checks each buildpack's API.
    pub fn read(root: &Root, group: &Path, plan: &Path, analyzed: &Path, log: &dyn Log) -> Result<Self, BuildError> {
        let group = files::read_group(root, group).map_err(|error| match error {
            GroupFileError::File(error) => BuildError::File(error),
            GroupFileError::Api(error) => BuildError::Api(error),
        })?;
        let plan = files::read_plan(root, plan).map_err(BuildError::File)?;
        let analyzed = files::read_analyzed(root, analyzed, log).map_err(BuildError::File)?;
        Ok(Self { group, plan, analyzed })
    }
}

/// Runs the group's buildpacks, one after the other, and writes `<layers>/config/metadata.toml`.
///
/// What `bin/build` programs say goes to `output` as it comes.
pub fn build(input: &BuildInput<'_>, log: &dyn Log, output: &mut dyn Write) -> Result<Built, BuildError> {
    let disk = |error| BuildError::Other(BuildCause::Path(GoPathError(error)));
    // What killed builders left.
    sweep(&input.root.host_path(input.paths.temporary));
    let sbom = input.paths.layers.join("sbom");
    input.root.remove_all(&sbom).map_err(disk)?;
    let target = environment::target(input.root, input.target, log);
    let mut base = input.environment.inherited.clone();
    let mut plan = input.plan.clone();
    let mut processes = processes::Processes::default();
    let mut sbom_files = Vec::new();
    let (mut launch_bom, mut build_bom) = (Vec::new(), Vec::new());
    let mut metadata = Metadata {
        buildpacks: input.group.buildpacks.iter().map(LaunchModule::from).collect(),
        extensions: input.group.extensions.iter().map(LaunchModule::from).collect(),
        ..Metadata::default()
    };
    for element in &input.group.buildpacks {
        log.debug(&format!("building with {element}"));
        let context = buildpack::Context { input, element, target: &target, base: &base };
        let left = context.build(&plan, log, output)?;
        plan = plan.without(&left.met);
        base.apply_all(&left.environment);
        metadata.labels.extend(left.labels);
        metadata.slices.extend(left.slices);
        sbom_files.extend(left.sbom_files);
        launch_bom.extend(left.launch_bom);
        build_bom.extend(left.build_bom);
        let replaced = processes.add(left.processes);
        if !replaced.is_empty() {
            let types = replaced.join(", ");
            log.warn(&format!(
                "Warning: redefining the following default process type with a process not marked as default: {types}"
            ));
        }
    }
    (metadata.default_process_type, metadata.processes) = processes.into_sorted();
    if input.rules.sbom_layers {
        sbom::copy(input.root, &sbom, &sbom_files).map_err(BuildCause::from)?;
    }
    if input.rules.legacy_bom_files {
        for (directory, bom) in [("launch", &launch_bom), ("build", &build_bom)] {
            let directory = sbom.join(directory);
            input.root.create_directories(&directory, 0o777).map_err(disk)?;
            let text = emit_legacy_bom(bom);
            input.root.write(&directory.join("sbom.legacy.json"), text.as_bytes(), 0o666).map_err(disk)?;
        }
        launch_bom.clear();
    }
    let built = Built { metadata, bom: launch_bom };
    let text = built.metadata.to_toml(&built.bom, input.rules);
    files::write_build_metadata(input.root, &input.paths.layers.join("config/metadata.toml"), &text)
        .map_err(BuildError::File)?;
    Ok(built)
}
