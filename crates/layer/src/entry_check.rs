//! What can be said of an entry alone: whether it can be unpacked at all, whatever else its layer holds.
//!
//! Unpacking and importing ask the same, so that nothing is taken in that cannot be unpacked later.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::whiteout_name::Whiteout;
use crate::{Limits, Member, MemberKind, Owner};

/// The longest name of an entry in a directory, in bytes (Linux, `NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// The longest text of a symbolic link, in bytes (Linux, `PATH_MAX` less the NUL).
const LONGEST_LINK: usize = 4095;

/// Why an entry cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryFault {
    /// A component of the name, or of the name that a hard link is a second one of, is `..`.
    GoesUp,
    /// A component of the name is longer than file systems take.
    LongName,
    /// It lies in more directories than the limit, which is given.
    TooDeep(usize),
    /// It is the root, and no directory.
    ReplacesRoot,
    /// It is a whiteout that names nothing which could be gone.
    WhiteoutOfNothing,
    /// It is a hard link to the root.
    LinkToRoot,
    /// It is a symbolic link that says nothing, or more than file systems take.
    LinkText,
    /// Its owner or group is more than the kernel has ids.
    Owner,
    /// A file that comes before it has the name of a directory on the way to it.
    BelowFile,
    /// It is a hard link to something that does not come before it, or to a directory.
    LinkToNothing,
    /// Links on the way to it lead in a circle.
    LinkLoop,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoesUp => write!(formatter, "a name with `..` in it"),
            Self::LongName => write!(formatter, "a name with a part of more than {LONGEST_NAME} bytes"),
            Self::TooDeep(limit) => write!(formatter, "which lies more than {limit} directories deep"),
            Self::ReplacesRoot => write!(formatter, "which would replace the root"),
            Self::WhiteoutOfNothing => write!(formatter, "a whiteout of nothing"),
            Self::LinkToRoot => write!(formatter, "a hard link to the root"),
            Self::LinkText => write!(formatter, "a symbolic link whose text is empty or too long"),
            Self::BelowFile => write!(formatter, "which lies below a file"),
            Self::LinkToNothing => write!(formatter, "a hard link to what is no file before it"),
            Self::LinkLoop => write!(formatter, "which lies behind links that lead in a circle"),
            Self::Owner => write!(formatter, "whose owner or group is no id of the kernel"),
        }
    }
}

/// Returns the components of an entry's name and what it says as a whiteout.
pub(crate) fn check(
    member: &Member,
    limits: &Limits,
    whiteouts: bool,
) -> Result<(Vec<OsString>, Option<Whiteout>), EntryFault> {
    let parts = components(&member.path)?;
    let is_directory = member.kind == MemberKind::Directory;
    let Some(name) = parts.last() else {
        return if is_directory { Ok((parts, None)) } else { Err(EntryFault::ReplacesRoot) };
    };
    if parts.len() - usize::from(!is_directory) > limits.depth {
        return Err(EntryFault::TooDeep(limits.depth));
    }
    if parts.iter().any(|part| part.len() > LONGEST_NAME) {
        return Err(EntryFault::LongName);
    }
    if whiteouts {
        let whiteout = Whiteout::parse(name).map_err(|_nothing| EntryFault::WhiteoutOfNothing)?;
        if whiteout.is_some() {
            return Ok((parts, whiteout));
        }
    }
    match &member.kind {
        MemberKind::HardLink(target) if components(target)?.is_empty() => Err(EntryFault::LinkToRoot),
        MemberKind::Symlink(target) if !(1..=LONGEST_LINK).contains(&target.as_os_str().len()) => {
            Err(EntryFault::LinkText)
        }
        _ => Ok((parts, None)),
    }
}

/// Fails if an owner is none that files can have.
pub(crate) fn check_owner(owner: Owner) -> Result<(), EntryFault> {
    // The largest value means "no id" to the kernel.
    let is_id = |id: u64| u32::try_from(id).is_ok_and(|id| id != u32::MAX);
    if is_id(owner.uid) && is_id(owner.gid) { Ok(()) } else { Err(EntryFault::Owner) }
}

/// Returns the components of a name; a leading `/` and `.` are left out, `..` is refused.
pub(crate) fn components(path: &Path) -> Result<Vec<OsString>, EntryFault> {
    let mut parts = Vec::new();
    for part in path.as_os_str().as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(EntryFault::GoesUp),
            _ => parts.push(OsStr::from_bytes(part).to_owned()),
        }
    }
    Ok(parts)
}
