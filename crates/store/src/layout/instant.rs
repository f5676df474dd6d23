//! What other tools leave for an instant: they replace `index.json` without a lock, and some empty it, and `oci-layout`,
//! before they write.

use std::time::Duration;

/// How long one pause is, and how many there are.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSES: usize = 5;

/// Pauses before each next look at what may be whole in an instant, and ends when that took long enough.
pub(super) fn pauses() -> impl Iterator<Item = ()> {
    (0..PAUSES).map(|_| pause())
}

/// Waits for as long as a tool needs to write an index.
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}
