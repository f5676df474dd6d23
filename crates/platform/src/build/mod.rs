//! `dhow build`: from an app's source to an image in a layout.

mod builder;
mod choice;
mod elf;
mod error;
mod generated;
mod kept;
mod machine;
mod output;
mod phase_failure;
mod phases;
mod project;
mod remark;
mod report;
mod request;
mod run_image;
mod sandboxed;
mod startable;
mod state;
mod steps;
mod taken_over;

use std::sync::Arc;

use dhow_cnb::PlatformApi;
use dhow_fs::Work;

pub use choice::{BuildpackChoice, BuildpackChoiceError, Found};
pub use error::BuildError;
pub use phase_failure::{FailedBuildpack, PHASE_FAILURE_VARIABLE, PhaseFailure};
pub use report::BuildReport;
pub use request::{BuildRequest, Machine, Tag};
pub use startable::{CannotStart, ContentsError, Missing};
pub use state::StateError;

use crate::{Events, Phase};
use phases::{Phases, Prepared};
use report::PhaseClock;

/// The Platform API that images of `dhow build` are made for.
pub(crate) const PLATFORM_API: PlatformApi = PlatformApi::V0_15;

/// Builds an image. The app's source is only read; when it fails, what was at the destination is still there.
pub fn build(request: &BuildRequest, events: &dyn Events) -> Result<BuildReport, BuildError> {
    let work = Arc::new(Work::default());
    let mut clock = PhaseClock::new(events);
    clock.begin(Phase::Prepare);
    let prepared = Prepared::of(request, &work, events)?;
    let phases = Phases::of(request, &prepared, &work, events)?;
    clock.begin(Phase::Analyze);
    let past = phases.analyze()?;
    clock.begin(Phase::Detect);
    let group = phases.detect()?;
    clock.begin(Phase::Restore);
    let cache = phases.restore(&group, &past)?;
    clock.begin(Phase::Build);
    phases.build()?;
    clock.begin(Phase::Export);
    let made = phases.export(&group, &past, cache)?;
    Ok(phases.report(made, clock.finish()))
}
