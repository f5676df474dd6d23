//! The creator: all phases in one process.

use dhow_cnb::ExitCode;
use dhow_lifecycle::cache::LayerCache;

use super::{LAYOUT_FEATURE, analyzer, builder, cache, detector, exporter, restorer};
use crate::lifecycle::failure::Failure;
use crate::lifecycle::guard;
use crate::lifecycle::inputs::CreatorInputs;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;

pub(super) fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    let inputs = CreatorInputs::resolve(&session.given, &session.root, session.terminal)?;
    guard::check(LAYOUT_FEATURE, &session.variables, session.terminal)?;
    session.debug("Ensuring privileges...");
    let user = User { uid: inputs.analyzer.uid, gid: inputs.analyzer.gid };
    let export = &inputs.exporter;
    let directories = export.cache_directory.iter().chain([&export.layers]);
    user.own(&session.root, directories.map(AsRef::as_ref))?;
    user.become_user()?;
    user.set_home(&session.root, &mut session.variables);
    session.debug("Executing command...");
    phases(session, &inputs)
}

fn phases(session: &Session<'_>, inputs: &CreatorInputs) -> Result<(), Failure> {
    let export = &inputs.exporter;
    let mut cache =
        cache::open(session, cache::Access::Write, export.cache_directory.as_deref(), export.cache_image.as_ref())?;
    session.terminal.phase("ANALYZING");
    let analyzed = analyzer::execute(session, &inputs.analyzer)?;
    session.terminal.phase("DETECTING");
    let group = detector::execute(session, &inputs.detector)?;
    if !group.extensions.is_empty() {
        return Err(Failure::new(ExitCode::Detect, "failed to detect: creator does not support image extensions"));
    }
    if let Some(restore) = &inputs.restorer {
        session.terminal.phase("RESTORING");
        restorer::execute(session, restore, &group, &analyzed, cache.as_deref())?;
    }
    session.terminal.phase("BUILDING");
    builder::execute(session, &inputs.builder)?;
    session.terminal.phase("EXPORTING");
    let cache = cache.as_mut().map(|cache| -> &mut dyn LayerCache { cache.as_mut() });
    exporter::execute(session, export, &group, &analyzed, cache)
}
