//! The restorer.

use dhow_cnb::{Analyzed, ExitCode, Group};
use dhow_lifecycle::cache::LayerCache;
use dhow_lifecycle::files;
use dhow_lifecycle::restore::{RestoreInput, restore};

use super::{cache, group};
use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::RestorerInputs;
use crate::lifecycle::open::open;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = RestorerInputs::resolve(&session.given, &session.root, session.terminal)?;
    session.debug("Ensuring privileges...");
    let user = User { uid: inputs.uid, gid: inputs.gid };
    let directories = std::iter::once(&inputs.layers).chain(&inputs.cache_directory);
    user.own(&session.root, directories.map(AsRef::as_ref))?;
    user.become_user()?;
    session.debug("Executing command...");
    let group = group::read(session, &inputs.group)?;
    let cache =
        cache::open(session, cache::Access::Read, inputs.cache_directory.as_deref(), inputs.cache_image.as_ref())?;
    let analyzed = files::read_analyzed(&session.root, &inputs.analyzed, session.terminal);
    let mut analyzed = analyzed.map_err(|error| Failure::of(ExitCode::Generic, &error))?;
    if let Some(reference) = build_image(session, &inputs)? {
        analyzed.build_image = Some(reference);
    }
    execute(session, &inputs, &group, &analyzed, cache.as_deref())?;
    let written = files::write_analyzed(&session.root, &inputs.analyzed, &analyzed);
    written.map_err(|error| Failure::of(ExitCode::Generic, &error))
}

/// Returns the build image's path with its digest, if there is a build image.
fn build_image(session: &Session<'_>, inputs: &RestorerInputs) -> Result<Option<String>, Failure> {
    let (Some(layouts), Some(path)) = (&inputs.layouts, &inputs.build_image) else { return Ok(None) };
    let failure = |text: String| Failure::new(ExitCode::Restore, format!("failed to restore: build image: {text}"));
    let image = open(path, layouts.path(), &session.work).map_err(|error| failure(chain(&error)))?;
    let image = image.ok_or_else(|| failure(format!("there is no image at {}", path.display())))?;
    Ok(Some(image.reference()))
}

/// Restores what the previous build left.
pub(super) fn execute(
    session: &Session<'_>,
    inputs: &RestorerInputs,
    group: &Group,
    analyzed: &Analyzed,
    cache: Option<&dyn LayerCache>,
) -> Result<(), Failure> {
    let _timer = Timer::start("Restorer", session.terminal);
    let input = RestoreInput {
        root: &session.root,
        layers: &inputs.layers,
        buildpacks: &group.buildpacks,
        metadata: &analyzed.metadata,
        cache,
        kept: None,
        skip_layers: inputs.skip_layers,
        rules: &session.given.rules,
        threads: session.threads(),
        work: &session.work,
    };
    restore(&input, session.terminal).map(drop).map_err(|error| Failure::of(error.exit_code(), &error))
}
