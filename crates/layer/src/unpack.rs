//! From a layer to a tree, without ever leaving the tree's directory.
//!
//! Every name is used with the handle of its directory, and the directory is reached component by component
//! ([`crate::stack`]), so links lead nowhere but inside. An entry replaces what is there rather than write through it. Modes
//! and times of directories are set when all else is done, the inner ones first.
//!
//! ```text
//! place.rs      one entry after the other
//! make.rs       the directories on the way to it
//! leaf.rs       files, links, nodes
//! content.rs    what is in a file
//! whiteout.rs   what is gone
//! known.rs      what is remembered of names
//! finish.rs     what is done in the end
//! ```

mod content;
mod finish;
mod known;
mod leaf;
mod make;
mod options;
mod place;
mod whiteout;

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use dhow_fs::{Operation, PathError, Root};
use dhow_oci::DiffId;

use crate::stream::hashed;
use crate::{Encoding, EntryFault, Member, MemberKind, Owner, ReadError, Reader, decompress};
pub use options::{Owners, Rules, UnpackOptions, Whiteouts};
use place::Unpacker;

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The size of the tar.
    pub size: u64,
    /// The number of entries, whiteouts among them.
    pub entries: u64,
    /// The number of extended attributes, none of which is applied.
    pub attributes: u64,
    /// Device nodes that could not be made for want of privileges.
    pub skipped: Vec<PathBuf>,
    /// Files whose capabilities are not applied.
    pub without_capabilities: Vec<PathBuf>,
    /// With [`Owners::Record`]: the owners of all entries in order, by their paths without leading `/`
    /// and without links; the last one of a path counts. Directories that no entry describes are root's.
    pub owners: Vec<(PathBuf, Owner)>,
}

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The tar is damaged, or more than the limits allow.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The blob cannot be read.
    #[error("cannot read the layer")]
    Input(#[source] io::Error),
    /// The blob is not what its media type says.
    #[error("the layer is {found}, but its media type says {expected}", found = .found.name(), expected = .expected.name())]
    Encoding {
        /// What the media type says.
        expected: Encoding,
        /// What the first bytes say.
        found: Encoding,
    },
    /// The directory to unpack into cannot be opened.
    #[error(transparent)]
    Destination(#[from] PathError),
    /// An entry that cannot be unpacked, whatever else the layer holds.
    #[error("the layer holds {}, {fault}", .path.display())]
    Unfit {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        fault: EntryFault,
    },
    /// A layer of the lifecycle holds something other than directories, files and symbolic links.
    #[error("unknown file type in tar: {}", .0.display())]
    UnknownType(PathBuf),
    /// An entry cannot be made.
    #[error("cannot unpack {}", .path.display())]
    Place {
        /// The entry.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Unpacks a layer into `directory` of `destination`; its names, absolute ones too, are below it.
///
/// What is in the directory already counts as that of older layers, so several layers may be unpacked into it one after the
/// other.
///
/// Checks nothing but the tar itself: the caller states which diffID it expects, and compares. On failure what was unpacked so
/// far stays.
pub fn unpack(
    input: impl Read + Send,
    destination: &Root,
    directory: &Path,
    options: &UnpackOptions<'_>,
) -> Result<Unpacked, UnpackError> {
    let handle = destination.open_directory(directory)?;
    let (found, tar) = decompress(input).map_err(UnpackError::Input)?;
    if let Some(expected) = options.encoding.filter(|expected| *expected != found) {
        return Err(UnpackError::Encoding { expected, found });
    }
    let location = || destination.host_path(directory);
    let mut unpacker = Unpacker::new(handle, options)
        .map_err(|source| PathError::new(Operation::ReadDirectory, location(), source))?;
    let (size, diff_id) = hashed(tar, options.hasher(), |tar| unpack_members(tar, &mut unpacker, options))?;
    options.work.bytes_hashed.add(size);
    let Unpacker { entries, attributes, skipped, without_capabilities, owners, .. } = unpacker;
    Ok(Unpacked { diff_id, size, entries, attributes, skipped, without_capabilities, owners })
}

fn unpack_members(
    tar: &mut dyn BufRead,
    unpacker: &mut Unpacker<'_>,
    options: &UnpackOptions<'_>,
) -> Result<u64, UnpackError> {
    let mut reader = Reader::new(tar, options.limits);
    while let Some(member) = reader.next_member()? {
        unpacker.place(&member, &mut reader)?;
    }
    let size = reader.finish()?;
    unpacker.finish()?;
    Ok(size)
}
