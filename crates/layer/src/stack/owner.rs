//! To whom the image says that a file belongs, where on the disk all files belong to one.
//!
//! It is noted in an attribute. Its name is one of overlayfs's own (mount option `userxattr`), which the kernel shows to
//! nobody who looks through the overlay and copies nowhere, so no program in a container meets it.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::marks::within;
use crate::Owner;

const OWNER: &CStr = c"user.overlay.dhow.owner";
/// Two numbers of 20 digits and a colon.
const LONGEST: usize = 41;

/// Notes an owner. Does nothing where the file system has no attributes.
pub(crate) fn note_owner(file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno> {
    let value = format!("{}:{}", owner.uid, owner.gid);
    match within(file, || rustix::fs::setxattr(place(file), OWNER, value.as_bytes(), XattrFlags::empty())) {
        Err(Errno::NOTSUP) => Ok(()),
        other => other,
    }
}

/// Returns the owner that is noted of an open file or directory.
pub(crate) fn noted_owner(file: BorrowedFd<'_>) -> Result<Option<Owner>, Errno> {
    read(|value| within(file, || rustix::fs::getxattr(place(file), OWNER, &mut *value)))
}

/// Returns the owner that is noted of a name of a directory; a link is not followed.
pub(crate) fn noted_owner_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Owner>, Errno> {
    let path = place(directory).join(name);
    read(|value| within(directory, || rustix::fs::lgetxattr(&path, OWNER, &mut *value)))
}

fn read(get: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Result<Option<Owner>, Errno> {
    let mut value = [0; LONGEST];
    let length = match get(&mut value) {
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE | Errno::PERM) => return Ok(None),
        other => other?,
    };
    let parse = |text: &str| {
        let (uid, gid) = text.split_once(':')?;
        Some(Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    };
    Ok(value.get(..length).and_then(|text| std::str::from_utf8(text).ok()).and_then(parse))
}

/// A handle may be a mere place, of which no attribute can be read or set; its file's can.
fn place(handle: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test makes files as other programs do")]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_owner_is_noted_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(directory.path().join("file")).unwrap();
        let handle = std::fs::File::open(directory.path()).unwrap();
        let find = || (noted_owner(file.as_fd()).unwrap(), noted_owner_at(handle.as_fd(), OsStr::new("file")).unwrap());
        assert_eq!(find(), (None, None));
        for owner in [Owner { uid: 1000, gid: 0 }, Owner { uid: u64::MAX, gid: u64::MAX }] {
            note_owner(file.as_fd(), owner).unwrap();
            assert_eq!(find(), (Some(owner), Some(owner)));
        }
        assert_eq!(noted_owner_at(handle.as_fd(), OsStr::new("absent")), Err(Errno::NOENT));
    }
}
