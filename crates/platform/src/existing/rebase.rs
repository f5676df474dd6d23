//! `dhow rebase`: an app image on a new run image, by editing manifest and config alone.

use std::path::PathBuf;
use std::sync::Arc;

use dhow_cnb::{LifecycleMetadata, PlatformApi, PlatformRules, label};
use dhow_fs::{PathError, Root, Work, WorkReport};
use dhow_lifecycle::export::{Output, PublishError, is_named, publish};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::rebase::{RebaseError as UnfitError, RebaseInput, rebase as rebase_image};
use dhow_oci::{Digest, Platform, Selector};
use dhow_store::{BlobError, Completeness, Expected, Layout, LayoutError, Verified};

use crate::verified::{remember, verified};
use crate::{Events, Location, Medium, OpenError, Opened, Place, events::EventLog, open};

/// What is to be rebased onto what.
#[derive(Debug)]
pub struct RebaseRequest {
    /// The app image; it is replaced.
    pub image: Place,
    /// The words in which the user named it.
    pub name: String,
    /// The new run image; the one that the app image names if `None`.
    pub run_image: Option<Location>,
    /// Whether to rebase although the images do not fit.
    pub force: bool,
    /// Where named images are.
    pub layout_repository: PathBuf,
    /// Where dhow keeps what it need not find out again.
    pub cache_directory: PathBuf,
}

/// What a rebase changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RebaseReport {
    /// The digest of the new manifest.
    pub digest: Digest,
    /// The run image that the image was on, as it recorded it.
    pub old_base: String,
    /// The run image that it is on now.
    pub new_base: String,
    /// How many layers of the old run image were replaced.
    pub replaced: usize,
    /// How many layers of the new run image took their place.
    pub base_layers: usize,
    /// How many layers of the app were kept.
    pub kept: usize,
    /// Whether the run image's layers are left out.
    pub sparse: bool,
    /// The work that was done.
    pub work: WorkReport,
}

/// Why an image was not rebased. It is still what it was.
#[derive(Debug, thiserror::Error)]
pub enum RebaseError {
    /// The app image cannot be opened.
    #[error("cannot use image {name}")]
    App {
        /// The image, as it was named.
        name: String,
        /// Why.
        source: OpenError,
    },
    /// An archive cannot be changed.
    #[error("{} is an archive: rebase a layout instead", .0.display())]
    Archive(PathBuf),
    /// The run image cannot be opened.
    #[error("cannot use run image {name}")]
    RunImage {
        /// The run image, as it was named.
        name: String,
        /// Why.
        source: OpenError,
    },
    /// The app image does not say what it is based on.
    #[error("image {0} does not name its run image")]
    NoRunImage(String),
    /// The app image is on another base than its label names.
    #[error("image {image} is based on {base}, and its label names {named} for a rebase: which one is meant?")]
    OtherBase {
        /// The app image.
        image: String,
        /// What it is based on, without the digest.
        base: String,
        /// The first name in its label.
        named: String,
    },
    /// What the app image names is no name of an image.
    #[error("image {image} names its run image `{name}`, which is no name of an image")]
    BadRunImage {
        /// The app image.
        image: String,
        /// The name in its label.
        name: String,
    },
    /// The machine's files cannot be looked at.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The images do not fit together.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// The layout cannot be written.
    #[error("cannot write the rebased image")]
    Layout(#[from] LayoutError),
    /// A blob cannot be taken over.
    #[error("cannot take over a blob")]
    Blob(#[from] BlobError),
    /// The image cannot be named.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl RebaseError {
    /// Tells whether another writer has given the name to another image meanwhile.
    fn is_outrun(&self) -> bool {
        matches!(self, Self::Publish(PublishError::Layout(LayoutError::Changed { .. })))
    }
}

/// How often a rebase starts over.
const ATTEMPTS: usize = 10;

/// Puts an app image onto a run image and names the result as the app image was named.
///
/// The new run image's blobs are linked, or copied where they cannot be. Each layer is read once in its life. If the app
/// image is replaced meanwhile, this starts over with what took its place.
pub fn rebase(request: &RebaseRequest, events: &dyn Events) -> Result<RebaseReport, RebaseError> {
    if request.image.medium == Medium::Archive {
        return Err(RebaseError::Archive(request.image.path.clone()));
    }
    let verified = verified(&request.cache_directory);
    let mut attempts = 1..ATTEMPTS;
    let rebased = loop {
        match rebase_once(request, &verified, events) {
            Err(error) if error.is_outrun() && attempts.next().is_some() => {}
            other => break other?,
        }
    };
    remember(&verified, &request.cache_directory, events);
    Ok(rebased)
}

fn rebase_once(
    request: &RebaseRequest,
    verified: &Arc<Verified>,
    events: &dyn Events,
) -> Result<RebaseReport, RebaseError> {
    let work = Arc::new(Work::default());
    let log = EventLog(events);
    // Before the image is looked at, so that whatever replaces it from here on is noticed.
    let before = Layout::open(&request.image.path, &work).and_then(|layout| layout.index());
    let opened = open(&request.image, &Platform::host(), &work)
        .map_err(|source| RebaseError::App { name: request.name.clone(), source })?;
    let app = source_image(&opened, &request.name);
    let location = run_image(request, &opened)?;
    let base = open(&location.place(&request.layout_repository), &opened.image.config().value().platform(), &work)
        .map_err(|source| RebaseError::RunImage { name: location.to_string(), source })?;
    let base_name = base.known_name().unwrap_or_default();
    let base = source_image(&base, &base_name);
    let rules = PlatformRules::of(PlatformApi::V0_15);
    let input = RebaseInput { app: &app, base: &base, base_name: &base_name, force: request.force, rules: &rules };
    let rebased = rebase_image(&input, &log)?;

    let (old_base, new_base) = (&rebased.old_reference, base.reference());
    events.info(&format!("Moving {} from base {old_base} to base {new_base}", request.name));
    let layout = Layout::open(&request.image.path, &work)?.remembering(verified);
    let wants_base = opened.resolved.completeness() == Completeness::Full && base.absent_layers()?.is_empty();
    let completeness = if wants_base { Completeness::Full } else { Completeness::Sparse };
    let blobs = [app.blobs.as_ref(), base.blobs.as_ref()];
    let publication = rebased.publication(&blobs, completeness);
    let tag = tag_of(&request.image, &opened);
    let expected = before.map_or(Expected::Anything, |index| Expected::as_in(index.value(), &tag));
    let target = Output { layout: &layout, tag: &tag, name: &request.name, expected: &expected };
    let published = publish(&publication, &[target], &log)?;
    Ok(RebaseReport {
        digest: published.digest,
        old_base: rebased.old_reference,
        new_base,
        replaced: rebased.replaced,
        base_layers: rebased.base_layers.len(),
        kept: rebased.app_layers.len(),
        sparse: completeness == Completeness::Sparse,
        work: work.report(),
    })
}

/// Returns the name under which the result is listed: the one that the app image has.
fn tag_of(place: &Place, opened: &Opened) -> String {
    match (&place.selector, opened.resolved.entry.ref_name()) {
        (Some(Selector::Tag(tag)), _) => tag.clone(),
        (_, Some(name)) => name.to_owned(),
        (_, None) => place.output_tag(),
    }
}

fn source_image(opened: &Opened, name: &str) -> SourceImage {
    SourceImage {
        image: opened.image.clone(),
        blobs: opened.shared_blobs(),
        name: name.to_owned(),
        named: opened.resolved.named.clone(),
        base_name: opened.known_name(),
    }
}

/// Returns where the new run image is: the one that is given, or the first of those that the app's label names which is
/// there, names on the app image's own registry first, as a build chooses. The app's own base must be among them.
fn run_image(request: &RebaseRequest, app: &Opened) -> Result<Location, RebaseError> {
    if let Some(location) = &request.run_image {
        return Ok(location.clone());
    }
    let text = app.image.config().value().label(label::LIFECYCLE_METADATA).unwrap_or("{}");
    let no_name = || RebaseError::NoRunImage(request.name.clone());
    let metadata = LifecycleMetadata::parse(text).map_err(|_| no_name())?;
    let names = metadata.run_image_names(&PlatformRules::of(PlatformApi::V0_15)).ok_or_else(no_name)?;
    let reference = &metadata.run_image.reference;
    if !is_named(&names, reference) {
        let base = reference.split('@').next().unwrap_or_default().to_owned();
        return Err(RebaseError::OtherBase { image: request.name.clone(), base, named: names.image });
    }
    let registry = request.image.reference.as_ref().map_or("", |reference| reference.name.registry.as_str());
    let location = |name: &str| {
        Location::named_by_image(name)
            .map_err(|_| RebaseError::BadRunImage { image: request.name.clone(), name: name.to_owned() })
    };
    let host = Root::host()?;
    let found = names.find(registry, |name| {
        let location = location(name)?;
        let is_there = host.exists(&location.place(&request.layout_repository).path);
        Ok::<_, RebaseError>(is_there.then_some(location))
    })?;
    match found {
        Some((location, _)) => Ok(location),
        // None is there. The error names the nearest.
        None => location(names.by_nearness(registry).first().copied().unwrap_or_default()),
    }
}
