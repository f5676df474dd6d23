//! What the client takes from a registry at most, and how patient it is.
//!
//! Nothing is allocated from a size that a registry claims: bytes are counted as they come.

use std::time::Duration;

/// The largest manifest or index, in bytes.
pub(crate) const MANIFEST: u64 = 4 * 1024 * 1024;
/// The largest answer of a token service, in bytes.
pub(crate) const TOKEN: u64 = 1024 * 1024;
/// The largest page of tags or referrers, in bytes.
pub(crate) const PAGE: u64 = 4 * 1024 * 1024;
/// How much of an error's answer is read, in bytes.
pub(crate) const ERROR: u64 = 64 * 1024;
/// The most pages of one list.
pub(crate) const PAGES: usize = 1000;
/// The most redirects of one request.
pub(crate) const REDIRECTS: usize = 10;
/// How long a connection may be silent.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to come about.
pub(crate) const CONNECT: Duration = Duration::from_secs(15);
/// How long a registry may think about a blob that it has received.
pub(crate) const ACCEPTANCE: Duration = Duration::from_secs(600);
/// How often one request is tried.
pub(crate) const ATTEMPTS: u32 = 5;
/// The longest wait that `Retry-After` can ask for; above it, the request fails.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);
