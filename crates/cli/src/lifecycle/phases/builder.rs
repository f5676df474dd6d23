//! The builder.

use dhow_lifecycle::SystemRunner;
use dhow_lifecycle::build::{BuildError, BuildFiles, BuildInput, BuildPaths, build};
use dhow_platform::FailedBuildpack;

use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::BuilderInputs;
use crate::lifecycle::privileges::refuse_root;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = BuilderInputs::resolve(&session.given)?;
    session.debug("Ensuring privileges...");
    refuse_root("build")?;
    session.debug("Executing command...");
    execute(session, &inputs)
}

/// Runs the group's buildpacks.
pub(super) fn execute(session: &Session<'_>, inputs: &BuilderInputs) -> Result<(), Failure> {
    let log = session.terminal;
    let files = BuildFiles::read(&session.root, &inputs.group, &inputs.plan, &inputs.analyzed, log);
    let files = files.map_err(failure)?;
    let environment = session.build_environment();
    let runner = SystemRunner::new(&session.root);
    let temporary = session.temporary_directory();
    let input = BuildInput {
        root: &session.root,
        rules: &session.given.rules,
        paths: BuildPaths {
            app: &inputs.app,
            buildpacks: &inputs.buildpacks,
            layers: &inputs.layers,
            platform: &inputs.platform,
            build_config: &inputs.build_config,
            temporary: &temporary,
        },
        environment: &environment,
        runner: &runner,
        group: &files.group,
        plan: &files.plan,
        target: files.analyzed.target(),
    };
    let _timer = Timer::start("Builder", log);
    build(&input, log, &mut std::io::stdout()).map(drop).map_err(failure)
}

fn failure(error: BuildError) -> Failure {
    let failure = Failure::of(error.exit_code(), &error);
    let BuildError::Buildpack { buildpack, source } = error else { return failure };
    Failure { buildpacks: vec![FailedBuildpack { buildpack, reason: chain(&source) }], ..failure }
}
