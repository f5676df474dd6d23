//! Reading the group, whose buildpacks must be of APIs that are spoken.

use std::path::Path;

use dhow_cnb::{BuildpackApi, ExitCode, Group};
use dhow_lifecycle::files;

use crate::lifecycle::failure::Failure;
use crate::lifecycle::session::Session;

/// Reads group.toml and checks the API of each element.
pub(super) fn read(session: &Session<'_>, path: &Path) -> Result<Group, Failure> {
    let group = files::read_group(&session.root, path).map_err(|error| Failure::of(ExitCode::Generic, &error))?;
    check_apis(&group)?;
    Ok(group)
}

/// Refuses a group with an element of an API that is not spoken.
pub(super) fn check_apis(group: &Group) -> Result<(), Failure> {
    for (kind, element) in group.modules() {
        let stated = Some(element.api.as_str()).filter(|api| !api.is_empty());
        let api = BuildpackApi::negotiate(kind, &element.to_string(), stated);
        api.map_err(|error| Failure::of(ExitCode::BuildpackApi, &error))?;
    }
    Ok(())
}
