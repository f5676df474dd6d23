//! Copies between the caller's streams and the program's, a thread for each direction.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

/// Copies `from` until its end, or until the other end of `stop` is closed; then writes `end`.
///
/// The end of `to` is not told: the program may not want its input.
pub(crate) fn input(from: BorrowedFd<'_>, to: &OwnedFd, stop: &OwnedFd, end: &[u8]) {
    let mut buffer = [0; 4096];
    loop {
        let mut sources = [PollFd::from_borrowed_fd(from, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        if retry(|| rustix::event::poll(&mut sources, None)).is_err() || !sources[1].revents().is_empty() {
            return;
        }
        match retry(|| rustix::io::read(from, &mut buffer)) {
            Err(Errno::AGAIN) => {}
            Err(_) | Ok(0) => {
                let _ = write_all(to.as_fd(), end);
                return;
            }
            Ok(count) => {
                if write_all(to.as_fd(), &buffer[..count]).is_err() {
                    return;
                }
            }
        }
    }
}

/// Copies `from` until its end. Calls `lost` once if `to` takes nothing any more, and drops what comes after.
pub(crate) fn output(from: &OwnedFd, to: BorrowedFd<'_>, lost: impl FnOnce()) {
    let mut buffer = [0; 16 * 1024];
    let mut lost = Some(lost);
    // A terminal whose last program is gone ends with an error.
    while let Ok(count @ 1..) = retry(|| rustix::io::read(from, &mut buffer)) {
        if lost.is_some()
            && write_all(to, &buffer[..count]).is_err()
            && let Some(tell) = lost.take()
        {
            tell();
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match retry(|| rustix::io::write(to, bytes)) {
            // Another program may have set the terminal so that writing does not wait.
            Err(Errno::AGAIN) => {
                let mut target = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                retry(|| rustix::event::poll(&mut target, None))?;
            }
            written => bytes = bytes.get(written?..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
