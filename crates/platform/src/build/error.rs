//! Why a build failed.

use std::path::PathBuf;

use dhow_cnb::{ExitCode, TomlError};
use dhow_fs::PathError;
use dhow_lifecycle::analyze::AnalyzeError;
use dhow_lifecycle::export::{ExportError, PublishError};
use dhow_lifecycle::files::{FileError, GroupFileError};
use dhow_lifecycle::restore::RestoreError;
use dhow_oci::Platform;
use dhow_sandbox::SandboxError;
use dhow_store::{ArchiveError, LayoutError};

use super::phase_failure::{FailedBuildpack, PhaseFailure};
use super::startable::{CannotStart, ContentsError};
use super::state::StateError;
use crate::OpenError;
use crate::app::{CopyError, FilterError, SourceError};
use crate::container::{RootfsError, ScratchExceeded};
use crate::descriptor::DescriptorError;
use crate::embedded::{HostSystemError, RunImageError};

/// Why a build failed. No image was written, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The app cannot be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The app cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The patterns of the project descriptor are malformed.
    #[error("cannot use the project descriptor {}", path.display())]
    Filter {
        /// The descriptor.
        path: PathBuf,
        /// Why.
        source: FilterError,
    },
    /// The project descriptor is malformed.
    #[error("cannot use the project descriptor {}", path.display())]
    Descriptor {
        /// The descriptor.
        path: PathBuf,
        /// Why.
        source: DescriptorError,
    },
    /// What the project descriptor asks for is not supported.
    #[error("project descriptor {}: {reason}", path.display())]
    DescriptorValue {
        /// The descriptor.
        path: PathBuf,
        /// What it asks for.
        reason: String,
    },
    /// The builder cannot be opened.
    #[error("cannot use builder {name}")]
    Builder {
        /// The builder, as it was named.
        name: String,
        /// Why.
        source: OpenError,
    },
    /// Detection ended well and named no buildpack: one of them wrote over its result.
    #[error("detection named no buildpack, though it did not fail")]
    EmptyGroup,
    /// Another machine's programs were asked for.
    #[error("cannot build for {wanted}: programs are built for this machine, which is {host}")]
    OtherPlatform {
        /// What was asked for.
        wanted: Platform,
        /// This machine's.
        host: Platform,
    },
    /// A run image or builder is for another machine.
    #[error("{what} {name} is for {found}, and the build is for {wanted}")]
    ImageOfOtherPlatform {
        /// Which of the two.
        what: &'static str,
        /// The image, as it was named.
        name: String,
        /// Its platform.
        found: Platform,
        /// The build's.
        wanted: Platform,
    },
    /// This machine cannot be shown as a build environment.
    #[error(transparent)]
    HostSystem(#[from] HostSystemError),
    /// The image is not a builder.
    #[error("image {name} is not a builder: it has no {missing}")]
    NotABuilder {
        /// The image, as it was named.
        name: String,
        /// What every builder has.
        missing: &'static str,
    },
    /// The builder's user is not a number.
    #[error("builder {name}: {variable} is `{value}`; expected a number")]
    BuilderId {
        /// The builder, as it was named.
        name: String,
        /// The variable of its config.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A file of the builder or a buildpack is malformed.
    #[error("cannot parse {what}")]
    Toml {
        /// The file, and whose it is.
        what: String,
        /// Why.
        source: TomlError,
    },
    /// The builder has no such buildpack.
    #[error("builder {builder} has no buildpack {id}{}{}; it has {}", at(.version), nor_directory(.version), list(.available))]
    UnknownBuildpack {
        /// The id that was asked for.
        id: String,
        /// The version that was asked for.
        version: Option<String>,
        /// The builder.
        builder: String,
        /// What it has.
        available: Vec<String>,
    },
    /// The builder's order stands before or after itself.
    #[error("`from=builder` is the builder's own order, so it cannot run before or after that")]
    WholeBuilder,
    /// The run image cannot be opened.
    #[error("cannot use run image {name}")]
    RunImage {
        /// The run image, as it was named.
        name: String,
        /// Why.
        source: OpenError,
    },
    /// No run image is known.
    #[error("builder {0} names no run image")]
    NoRunImage(String),
    /// None of the builder's run images is in the layout repository.
    #[error("none of the builder's run images is in the layout repository; looked at {}", list(.looked_at))]
    RunImagesAbsent {
        /// The paths that were looked at.
        looked_at: Vec<String>,
        /// The first name, for a hint.
        first: String,
    },
    /// The embedded run image cannot be made.
    #[error("cannot make the embedded run image")]
    EmbeddedRunImage(#[source] Box<RunImageError>),
    /// The builder's file system cannot be made ready.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The build's own directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The image cannot be written where it shall be.
    #[error("cannot write the image to {}", path.display())]
    Output {
        /// The destination.
        path: PathBuf,
        /// Why.
        source: LayoutError,
    },
    /// An archive shall be written where no directory is.
    #[error("cannot write the archive {}: there is no directory {}", path.display(), directory.display())]
    NoDirectory {
        /// The destination.
        path: PathBuf,
        /// The directory that it would be in.
        directory: PathBuf,
    },
    /// The image would take the place of one that the build works from.
    #[error("the image would replace the build's own {what}, which is `{tag}` of {}", path.display())]
    OverInput {
        /// What of the build it would replace.
        what: &'static str,
        /// The layout or archive.
        path: PathBuf,
        /// The tag of both.
        tag: String,
    },
    /// The archive cannot be written.
    #[error("cannot write the archive {}", path.display())]
    Archive {
        /// The destination.
        path: PathBuf,
        /// Why.
        source: ArchiveError,
    },
    /// The previous image cannot be read.
    #[error("cannot read the previous image")]
    Previous(#[source] OpenError),
    /// Analysis failed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The buildpacks wrote too much.
    #[error(transparent)]
    Scratch(#[from] ScratchExceeded),
    /// No group of buildpacks takes the app.
    #[error("no group of buildpacks takes this app{}", and_failed(.failed))]
    NoGroup {
        /// The buildpacks that failed to say whether they take it.
        failed: Vec<FailedBuildpack>,
    },
    /// Detection failed.
    #[error("detection failed with exit code {code}")]
    Detect {
        /// The exit code of the phase.
        code: i32,
        /// Why, if the phase said so.
        source: Option<PhaseFailure>,
    },
    /// A file of a phase cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The group that detection wrote can't be used.
    #[error(transparent)]
    Group(#[from] GroupFileError),
    /// Restoring failed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A buildpack failed.
    #[error("buildpack {} failed: {}", .0.buildpack, .0.reason)]
    Buildpack(FailedBuildpack),
    /// Building failed otherwise.
    #[error("building failed with exit code {code}")]
    Build {
        /// The exit code of the phase.
        code: i32,
        /// Why, if the phase said so.
        source: Option<PhaseFailure>,
    },
    /// Processes of the image could not start, so no image was made.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    CannotStart(Vec<CannotStart>),
    /// It could not be told whether the processes can start.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// Exporting failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The image could not be named.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A file or directory.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl BuildError {
    /// Returns the error for what detection ended with.
    pub(super) fn of_detection(code: i32, failure: Option<PhaseFailure>) -> Self {
        match failure {
            Some(failure)
                if code == i32::from(ExitCode::DetectBuildpackFailed.number()) && !failure.buildpacks.is_empty() =>
            {
                Self::NoGroup { failed: failure.buildpacks }
            }
            Some(_) | None if code == i32::from(ExitCode::NoGroupDetected.number()) => {
                Self::NoGroup { failed: Vec::new() }
            }
            source => Self::Detect { code, source },
        }
    }

    /// Returns the error for what the buildpacks' builds ended with.
    pub(super) fn of_build(code: i32, failure: Option<PhaseFailure>) -> Self {
        match failure {
            Some(PhaseFailure { mut buildpacks, .. }) if buildpacks.len() == 1 => Self::Buildpack(buildpacks.remove(0)),
            source => Self::Build { code, source },
        }
    }

    /// Returns the exit code that the lifecycle has for this failure; 1 if it has none.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let code = match self {
            Self::NoGroup { failed } if failed.is_empty() => ExitCode::NoGroupDetected,
            Self::NoGroup { .. } => ExitCode::DetectBuildpackFailed,
            Self::Buildpack(_) => ExitCode::BuildBuildpackFailed,
            Self::Detect { code, .. } | Self::Build { code, .. } => return u8::try_from(*code).unwrap_or(1),
            Self::Analyze(error) => error.exit_code(),
            Self::Restore(error) => error.exit_code(),
            Self::Export(_) | Self::Publish(_) | Self::CannotStart(_) => ExitCode::Export,
            _ => ExitCode::Generic,
        };
        code.number()
    }
}

fn at(version: &Option<String>) -> String {
    version.as_ref().map(|version| format!("@{version}")).unwrap_or_default()
}

/// What names no version might have been meant as a path.
fn nor_directory(version: &Option<String>) -> &'static str {
    if version.is_none() { ", and there is no such directory with a buildpack.toml" } else { "" }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn and_failed(failed: &[FailedBuildpack]) -> String {
    let one = |failed: &FailedBuildpack| format!(", and buildpack {} failed: {}", failed.buildpack, failed.reason);
    failed.iter().map(one).collect()
}
