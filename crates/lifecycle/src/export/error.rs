//! Why an export failed, in the words of the reference.

use dhow_cnb::{ExitCode, ProcessTypeError};
use dhow_oci::{Descriptor, Digest, Oversized};
use dhow_store::BlobError;

use super::slices::SliceError;
use crate::content::ContentError;
use crate::go_error::GoPathError;
use crate::layers_directory::LayersDirectoryError;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The run image is another one than was analyzed (difference L5).
    #[error("failed to export: run image {name} changed since it was analyzed: expected {expected}, found {found}")]
    RunImageChanged {
        /// The run image.
        name: String,
        /// The digest in analyzed.toml.
        expected: String,
        /// The digest of what is there.
        found: Digest,
    },
    /// Extensions added layers to the run image.
    #[error("failed to export: the run image was extended by image extensions, which are not supported")]
    Extended,
    /// A layers directory cannot be read.
    #[error("failed to export: reading layers for buildpack '{buildpack}'")]
    LayersDirectory {
        /// The buildpack.
        buildpack: String,
        /// Why.
        source: LayersDirectoryError,
    },
    /// Layers have TOML files that cannot be read.
    #[error("failed to export: failed to parse metadata for layers '[{}]'", .0.join(" "))]
    Malformed(Vec<String>),
    /// A layer for the cache has no directory.
    #[error("failed to export: layer '{0}' is cache=true but has no contents")]
    NothingToCache(String),
    /// A layer has no directory, and the previous image does not have it.
    #[error("failed to export: cannot reuse '{0}', previous image has no metadata for layer '{0}'")]
    NothingToReuse(String),
    /// A layer has no directory, and the previous image lists it, but its blob is absent (difference G7).
    #[error("failed to export: reusing layer: '{layer}'")]
    Reuse {
        /// The layer.
        layer: String,
        /// Why.
        source: ReuseLayerError,
    },
    /// A layer cannot be packed.
    #[error("failed to export: {doing}")]
    Layer {
        /// Which, in the reference's words.
        doing: &'static str,
        /// Why.
        source: ContentError,
    },
    /// A slice's pattern is malformed.
    #[error("failed to export: exporting app layers: creating app layers")]
    Slice(#[from] SliceError),
    /// The launcher is not there.
    #[error(
        "failed to export: creating launcher layers: failed to stat launcher at path '{path}': stat {path}: {cause}"
    )]
    NoLauncher {
        /// Where it should be.
        path: String,
        /// Why it cannot be looked at.
        cause: String,
    },
    /// A process type cannot be the name of a link.
    #[error("failed to export: creating layer ''")]
    ProcessType(#[from] ProcessTypeError),
    /// The platform wants a default process that no buildpack defines.
    #[error("failed to export: determining entrypoint: tried to set {0} to default but it doesn't exist", .wanted)]
    NoProcess {
        /// The type.
        wanted: String,
        /// The types that buildpacks define.
        available: Vec<String>,
    },
    /// An SBOM file cannot be copied.
    #[error("failed to export: copying SBOM files: {0}")]
    Sbom(GoPathError),
    /// A buildpack's `build.toml` cannot be read.
    #[error("failed to export: reading build.toml for buildpack '{buildpack}': {cause}")]
    BuildFile {
        /// The buildpack.
        buildpack: String,
        /// Why.
        cause: String,
    },
    /// The image's config or manifest would be too large to be read.
    #[error("failed to export: {part} is too large")]
    Oversized {
        /// What takes the most room.
        part: String,
        /// How large the document would be.
        source: Oversized,
    },
    /// A blob of the run image or of the previous image cannot be taken over.
    #[error("failed to export: saving image")]
    Blob(#[from] BlobError),
}

/// Why a layer of the previous image cannot be reused.
#[derive(Debug, thiserror::Error)]
pub enum ReuseLayerError {
    /// The image does not list it, or there is no image.
    #[error("previous image did not have layer with diff id '{0}'")]
    NotListed(String),
    /// Its blob is absent.
    #[error("blob {} is absent from previous image {image}", .descriptor.digest)]
    Absent {
        /// The image.
        image: String,
        /// The blob.
        descriptor: Box<Descriptor>,
    },
}

impl ExportError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::Export
    }
}
