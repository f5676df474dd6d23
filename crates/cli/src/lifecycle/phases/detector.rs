//! The detector.

use std::path::Path;

use dhow_cnb::Group;
use dhow_lifecycle::SystemRunner;
use dhow_lifecycle::detect::{DetectError, DetectInput, DetectPaths, prepare};

use crate::lifecycle::failure::Failure;
use crate::lifecycle::inputs::DetectorInputs;
use crate::lifecycle::privileges::refuse_root;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = DetectorInputs::resolve(&session.given, &session.root)?;
    session.debug("Ensuring privileges...");
    refuse_root("detect")?;
    session.debug("Executing command...");
    execute(session, &inputs).map(drop)
}

/// Finds the group, and writes group.toml and plan.toml.
pub(super) fn execute(session: &Session<'_>, inputs: &DetectorInputs) -> Result<Group, Failure> {
    let environment = session.build_environment();
    let runner = SystemRunner::new(&session.root);
    let temporary = session.temporary_directory();
    let input = DetectInput {
        root: &session.root,
        rules: &session.given.rules,
        paths: DetectPaths {
            app: &inputs.app,
            buildpacks: &inputs.buildpacks,
            platform: &inputs.platform,
            build_config: &inputs.build_config,
            order: &inputs.order,
            system: &inputs.system,
            analyzed: &inputs.analyzed,
            temporary: Path::new(&temporary),
        },
        environment: &environment,
        runner: &runner,
    };
    let prepared = prepare(input, session.terminal).map_err(failure)?;
    let detected = {
        let _timer = Timer::start("Detector", session.terminal);
        prepared.detect(session.terminal)
    };
    let detected = detected.map_err(|error| {
        error.tell(session.terminal);
        failure(error)
    })?;
    detected.write(&session.root, &inputs.group, &inputs.plan).map_err(failure)?;
    Ok(detected.group)
}

fn failure(error: DetectError) -> Failure {
    let failure = Failure::of(error.exit_code(), &error);
    let DetectError::BuildpackFailed(failed) = error else { return failure };
    Failure { buildpacks: failed, ..failure }
}
