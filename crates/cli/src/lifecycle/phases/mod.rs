//! The programs' bodies: inputs, privileges, the phase, the files that it writes.

mod analyzer;
mod builder;
mod cache;
mod creator;
mod detector;
mod exporter;
mod group;
mod rebaser;
mod restorer;

use dhow_cnb::ExitCode;

use super::failure::Failure;
use super::program::Program;
use super::session::Session;

/// What platforms must consent to.
const LAYOUT_FEATURE: &str = "export to OCI layout format";

/// Runs a program to its end.
pub(crate) fn run(program: Program, mut session: Session<'_>) -> Result<(), Failure> {
    match program {
        Program::Analyzer => analyzer::run(&session),
        Program::Detector => detector::run(&session),
        Program::Restorer => restorer::run(&session),
        Program::Builder => builder::run(&session),
        Program::Exporter => exporter::run(&session),
        Program::Creator => creator::run(&mut session),
        Program::Rebaser => rebaser::run(&session),
        Program::Extender => Err(Failure::new(
            ExitCode::Extend,
            "failed to extend: image extensions are not supported; use a builder whose order has no [[order-extensions]]",
        )),
    }
}
