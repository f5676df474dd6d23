//! Analyze: what exists already and could be reused. The previous image's SBOM layer is the only one that is opened.

use std::path::Path;

use dhow_cnb::{Analyzed, AnalyzedRunImage, ExitCode, LifecycleMetadata, PlatformRules, Target, label};
use dhow_fs::{Root, Work};
use dhow_store::BlobError;

use crate::extract::{Destination, ExtractError, extract};
use crate::image::SourceImage;
use crate::restore::KeptTree;
use crate::{Level, Log};

/// What analysis works from.
#[derive(Clone, Copy)]
pub struct AnalyzeInput<'a> {
    /// The directory that the layers directory is in.
    pub root: &'a Root,
    /// The layers directory.
    pub layers: &'a Path,
    /// The rules of the Platform API.
    pub rules: &'a PlatformRules,
    /// The image whose layers may be reused.
    pub previous: Wanted<'a>,
    /// The run image.
    pub run: Wanted<'a>,
    /// The tree of the last build, if the layers directory is that tree.
    pub kept: Option<&'a dyn KeptTree>,
    /// Whether the previous image's SBOM is left where it is.
    pub skip_layers: bool,
    /// Counts what is done.
    pub work: &'a Work,
}

/// An image that was looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// It, if it is there.
    pub image: Option<&'a SourceImage>,
}

/// Why analysis failed.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The run image is not there. The reference goes on without it and fails in the exporter (difference L23).
    #[error("failed to analyze: run image not found: there is no image at {0}")]
    NoRunImage(String),
    /// The run image does not say what it runs on.
    #[error("failed to analyze: failed to find OS in run image config")]
    NoOs,
    /// A layer of the run image is not as long as it must be, or no file. Absent ones make a sparse image.
    #[error("failed to analyze: run image {name} is damaged")]
    DamagedRunImage {
        /// What messages call it.
        name: String,
        /// What is wrong.
        source: BlobError,
    },
    /// The previous image's SBOM layer cannot be restored.
    #[error("failed to analyze: retrieving launch SBOM layer")]
    Sbom(#[source] ExtractError),
}

impl AnalyzeError {
    /// Returns the exit code of the phase.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::Analyze
    }
}

/// Returns what previous image and run image are.
///
/// The previous image's SBOM files are put below the layers directory. They take the place of those of an earlier build.
pub fn analyze(input: &AnalyzeInput<'_>, log: &dyn Log) -> Result<Analyzed, AnalyzeError> {
    let (metadata, previous_image) = previous(input, log);
    let Some(run) = input.run.image else {
        log.log(Level::Info, &not_found(input.run.name));
        return Err(AnalyzeError::NoRunImage(input.run.name.to_owned()));
    };
    let target = Target::of(run.image.config().value());
    if input.rules.has_targets && target.os.is_empty() {
        return Err(AnalyzeError::NoOs);
    }
    let damaged = |source| AnalyzeError::DamagedRunImage { name: run.name.clone(), source };
    run.absent_layers().map_err(damaged)?;
    if input.kept.is_none() {
        let stale = input.root.remove_all(&input.layers.join("sbom"));
        stale.map_err(|error| AnalyzeError::Sbom(error.into()))?;
    }
    restore_sbom(input, &metadata, log)?;
    let run_image = AnalyzedRunImage {
        reference: run.reference(),
        image: if input.rules.has_targets { run.name.clone() } else { String::new() },
        extend: false,
        target: input.rules.has_targets.then_some(target),
    };
    Ok(Analyzed { previous_image, build_image: None, metadata, run_image: Some(run_image) })
}

fn not_found(name: &str) -> String {
    format!("Image with name \"{name}\" not found")
}

/// Returns the previous image's metadata and reference. An image whose label cannot be read counts as none.
fn previous(input: &AnalyzeInput<'_>, log: &dyn Log) -> (LifecycleMetadata, Option<String>) {
    let Some(image) = input.previous.image else {
        log.log(Level::Info, &not_found(input.previous.name));
        return Default::default();
    };
    let text = image.image.config().value().label(label::LIFECYCLE_METADATA).unwrap_or("{}");
    match LifecycleMetadata::parse(if text.is_empty() { "{}" } else { text }) {
        Ok(metadata) => (metadata, Some(image.reference())),
        Err(error) => {
            log.log(Level::Debug, &format!("Ignoring the metadata of image {:?}: {error}", image.name));
            Default::default()
        }
    }
}

fn restore_sbom(input: &AnalyzeInput<'_>, metadata: &LifecycleMetadata, log: &dyn Log) -> Result<(), AnalyzeError> {
    let sha = metadata.sbom.as_ref().and_then(|layer| layer.sha.as_deref());
    if let Some(kept) = input.kept {
        let directory = input.layers.join("sbom/launch");
        let wanted = sha.and_then(|sha| sha.parse().ok());
        if wanted.is_some_and(|wanted| !input.skip_layers && kept.intact(&directory, &wanted)) {
            log.log(Level::Info, "Restoring data for SBOM from previous image");
            return Ok(());
        }
        // What another build left there would be taken for the previous image's.
        input.root.remove_all(&directory).map_err(|error| AnalyzeError::Sbom(error.into()))?;
    }
    let (Some(sha), Some(image)) = (sha, input.previous.image) else { return Ok(()) };
    if !input.rules.sbom_layers || input.skip_layers {
        return Ok(());
    }
    log.log(Level::Info, "Restoring data for SBOM from previous image");
    let Some(layer) = image.layer(sha) else {
        log.log(Level::Warn, &format!("Skipping restore of SBOM: image {:?} has no layer '{sha}'", image.name));
        return Ok(());
    };
    let reader = match image.blobs.open(&layer.descriptor) {
        // The reference extracts nothing and says nothing (difference L9).
        Err(error @ BlobError::Absent { .. }) => {
            log.log(Level::Warn, &format!("Skipping restore of SBOM: {error}"));
            return Ok(());
        }
        other => other.map_err(|error| AnalyzeError::Sbom(error.into()))?,
    };
    let directory = input.layers.join("sbom/launch");
    let destination = Destination { root: input.root, layers: input.layers, directory: &directory };
    match extract(reader, &layer.descriptor.media_type, &layer.diff_id, &destination, input.work) {
        // The previous image was built with another layers directory; its files have no place in this one.
        Err(error @ ExtractError::OtherDirectory { .. }) => {
            log.log(Level::Warn, &format!("Skipping restore of SBOM: {error}"));
            Ok(())
        }
        other => other.map_err(AnalyzeError::Sbom),
    }
}
