//! The line between the caller and the helper processes: whole messages, JSON, at most one page or two.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What the helper processes tell the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The user namespace is there and wants its map.
    WantsMap,
    /// The program has a terminal of its own; its other end comes with this message.
    Terminal,
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

/// Sends one message together with a descriptor.
pub(crate) fn send_with(end: impl AsFd, message: &impl Serialize, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let bytes = serde_json::to_vec(message).unwrap_or_default();
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    retry(|| rustix::net::sendmsg(end.as_fd(), &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)).map(drop)
}

/// Waits for one message, and takes the descriptor that comes with it. `None` is as for [`receive`].
pub(crate) fn receive_with<T: DeserializeOwned>(end: BorrowedFd<'_>) -> Option<(T, Option<OwnedFd>)> {
    let mut buffer = vec![0_u8; MAXIMUM_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry(|| {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        rustix::net::recvmsg(end, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    let length = received.ok()?.bytes;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Some((serde_json::from_slice(buffer.get(..length)?).ok()?, descriptor))
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
