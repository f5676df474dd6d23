//! The restorer.

use dhow_cnb::{Analyzed, ExitCode, Group};
use dhow_lifecycle::cache::LayerCache;
use dhow_lifecycle::restore::{RestoreInput, restore};
use dhow_lifecycle::{Log, files};

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
    let analyzed = match files::read_analyzed(&session.root, &inputs.analyzed, session.terminal) {
        Ok(analyzed) => complete(session, &inputs, analyzed)?,
        Err(error) => {
            session.terminal.warn(&format!("Not using analyzed data, usable file not found: {}", chain(&error)));
            Analyzed::default()
        }
    };
    let cache =
        cache::open(session, cache::Access::Read, inputs.cache_directory.as_deref(), inputs.cache_image.as_ref())?;
    execute(session, &inputs, &group, &analyzed, cache.as_deref())
}

/// Adds the build image, and writes analyzed.toml anew. What run.toml names is there in layouts, so it is only read.
fn complete(session: &Session<'_>, inputs: &RestorerInputs, mut analyzed: Analyzed) -> Result<Analyzed, Failure> {
    let generic = |error: &dyn std::error::Error| Failure::of(ExitCode::Generic, error);
    if let Some(reference) = build_image(session, inputs)? {
        analyzed.build_image = Some(reference);
    }
    if session.given.rules.restorer_checks_run_image {
        files::read_run(&session.root, &inputs.run, session.terminal).map_err(|error| generic(&error))?;
    }
    files::write_analyzed(&session.root, &inputs.analyzed, &analyzed).map_err(|error| generic(&error))?;
    Ok(analyzed)
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
