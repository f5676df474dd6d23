//! How a layer is unpacked.

use dhow_fs::Work;
use dhow_oci::{DiffId, Hasher};

use crate::{Encoding, Limits, Stack};

/// What is done with entries that say that something of a lower layer is gone (image-spec `layer.md`, "Whiteouts").
#[derive(Clone, Copy, Debug)]
pub enum Whiteouts<'a> {
    /// What they name is removed, unless this layer brought it.
    Apply,
    /// The tree will lie on top of these layers in an overlay (mount option `userxattr`).
    ///
    /// What whiteouts name is removed as with `Apply`, and what the layers below have is marked as gone, as overlayfs has
    /// it. Directories that the layer does not describe are as below, links below are followed, and hard links may name
    /// files below.
    Overlay(&'a Stack),
    /// They are files like others.
    Ignore,
}

/// What is done with owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// Files get them.
    Set,
    /// Files belong to whoever unpacks.
    Ignore,
    /// Files belong to whoever unpacks. To whom they should is noted with directories, and with files that are not root's, so
    /// that a [`Stack`] can tell.
    Note,
    /// Files belong to whoever unpacks, and [`Unpacked::owners`](crate::Unpacked::owners) says to whom they should.
    Record,
}

/// Whose way of unpacking is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Layers of images: an entry replaces whatever is there, directories take mode and times of
    /// their entry, times are set.
    Image,
    /// A restored layer of the lifecycle: directories that are there stay as they are, links to
    /// directories too; times are not set; hard links, fifos and devices are refused.
    Lifecycle,
}

/// How a layer is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct UnpackOptions<'a> {
    /// The encoding that the blob must have, if not any.
    pub encoding: Option<Encoding>,
    /// The diffID that the caller will compare: the tar is hashed by its algorithm, else by SHA-256.
    pub expected: Option<&'a DiffId>,
    /// What is done with whiteouts.
    pub whiteouts: Whiteouts<'a>,
    /// What is done with owners.
    pub owners: Owners,
    /// Whose rules are followed.
    pub rules: Rules,
    /// What a layer may hold at most.
    pub limits: Limits,
    /// Counts what is done.
    pub work: &'a Work,
}

impl<'a> UnpackOptions<'a> {
    /// Returns options for a layer of an image, unpacked into the tree of the ones below it.
    pub fn image(work: &'a Work) -> Self {
        Self {
            encoding: None,
            expected: None,
            whiteouts: Whiteouts::Apply,
            owners: Owners::Ignore,
            rules: Rules::Image,
            limits: Limits::default(),
            work,
        }
    }

    /// Returns a hasher of the algorithm of the diffID that is expected.
    pub(crate) fn hasher(&self) -> Hasher {
        self.expected.map_or_else(Hasher::sha256, |expected| expected.0.hasher())
    }

    /// Returns options for a layer that the lifecycle restores.
    pub fn lifecycle(work: &'a Work) -> Self {
        Self { whiteouts: Whiteouts::Ignore, rules: Rules::Lifecycle, ..Self::image(work) }
    }
}
