//! Which run image a build is based on.

use std::sync::Arc;

use dhow_cnb::{RunFile, RunImageNames};
use dhow_fs::Work;
use dhow_lifecycle::export::known_run_image_names;
use dhow_lifecycle::image::SourceImage;

use super::builder::Builder;
use super::error::BuildError;
use super::machine;
use super::output::check_apart;
use super::request::BuildRequest;
use crate::embedded::ensure_run_image;
use crate::{Location, OpenError, Opened, open};

/// The run image with the names that the builder knows for it.
pub(crate) struct RunImage {
    pub(crate) image: SourceImage,
    pub(crate) names: RunImageNames,
    /// Whether it is dhow's own, which holds no program.
    pub(crate) is_embedded: bool,
}

/// Opens the run image that the user named, else one that the builder names, else the embedded one.
///
/// Of the builder's names the first counts whose image is there; names on the output's registry come first.
pub(crate) fn resolve(request: &BuildRequest, builder: &Builder, work: &Arc<Work>) -> Result<RunImage, BuildError> {
    if let Some(location) = &request.run_image {
        let opened = opened(request, location, work)?;
        return Ok(of_builder(opened, &builder.run_images));
    }
    if builder.is_embedded() {
        return embedded(request, work);
    }
    let names = builder.run_images.images.first().ok_or_else(|| BuildError::NoRunImage(builder.name.clone()))?;
    let registry = request.output.reference.as_ref().map_or("", |reference| reference.name.registry.as_str());
    let mut looked_at = Vec::new();
    let found = names.find(registry, |name| {
        let Ok(location) = Location::named_by_image(name) else { return Ok(None) };
        match opened(request, &location, work) {
            Ok(opened) => Ok(Some(opened)),
            Err(BuildError::RunImage { source: OpenError::NotFound(path), .. }) => {
                looked_at.push(path.display().to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    })?;
    match found {
        Some((opened, _)) => Ok(of_builder(opened, &builder.run_images)),
        None => Err(BuildError::RunImagesAbsent { looked_at, first: names.image.clone() }),
    }
}

fn opened(request: &BuildRequest, location: &Location, work: &Arc<Work>) -> Result<Opened, BuildError> {
    let place = location.place(&request.layout_repository);
    let opened = open(&place, &request.platform, work)
        .map_err(|source| BuildError::RunImage { name: location.to_string(), source })?;
    check_apart(request, &opened, "run image")?;
    machine::require_same("run image", &location.to_string(), &opened.image, &request.platform)?;
    Ok(opened)
}

/// Returns an opened run image with the names that the builder knows for it, else its own. The builder's other run images
/// are not what the image is based on.
fn of_builder(opened: Opened, known: &RunFile) -> RunImage {
    let base_name = opened.known_name();
    // An image without a name has its digest alone: a path means nothing elsewhere, and would tell where this is.
    let name = base_name.clone().unwrap_or_default();
    let own = || RunImageNames { image: name.clone(), mirrors: Vec::new() };
    let names = if name.is_empty() { None } else { known_run_image_names(known, &name) };
    RunImage {
        is_embedded: false,
        names: names.unwrap_or_else(own),
        image: SourceImage {
            image: opened.image.clone(),
            blobs: opened.shared_blobs(),
            named: opened.resolved.named.clone(),
            name,
            base_name,
        },
    }
}

fn embedded(request: &BuildRequest, work: &Arc<Work>) -> Result<RunImage, BuildError> {
    let made = ensure_run_image(&request.layout_repository, work)
        .map_err(|error| BuildError::EmbeddedRunImage(Box::new(error)))?;
    let name = made.reference.familiar();
    Ok(RunImage {
        is_embedded: true,
        names: RunImageNames { image: name.clone(), mirrors: Vec::new() },
        image: SourceImage {
            named: made.image.descriptor(),
            image: made.image,
            blobs: Arc::new(made.layout),
            base_name: Some(name.clone()),
            name,
        },
    })
}
