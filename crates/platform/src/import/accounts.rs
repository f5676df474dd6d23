//! Whether a root filesystem knows the user that its image is to run as.

use std::path::Path;

use dhow_layer::ImportedTree;

use crate::container::{ACCOUNTS_LIMIT, UserError, is_root_user, missing_entry, resolve_user};

/// The largest file of accounts that is read.
pub(super) const LONGEST: u64 = ACCOUNTS_LIMIT;

/// Tells whether a file may be one that `/etc/passwd` or `/etc/group` leads to.
pub(super) fn may_be(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "passwd" || name == "group")
}

/// Fails if `user` names a user or group that is not there. Returns a warning if an id has no entry, which may well be.
pub(super) fn check(user: &str, tree: &ImportedTree) -> Result<Option<String>, UserError> {
    let text = |path: &str| tree.read(Path::new(path)).map(String::from_utf8_lossy).unwrap_or_default();
    let passwd = text("etc/passwd");
    if is_root_user(user) {
        return Ok(None);
    }
    let found = resolve_user(user, &passwd, &text("etc/group"))?;
    Ok(missing_entry(found.uid, found.gid, &passwd))
}
