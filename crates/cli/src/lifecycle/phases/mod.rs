//! The programs' bodies: inputs, privileges, the phase, the files that it writes.

use super::failure::Failure;
use super::inputs::*;
use super::program::Program;
use super::session::Session;

/// Runs a program to its end.
pub(crate) fn run(program: Program, session: Session<'_>) -> Result<(), Failure> {
    let log = session.terminal;
    match program {
        Program::Analyzer => drop(AnalyzerInputs::resolve(&session.given, &session.root, log)?),
        Program::Detector => drop(DetectorInputs::resolve(&session.given, &session.root)?),
        Program::Restorer => drop(RestorerInputs::resolve(&session.given, &session.root, log)?),
        Program::Builder => drop(BuilderInputs::resolve(&session.given)?),
        Program::Exporter => drop(ExporterInputs::resolve(&session.given, &session.variables, &session.root, log, |_| Ok(()))?),
        Program::Creator => drop(CreatorInputs::resolve(&session.given, &session.root, log)?),
        Program::Rebaser => drop(RebaserInputs::resolve(&session.given, &session.root)?),
        Program::Extender => {}
    }
    Ok(())
}
