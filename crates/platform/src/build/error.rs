//! Why a build failed.

use std::path::PathBuf;

use dhow_cnb::{ExitCode, TomlError};
use dhow_fs::PathError;
use dhow_lifecycle::analyze::AnalyzeError;
use dhow_lifecycle::export::{ExportError, PublishError};
use dhow_lifecycle::files::FileError;
use dhow_lifecycle::restore::RestoreError;
use dhow_sandbox::SandboxError;
use dhow_store::{ArchiveError, LayoutError};

use super::state::StateError;
use crate::OpenError;
use crate::app::{CopyError, FilterError, SourceError};
use crate::descriptor::DescriptorError;
use crate::embedded::run_image::RunImageError;
use crate::rootfs::RootfsError;

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
    #[error("builder {builder} has no buildpack {id}{}; it has {}", at(.version), list(.available))]
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
    /// No group of buildpacks takes the app, or detection failed.
    #[error("{}", detection(*.code))]
    Detect {
        /// The exit code of the phase: 20, 21 or 22.
        code: i32,
        /// The app.
        app: PathBuf,
    },
    /// A file of a phase cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Restoring failed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A buildpack failed.
    #[error("{}", building(*.code))]
    Build {
        /// The exit code of the phase: 51 or 52.
        code: i32,
    },
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
    /// Returns the exit code that the lifecycle has for this failure; 1 if it has none.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Detect { code, .. } | Self::Build { code } => u8::try_from(*code).unwrap_or(1),
            Self::Analyze(error) => error.exit_code().number(),
            Self::Restore(error) => error.exit_code().number(),
            Self::Export(error) => error.exit_code().number(),
            Self::Publish(_) => ExitCode::Export.number(),
            _ => 1,
        }
    }
}

fn at(version: &Option<String>) -> String {
    version.as_ref().map(|version| format!("@{version}")).unwrap_or_default()
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn detection(code: i32) -> String {
    match code {
        20 => "no group of buildpacks takes this app".to_owned(),
        21 => "no group of buildpacks takes this app, and at least one buildpack failed".to_owned(),
        other => format!("detection failed with exit code {other}"),
    }
}

fn building(code: i32) -> String {
    match code {
        51 => "a buildpack failed to build the app".to_owned(),
        other => format!("building failed with exit code {other}"),
    }
}
