//! Starting programs while other threads write them.

use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};

/// Held while a program is started: one that starts while another thread writes a file holds that file open for a
/// moment, in which it cannot be run.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts a program.
pub(super) fn spawn(command: &mut Command) -> Child {
    let _nothing_is_written = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).wait_with_output().expect("its output can be read")
}

/// Writes a file that may be a program.
pub(super) fn writing(write: impl FnOnce()) {
    let _nothing_is_started = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    write();
}
