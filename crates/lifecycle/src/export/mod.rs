//! Export: run image, layers and metadata become an image.
//!
//! `plan` decides the layers and their order, [`export`] packs or reuses each, `compose` makes manifest and config
//! of the result, [`publish`] names it in layouts. Deciding and composing are pure.

mod annotations;
mod apply;
mod cache;
mod compose;
mod config;
mod contents;
mod error;
pub(crate) mod glob;
mod known;
mod layer;
mod plan;
mod progress;
mod publish;
mod run_image;
mod sbom_files;
mod size;
mod slices;
mod time;

use std::path::Path;
use std::sync::Arc;

use dhow_cnb::launch::{Bom, Metadata};
use dhow_cnb::{GroupElement, LifecycleMetadata, PlatformRules, ProjectMetadata, RunImageNames};
use dhow_oci::Image;
use dhow_store::{BlobSource, Completeness, Staging};

pub use apply::export;
pub use cache::{AddError, CacheInput, CachedDirectory, WriteCacheError, write_cache};
pub use error::{ExportError, ReuseLayerError};
pub use glob::PatternError;
pub use known::{KnownLayers, NothingKnown};
pub use layer::{ExportedLayer, Outcome};
pub use plan::LayerSource;
pub use progress::ExportProgress;
pub use publish::{Output, Publication, PublishError, Published, publish};
pub use run_image::{is_named, known_run_image_names, run_image_names};
pub use slices::SliceError;
pub use time::{REPRODUCIBLE_TIME, rfc3339, source_date_epoch};

use crate::content::Packing;
use crate::image::SourceImage;

/// A place to read blobs from and write them to: where an image is made.
pub trait BlobStore: BlobSource + Staging {}

impl<T: BlobSource + Staging> BlobStore for T {}

/// What an export works from.
#[derive(Clone, Copy)]
pub struct ExportInput<'a> {
    /// How layers are packed, and from which root.
    pub packing: &'a Packing<'a>,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// The app, as its buildpacks left it.
    pub app: BuiltApp<'a>,
    /// The run image.
    pub run: RunImage<'a>,
    /// The previous image, if there is one.
    pub previous: Previous<'a>,
    /// The launcher.
    pub launcher: &'a Launcher<'a>,
    /// What the platform wants of the image.
    pub wanted: Wanted<'a>,
    /// Layers that are known without reading them.
    pub known: &'a dyn KnownLayers,
    /// Told of each layer as it is made, for a cache that is written at the same time.
    pub progress: &'a ExportProgress,
    /// Where blobs go.
    pub store: &'a dyn BlobStore,
}

/// An app, as its buildpacks left it.
#[derive(Clone, Copy, Debug)]
pub struct BuiltApp<'a> {
    /// The app's directory.
    pub directory: &'a Path,
    /// The layers directory.
    pub layers: &'a Path,
    /// The buildpacks of the group.
    pub buildpacks: &'a [GroupElement],
    /// What the builder wrote to `config/metadata.toml`.
    pub metadata: &'a Metadata,
    /// The old bill of materials of the same file.
    pub bom: &'a [Bom],
    /// Where the source of the app came from.
    pub project: &'a ProjectMetadata,
}

/// What the platform wants of the image.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The default process. `None` leaves the choice to the buildpacks.
    pub process_type: Option<&'a str>,
    /// The execution environment.
    pub exec_env: &'a str,
    /// The time that the image states, in seconds since 1970.
    pub created: i64,
    /// Whether the run image's layers are stored with the image.
    pub completeness: Completeness,
}

/// The run image of an export.
#[derive(Clone, Copy, Debug)]
pub struct RunImage<'a> {
    /// The image.
    pub image: &'a SourceImage,
    /// Its reference in analyzed.toml, which ends in `@` and the digest that it must have.
    pub reference: &'a str,
    /// Its names in `run.toml` or `stack.toml`.
    pub names: &'a RunImageNames,
    /// Whether extensions added layers to it.
    pub extended: bool,
}

impl RunImage<'_> {
    /// Fails unless the image is the one that was analyzed.
    ///
    /// [`export`] checks it too. A caller that makes something for the export checks it before.
    pub fn check(&self) -> Result<(), ExportError> {
        if self.extended {
            return Err(ExportError::Extended);
        }
        let found = self.image.image.manifest().digest();
        match self.reference.rsplit_once('@') {
            Some((_, expected)) if expected != found.as_str() => Err(ExportError::RunImageChanged {
                name: self.image.name.clone(),
                expected: expected.to_owned(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// What is known of the previous image.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// The image, if it is there.
    pub image: Option<&'a SourceImage>,
    /// Its metadata in analyzed.toml.
    pub metadata: &'a LifecycleMetadata,
}

/// The launcher of an export.
#[derive(Clone, Debug)]
pub struct Launcher<'a> {
    /// Its bytes.
    pub source: LauncherSource<'a>,
    /// What the label says of it.
    pub metadata: dhow_cnb::LauncherMetadata,
    /// The directory with the SBOM files of launcher and lifecycle.
    pub sbom: LauncherSbom<'a>,
}

/// Where the launcher's bytes are.
#[derive(Clone, Debug)]
pub enum LauncherSource<'a> {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file of the export's root.
    InRoot(&'a Path),
}

/// Where the SBOM files of launcher and lifecycle are.
#[derive(Clone, Copy, Debug)]
pub enum LauncherSbom<'a> {
    /// There are none.
    None,
    /// In the lifecycle's own directory, under the names that a release gives them. A missing one is a warning.
    OfLifecycle(&'a Path),
    /// In a directory that the platform names: every file that looks like one.
    Directory(&'a Path),
}

/// An image whose blobs are stored. It has no name yet.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The image.
    pub image: Image,
    /// Its layers above the run image's, in order.
    pub layers: Vec<ExportedLayer>,
    /// Whether the run image's layers are stored. An image is also sparse when the run image itself lacks some.
    pub completeness: Completeness,
    /// What the buildpacks' `build.toml` files say of the old bill of materials.
    pub build_bom: Vec<Bom>,
}
