//! Reading the group.

use std::path::Path;

use dhow_cnb::Group;
use dhow_lifecycle::files;

use crate::lifecycle::failure::Failure;
use crate::lifecycle::session::Session;

/// Reads group.toml.
pub(super) fn read(session: &Session<'_>, path: &Path) -> Result<Group, Failure> {
    files::read_group(&session.root, path).map_err(|error| Failure::of(error.exit_code(), &error))
}
