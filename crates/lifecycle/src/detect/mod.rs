//! Detect: which buildpacks take part, and what they require of each other.
//!
//! [`prepare`] reads and checks what the platform gives, [`Prepared::detect`] searches. Walking
//! through the order (`walk`) and judging a group (`judge`) are pure; running `bin/detect`
//! (`run`) is the rest.

mod judge;
mod run;
mod walk;

use std::path::Path;

use dhow_cnb::{Analyzed, BuildpackApiError, ExitCode, Group, Order, OrderElement, Plan, PlatformRules};
use dhow_fs::{Root, sweep};

use crate::environment::BuildEnvironment;
use crate::files::{self, FileError};
use crate::log::{Level, Log};
use crate::modules::{self, ModuleError};
use crate::program::Runner;

/// What detection works from.
#[derive(Clone, Copy)]
pub struct DetectInput<'a> {
    /// The machine, or the directory that stands for it.
    pub root: &'a Root,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// The files and directories.
    pub paths: DetectPaths<'a>,
    /// The variables for buildpacks.
    pub environment: &'a BuildEnvironment,
    /// Runs `bin/detect`.
    pub runner: &'a dyn Runner,
}

/// The files and directories of detection.
#[derive(Clone, Copy, Debug)]
pub struct DetectPaths<'a> {
    /// The app.
    pub app: &'a Path,
    /// The buildpacks.
    pub buildpacks: &'a Path,
    /// What the platform gives.
    pub platform: &'a Path,
    /// What the operator gives.
    pub build_config: &'a Path,
    /// `order.toml`.
    pub order: &'a Path,
    /// `system.toml`.
    pub system: &'a Path,
    /// `analyzed.toml`.
    pub analyzed: &'a Path,
    /// The directory for temporary files.
    pub temporary: &'a Path,
}

/// What detection found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detected {
    /// Who takes part.
    pub group: Group,
    /// What they require of each other.
    pub plan: Plan,
}

/// A buildpack whose program failed: one that neither took the app nor turned it down, or did not build it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedBuildpack {
    /// Its id and version.
    pub buildpack: String,
    /// What went wrong: `exit status 7`.
    pub reason: String,
}

/// Why detection failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// What the platform gives can't be used.
    #[error("failed to initialize detector")]
    Initialize(#[source] InitializeError),
    /// A Buildpack API is not spoken.
    #[error(transparent)]
    Api(BuildpackApiError),
    /// The order wants image extensions.
    #[error("failed to detect: image extensions are not supported, and {0} has an [[order-extensions]]")]
    Extensions(String),
    /// No group passed.
    #[error("failed to detect: no buildpacks participating")]
    NoGroup,
    /// No group passed, and these buildpacks failed with an error.
    #[error("failed to detect: buildpack(s) failed with err")]
    BuildpackFailed(Vec<FailedBuildpack>),
    /// A buildpack within a composite one can't be used.
    #[error("failed to detect")]
    Module(#[source] ModuleError),
    /// A composite buildpack contains itself.
    #[error("failed to detect: composite buildpack {0} contains itself: {1}")]
    Cycle(String, String),
    /// The result can't be written.
    #[error(transparent)]
    Write(FileError),
}

/// Why detection could not begin.
#[derive(Debug, thiserror::Error)]
pub enum InitializeError {
    /// A file can't be read.
    #[error(transparent)]
    File(FileError),
    /// `order.toml` can't be read.
    #[error("reading order")]
    Order(#[source] FileError),
    /// `system.toml` can't be read.
    #[error("reading system")]
    System(#[source] FileError),
    /// A buildpack of the order can't be read.
    #[error(transparent)]
    Module(ModuleError),
}

impl DetectError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Initialize(_) | Self::Write(_) => ExitCode::Generic,
            Self::Api(_) | Self::Module(ModuleError::Api(_)) => ExitCode::BuildpackApi,
            Self::NoGroup => ExitCode::NoGroupDetected,
            Self::BuildpackFailed(_) => ExitCode::DetectBuildpackFailed,
            Self::Extensions(_) | Self::Module(_) | Self::Cycle(..) => ExitCode::Detect,
        }
    }

    /// Says that nothing was found, and what may help.
    pub fn tell(&self, log: &dyn Log) {
        if matches!(self, Self::NoGroup | Self::BuildpackFailed(_)) {
            log.log(Level::Error, "No buildpack groups passed detection.");
        }
        if matches!(self, Self::NoGroup) {
            log.log(Level::Error, "Please check that you are running against the correct path.");
        }
    }
}

/// Detection that can begin: everything that it is told has been read and checked.
pub struct Prepared<'a> {
    input: DetectInput<'a>,
    order: Order,
    analyzed: Analyzed,
}

/// Reads and checks what the platform gives.
///
/// Each buildpack at the top of the order must be there and of an API that is spoken, whether or not its group's
/// turn will come.
pub fn prepare<'a>(input: DetectInput<'a>, log: &dyn Log) -> Result<Prepared<'a>, DetectError> {
    let DetectInput { root, rules, paths, .. } = input;
    // What killed detectors left.
    sweep(&root.host_path(paths.temporary));
    let initialize = DetectError::Initialize;
    let analyzed =
        files::read_analyzed(root, paths.analyzed, log).map_err(|error| initialize(InitializeError::File(error)))?;
    let file = files::read_order(root, paths.order).map_err(|error| initialize(InitializeError::Order(error)))?;
    if rules.extensions && !file.extensions.groups.is_empty() {
        return Err(DetectError::Extensions(paths.order.display().to_string()));
    }
    let order = if rules.system_buildpacks {
        let system = files::read_system(root, paths.system, log);
        system.map_err(|error| initialize(InitializeError::System(error)))?.apply(&file.order)
    } else {
        file.order
    };
    for element in order.groups.iter().flatten() {
        check(&input, element)?;
    }
    Ok(Prepared { input, order, analyzed })
}

fn check(input: &DetectInput<'_>, element: &OrderElement) -> Result<(), DetectError> {
    match modules::lookup(input.root, input.paths.buildpacks, &element.id, &element.version) {
        Ok(_) => Ok(()),
        Err(ModuleError::Api(error)) => Err(DetectError::Api(error)),
        Err(error) => Err(DetectError::Initialize(InitializeError::Module(error))),
    }
}

impl Prepared<'_> {
    /// Finds the first group of the order whose buildpacks pass and agree on a plan.
    ///
    /// The programs of a group run in parallel. A program runs once, even if several groups have it.
    pub fn detect(&self, log: &dyn Log) -> Result<Detected, DetectError> {
        let mut doer = run::Detector::new(&self.input, &self.analyzed, log);
        let result = walk::walk(&self.order, &mut doer);
        for (level, message) in doer.into_story() {
            match &result {
                Ok(_) => log.log(level, &message),
                // When nothing passed, everyone is told what was tried, at every level: it says why.
                Err(_) => log.tell(level, &message),
            }
        }
        result
    }
}

impl Detected {
    /// Writes `group.toml` and `plan.toml`.
    pub fn write(&self, root: &Root, group: &Path, plan: &Path) -> Result<(), DetectError> {
        files::write_group(root, group, &self.group).map_err(DetectError::Write)?;
        files::write_plan(root, plan, &self.plan).map_err(DetectError::Write)
    }
}
