//! The restorer.

use dhow_cnb::{Analyzed, ExitCode, Group};
use dhow_lifecycle::cache::LayerCache;
use dhow_lifecycle::files;
use dhow_lifecycle::restore::{RestoreInput, restore};

use super::{cache, group};
use crate::lifecycle::failure::Failure;
use crate::lifecycle::inputs::RestorerInputs;
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
    let analyzed = analyzed.map_err(|error| Failure::of(ExitCode::Generic, &error))?;
    execute(session, &inputs, &group, &analyzed, cache.as_deref())?;
    let written = files::write_analyzed(&session.root, &inputs.analyzed, &analyzed);
    written.map_err(|error| Failure::of(ExitCode::Generic, &error))
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
