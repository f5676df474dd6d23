//! The rebaser.

use std::path::Path;

use dhow_cnb::{ExitCode, LifecycleMetadata, label};
use dhow_lifecycle::export::{Output as OpenOutput, PublishError, Published, publish};
use dhow_lifecycle::files;
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::rebase::{RebaseError, RebaseInput, rebase};
use dhow_store::{Completeness, Expected, Layout, LayoutError};

use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::{Output, RebaserInputs};
use crate::lifecycle::open::open;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = RebaserInputs::resolve(&session.given, &session.variables, &session.root)?;
    session.debug("Ensuring privileges...");
    User { uid: inputs.uid, gid: inputs.gid }.become_user()?;
    session.debug("Executing command...");
    execute(session, &inputs)
}

/// How often a rebase starts over because another writer gave the app image's name to another image meanwhile.
const ATTEMPTS: usize = 10;

/// Puts the app image onto its new run image, names the result, and writes report.toml.
fn execute(session: &Session<'_>, inputs: &RebaserInputs) -> Result<(), Failure> {
    let mut attempts = 1..ATTEMPTS;
    let published = loop {
        match rebase_once(session, inputs)? {
            Ok(published) => break published,
            Err(PublishError::Layout(LayoutError::Changed { .. })) if attempts.next().is_some() => {}
            Err(error) => return Err(failure(&error)),
        }
    };
    files::write_report(&session.root, &inputs.report, &published.report)
        .map_err(|error| Failure::new(ExitCode::Rebase, format!("failed to write rebase report: {}", chain(&error))))
}

fn rebase_once(session: &Session<'_>, inputs: &RebaserInputs) -> Result<Result<Published, PublishError>, Failure> {
    // Before the app image is looked at, so that whatever replaces it from here on is noticed.
    let before = Layout::open(&inputs.source, &session.work).and_then(|layout| layout.index()).ok();
    let app = app_image(session, inputs)?;
    let (base, name) = match &inputs.run_image {
        Some(name) => (run_image(session, inputs, name)?, name.clone()),
        None => recorded_run_image(session, inputs, &app)?,
    };
    let _timer = Timer::start("Rebaser", session.terminal);
    let input =
        RebaseInput { app: &app, base: &base, base_name: &name, force: inputs.force, rules: &session.given.rules };
    let rebased = rebase(&input, session.terminal).map_err(|error| refusal(&error))?;
    let layouts: Vec<Layout> = inputs
        .outputs
        .iter()
        .map(|output| Layout::prepare(&output.layout, &session.work).map_err(|error| failure(&error)))
        .collect::<Result<_, _>>()?;
    let is_whole = |image: &SourceImage| Ok(image.absent_layers().map_err(|error| failure(&error))?.is_empty());
    // The result has its run image's layers if the app image has its own.
    let completeness = match is_whole(&app)? && is_whole(&base)? {
        true => Completeness::Full,
        false => Completeness::Sparse,
    };
    let paths: Vec<String> = inputs.outputs.iter().map(|output| output.layout.display().to_string()).collect();
    let expected = |output: &Output| match &before {
        Some(index) if output.layout == inputs.source => Expected::as_in(index.value(), &output.tag),
        _ => Expected::Anything,
    };
    let expected: Vec<Expected> = inputs.outputs.iter().map(expected).collect();
    let pairs = layouts.iter().zip(&inputs.outputs).zip(paths.iter().zip(&expected));
    let targets: Vec<OpenOutput<'_>> = pairs
        .map(|((layout, output), (name, expected))| OpenOutput { layout, tag: &output.tag, name, expected })
        .collect();
    let blobs = [app.blobs.as_ref(), base.blobs.as_ref()];
    let publication = rebased.publication(&blobs, completeness);
    Ok(publish(&publication, &targets, session.terminal))
}

fn failure(error: &dyn std::error::Error) -> Failure {
    Failure::new(ExitCode::Rebase, format!("failed to rebase: {}", chain(error)))
}

/// Says why an image cannot be rebased, and how to insist where that is possible.
fn refusal(error: &RebaseError) -> Failure {
    let advice = match error {
        RebaseError::Unfit(unfit) if unfit.yields_to_force() => "; please provide -force to override",
        _ => "",
    };
    Failure::new(error.exit_code(), format!("failed to rebase: {}{advice}", chain(error)))
}

fn app_image(session: &Session<'_>, inputs: &RebaserInputs) -> Result<SourceImage, Failure> {
    image(session, inputs, &inputs.source).map_err(|cause| {
        Failure::new(ExitCode::Rebase, format!("failed to set app image: failed to access image to rebase: {cause}"))
    })
}

fn run_image(session: &Session<'_>, inputs: &RebaserInputs, name: &str) -> Result<SourceImage, Failure> {
    image(session, inputs, &inputs.layouts.layout_of(name)?).map_err(|cause| no_run_image(&cause))
}

fn no_run_image(cause: &str) -> Failure {
    Failure::new(ExitCode::Generic, format!("failed to access run image: {cause}"))
}

/// Returns the image at `path`, or the words for why there is none.
fn image(session: &Session<'_>, inputs: &RebaserInputs, path: &Path) -> Result<SourceImage, String> {
    let image = open(path, inputs.layouts.path(), &session.work).map_err(|error| chain(&error))?;
    image.ok_or_else(|| format!("there is no image at {}", path.display()))
}

/// Returns the run image that the app's label names, and under which name it was found: the first that is there, those
/// on the app image's registry first.
fn recorded_run_image(
    session: &Session<'_>,
    inputs: &RebaserInputs,
    app: &SourceImage,
) -> Result<(SourceImage, String), Failure> {
    let text = app.image.config().value().label(label::LIFECYCLE_METADATA).unwrap_or("{}");
    let metadata =
        LifecycleMetadata::parse(text).map_err(|error| Failure::input(format!("get image metadata: {error}")))?;
    let Some(names) = metadata.run_image_names(&session.given.rules) else {
        return Err(Failure::input("-run-image is required when there is no run image metadata available"));
    };
    let mut looked_at = Vec::new();
    let found = names.find(&inputs.registry, |name| {
        let path = inputs.layouts.layout_of(name)?;
        let image = open(&path, inputs.layouts.path(), &session.work).map_err(|error| no_run_image(&chain(&error)))?;
        looked_at.push(path.display().to_string());
        Ok(image)
    })?;
    match found {
        Some((image, name)) => Ok((image, name.to_owned())),
        None => Err(no_run_image(&format!("there is no image at {}", looked_at.join(", or at ")))),
    }
}
