//! What a layer may hold at most, told before it is packed and while it is read.

use dhow_tar::ReadLimits;

/// What a layer may hold at most. The same holds for what is packed, imported and unpacked, so that what
/// was written can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of headers.
    pub entries: u64,
    /// The number of bytes of the whole tar, uncompressed, with the holes of sparse files: they take no
    /// place, but time to be read again.
    pub bytes: u64,
    /// The number of directories that lie in each other.
    pub depth: usize,
    /// The memory, in bytes, for names of entries that must be known to the end; only unpacking keeps any.
    pub names: usize,
}

impl Limits {
    /// Five million entries, 64 GiB, 500 directories deep, 192 MiB of names.
    pub const DEFAULT: Self = Self { entries: 5_000_000, bytes: 64 << 30, depth: 500, names: 192 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Limits> for ReadLimits {
    fn from(limits: Limits) -> Self {
        Self { entries: limits.entries, bytes: limits.bytes }
    }
}
