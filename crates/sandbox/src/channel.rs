//! The line between the caller and the helper processes: whole messages, JSON, at most one page or two.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What the helper processes tell the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The user namespace is there and wants its map.
    WantsMap,
    /// The job's program runs.
    Started,
    /// The set-up failed; nothing runs.
    Failed(Failure),
    /// The program ended by itself with this code.
    Exited(i32),
    /// A signal ended the program.
    Signaled(i32),
}

/// What the caller tells the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The map is written.
    Mapped,
}

/// Returns the two ends.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one message. A peer that is gone is not an error: it wants nothing any more.
pub(crate) fn send(end: impl AsFd, message: &impl Serialize) {
    let bytes = serde_json::to_vec(message).unwrap_or_default();
    let _ = retry(|| rustix::net::send(end.as_fd(), &bytes, SendFlags::NOSIGNAL));
}

/// Waits for one message; `None` when the peer is gone or says what this version does not know.
pub(crate) fn receive<T: DeserializeOwned>(end: BorrowedFd<'_>) -> Option<T> {
    let mut buffer = vec![0_u8; MAXIMUM_MESSAGE];
    let (length, _) = retry(|| rustix::net::recv(end, buffer.as_mut_slice(), RecvFlags::empty())).ok()?;
    serde_json::from_slice(buffer.get(..length)?).ok()
}

pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A failure holds one path, whose control characters JSON may write as six bytes each.
const MAXIMUM_MESSAGE: usize = 32 << 10;
