//! Rebase: an app image onto another run image, by arithmetic over manifest and config.
//!
//! The layers of the old run image end at the one that the label's `runImage.topLayer` names. They are replaced. The old
//! run image need not exist any more. No layer is opened.

mod check;
mod metadata;

use dhow_cnb::label;
use dhow_oci::{Document, Image, ImageConfig, ImageError, LayerRef, Manifest, MediaType, annotation};
use dhow_store::{BlobSource, Completeness};

pub use check::Unfit;
pub use metadata::MetadataError;
use metadata::RunImageMetadata;

use crate::Log;
use crate::export::Publication;
use crate::image::SourceImage;

/// What a rebase works from.
#[derive(Clone, Copy, Debug)]
pub struct RebaseInput<'a> {
    /// The app image.
    pub app: &'a SourceImage,
    /// The new run image.
    pub base: &'a SourceImage,
    /// How the new run image was named, for the comparison with the names that the app image knows; empty if it has no
    /// name.
    pub base_name: &'a str,
    /// Whether to rebase although the images do not fit.
    pub force: bool,
    /// The rules of the Platform API.
    pub rules: &'a dhow_cnb::PlatformRules,
}

/// An app image on its new run image.
#[derive(Clone, Debug)]
pub struct Rebased {
    /// The new image.
    pub image: Image,
    /// The diffID of the last layer of the old run image.
    pub old_top_layer: String,
    /// The reference that the app image gave of its old run image.
    pub old_reference: String,
    /// How many layers of the old run image were replaced.
    pub replaced: usize,
    /// The layers of the new run image, as the new manifest lists them.
    pub base_layers: Vec<LayerRef>,
    /// The layers of the app, as before.
    pub app_layers: Vec<LayerRef>,
}

/// Why an image cannot be rebased.
#[derive(Debug, thiserror::Error)]
pub enum RebaseError {
    /// The images do not fit together.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The app image's label is of no use.
    #[error("get image metadata")]
    Metadata(#[from] MetadataError),
    /// No layer of the app image has the diffID that its label names.
    #[error(
        "rebase app image: {image} has no layer `{top_layer}`, which its label names as the last one of its run image"
    )]
    NoTopLayer {
        /// The app image.
        image: String,
        /// The diffID.
        top_layer: String,
    },
    /// The result is no image.
    #[error("rebase app image")]
    Image(#[from] ImageError),
}

impl Rebased {
    /// Returns what is published. `blobs` are the places of the app image's layers and of the new run image's.
    #[must_use]
    pub fn publication<'a>(&'a self, blobs: &'a [&'a dyn BlobSource], completeness: Completeness) -> Publication<'a> {
        Publication { image: &self.image, blobs, completeness, base_layers: self.base_layers.len(), bom: &[] }
    }
}

impl RebaseError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> dhow_cnb::ExitCode {
        dhow_cnb::ExitCode::Rebase
    }
}

/// Returns the app image with the layers of its run image replaced by those of another.
///
/// Labels, base annotations and platform follow the new run image. Everything else of the app image stays, including
/// fields and annotations that dhow does not know.
pub fn rebase(input: &RebaseInput<'_>, log: &dyn Log) -> Result<Rebased, RebaseError> {
    check::check(input, log)?;
    let app = &input.app.image;
    let mut metadata = RunImageMetadata::of(app.config().value())?;
    let layers = app.layers();
    let replaced = metadata.base_layers(&layers).ok_or_else(|| RebaseError::NoTopLayer {
        image: input.app.name.clone(),
        top_layer: metadata.top_layer().to_owned(),
    })?;
    let (old_top_layer, old_reference) = (metadata.top_layer().to_owned(), metadata.reference().to_owned());

    let base = &input.base.image;
    let top_layer = base.layers().last().map(|layer| layer.diff_id.to_string()).unwrap_or_default();
    metadata.set_base(&top_layer, &input.base.reference());
    if input.rules.rebase_checks_targets && !metadata.knows(input.base_name) {
        check::unknown_name(input, &metadata, log)?;
        metadata.rename(input.base_name);
    }

    let docker = app.manifest().value().media_type() == MediaType::DockerManifest;
    let base_layers: Vec<LayerRef> = base.layers().into_iter().map(|layer| typed(layer, docker)).collect();
    let app_layers = layers[replaced..].to_vec();
    let all: Vec<LayerRef> = base_layers.iter().chain(&app_layers).cloned().collect();
    let config = config(input, &metadata, replaced, &all);
    let manifest = manifest(input, &config, &all);
    let image = Image::new(manifest, config)?;
    Ok(Rebased { image, old_top_layer, old_reference, replaced, base_layers, app_layers })
}

/// Returns how many layers of an app image, from the base, are its run image's; `None` if its label does not tell.
#[must_use]
pub fn base_layers(image: &Image) -> Option<usize> {
    RunImageMetadata::of(image.config().value()).ok()?.base_layers(&image.layers())
}

/// Returns the layer with the media type that the app's manifest wants: all OCI, or all Docker.
fn typed(layer: LayerRef, docker: bool) -> LayerRef {
    let media_type = match (docker, layer.descriptor.media_type.to_oci()) {
        (false, media_type) => media_type,
        (true, MediaType::OciLayer) => MediaType::DockerLayer,
        (true, MediaType::OciLayerGzip) => MediaType::DockerLayerGzip,
        (true, MediaType::OciForeignLayer) => MediaType::DockerForeignLayer,
        (true, MediaType::OciForeignLayerGzip) => MediaType::DockerForeignLayerGzip,
        (true, other) => other,
    };
    LayerRef { descriptor: dhow_oci::Descriptor { media_type, ..layer.descriptor }, ..layer }
}

fn config(
    input: &RebaseInput<'_>,
    metadata: &RunImageMetadata,
    replaced: usize,
    layers: &[LayerRef],
) -> Document<ImageConfig> {
    let base = input.base.image.config().value();
    input.app.image.config().edited(|config| {
        config.architecture.clone_from(&base.architecture);
        config.os.clone_from(&base.os);
        config.os_version.clone_from(&base.os_version);
        config.os_features.clone_from(&base.os_features);
        config.variant.clone_from(&base.variant);
        config.history = history(config, base, replaced);
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let labels = &mut config.config.labels;
        let follows_base = |key: &str| {
            key.starts_with(label::OF_STACK) || (input.rules.rebase_checks_targets && key.starts_with(label::OF_BASE))
        };
        labels.retain(|key, _| !follows_base(key));
        let theirs = base.config.labels.iter().filter(|(key, _)| follows_base(key));
        labels.extend(theirs.map(|(key, value)| (key.clone(), value.clone())));
        labels.insert(label::LIFECYCLE_METADATA.to_owned(), metadata.to_label());
    })
}

/// Returns the new base's history, brought into the form that an export gives it, and the app's own.
fn history(app: &ImageConfig, base: &ImageConfig, replaced: usize) -> Vec<dhow_oci::History> {
    let blank = || dhow_oci::History { created: app.created.clone(), ..dhow_oci::History::default() };
    let base_layers = base.rootfs.diff_ids.len();
    let of_base: Vec<&dhow_oci::History> = base.history.iter().filter(|entry| !entry.empty_layer).collect();
    let own: Vec<&dhow_oci::History> = app.history.iter().filter(|entry| !entry.empty_layer).collect();
    let own_layers = app.rootfs.diff_ids.len() - replaced;
    let all_blank = app.history.iter().all(|entry| entry.created_by.is_empty() && entry.comment.is_empty());
    let mut history: Vec<dhow_oci::History> = if of_base.len() == base_layers && !all_blank {
        let known = |entry: &dhow_oci::History| dhow_oci::History {
            created: app.created.clone(),
            unknown: dhow_oci::Unknown::default(),
            ..entry.clone()
        };
        of_base.into_iter().map(known).collect()
    } else {
        (0..base_layers).map(|_| blank()).collect()
    };
    if own.len() == app.rootfs.diff_ids.len() {
        history.extend(own.into_iter().skip(replaced).cloned());
    } else {
        history.extend((0..own_layers).map(|_| blank()));
    }
    history
}

fn manifest(input: &RebaseInput<'_>, config: &Document<ImageConfig>, layers: &[LayerRef]) -> Document<Manifest> {
    input.app.image.manifest().edited(|manifest| {
        manifest.config.digest = config.digest().clone();
        manifest.config.size = config.bytes().len() as u64;
        manifest.config.data = None;
        manifest.layers = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let annotations = &mut manifest.annotations;
        match &input.base.base_name {
            Some(name) => annotations.insert(annotation::BASE_NAME.to_owned(), name.clone()),
            None => annotations.remove(annotation::BASE_NAME),
        };
        annotations.insert(annotation::BASE_DIGEST.to_owned(), input.base.named.digest.to_string());
    })
}
