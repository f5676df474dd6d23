//! The analyzer.

use std::path::Path;

use dhow_cnb::{Analyzed, ExitCode};
use dhow_lifecycle::analyze::{AnalyzeInput, Wanted, analyze};
use dhow_lifecycle::files;
use dhow_lifecycle::image::SourceImage;

use super::LAYOUT_FEATURE;
use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::guard;
use crate::lifecycle::inputs::AnalyzerInputs;
use crate::lifecycle::open::open;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = AnalyzerInputs::resolve(&session.given, &session.root, session.terminal)?;
    guard::check(LAYOUT_FEATURE, &session.variables, session.terminal)?;
    session.debug("Ensuring privileges...");
    let user = User { uid: inputs.uid, gid: inputs.gid };
    user.own(&session.root, [inputs.layers.as_path()])?;
    user.become_user()?;
    session.debug("Executing command...");
    execute(session, &inputs).map(drop)
}

/// Analyzes, and writes analyzed.toml.
pub(super) fn execute(session: &Session<'_>, inputs: &AnalyzerInputs) -> Result<Analyzed, Failure> {
    let previous = image(session, inputs, &inputs.previous_image, "previous")?;
    let run = image(session, inputs, &inputs.run_image, "run")?;
    let analyzed = {
        let _timer = Timer::start("Analyzer", session.terminal);
        let (previous_name, run_name) =
            (inputs.previous_image.display().to_string(), inputs.run_image.display().to_string());
        let input = AnalyzeInput {
            kept: None,
            root: &session.root,
            rules: &session.given.rules,
            previous: Wanted { name: &previous_name, image: previous.as_ref() },
            run: Wanted { name: &run_name, image: run.as_ref() },
            layers: &inputs.layers,
            skip_layers: inputs.skip_layers,
            work: &session.work,
        };
        analyze(&input, session.terminal).map_err(|error| Failure::of(error.exit_code(), &error))?
    };
    let written = files::write_analyzed(&session.root, &inputs.analyzed, &analyzed);
    written.map_err(|error| Failure::of(ExitCode::Generic, &error))?;
    Ok(analyzed)
}

fn image(
    session: &Session<'_>,
    inputs: &AnalyzerInputs,
    path: &Path,
    which: &str,
) -> Result<Option<SourceImage>, Failure> {
    open(path, inputs.layouts.path(), &session.work).map_err(|error| {
        let text = format!("failed to initialize analyzer: getting {which} image: {}", chain(&error));
        Failure::new(ExitCode::Analyze, text)
    })
}
