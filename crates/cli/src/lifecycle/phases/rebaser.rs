//! The rebaser.

use dhow_cnb::{ExitCode, LifecycleMetadata, Report, label};
use dhow_lifecycle::image::SourceImage;
use dhow_lifecycle::rebase::{RebaseInput, rebase};
use dhow_lifecycle::{Log, files};
use dhow_store::{BlobSink, Completeness, Layout};

use crate::lifecycle::failure::{Failure, chain};
use crate::lifecycle::inputs::RebaserInputs;
use crate::lifecycle::open::open;
use crate::lifecycle::privileges::User;
use crate::lifecycle::session::Session;
use crate::lifecycle::timer::Timer;

pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    let inputs = RebaserInputs::resolve(&session.given, &session.root)?;
    session.debug("Ensuring privileges...");
    User { uid: inputs.uid, gid: inputs.gid }.become_user()?;
    session.debug("Executing command...");
    let _timer = Timer::start("Rebaser", session.terminal);
    execute(session, &inputs)
}
