//! The memory of which blobs were read and found whole, in dhow's cache directory.

use std::path::Path;
use std::sync::Arc;

use dhow_fs::Root;
use dhow_lifecycle::Level;
use dhow_store::Verified;

use crate::{Event, Events};

/// Returns what is remembered below dhow's cache directory.
pub(crate) fn verified(cache_directory: &Path) -> Arc<Verified> {
    Arc::new(Verified::load(cache_directory.join("verified-blobs")))
}

/// Keeps what was found out. Without it the next command reads the blobs again, so a failure stops nothing.
pub(crate) fn remember(verified: &Verified, cache_directory: &Path, events: &dyn Events) {
    let made = Root::host().and_then(|host| host.create_directories(cache_directory, 0o700));
    if let Err(error) = made.and_then(|()| verified.save()) {
        events.emit(Event::Remark(Level::Debug, &format!("cannot remember which blobs are whole: {error}")));
    }
}
