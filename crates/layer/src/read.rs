//! A strict tar reader: USTAR, PAX, and GNU's long names and large numbers.
//!
//! Where programs disagree on how to read a tar, it reads as Go's `archive/tar`, since that is what
//! other container tools use, or refuses. Nothing is allocated by a size that the tar claims.

mod number;
mod records;

use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::Owner;
use crate::header::BLOCK;
use number::{number, signed_number};
use records::Records;

/// Long names and PAX records are refused beyond this.
const META_LIMIT: u64 = 1024 * 1024;

/// What a tar may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of headers.
    pub entries: u64,
    /// The number of bytes of the whole tar, uncompressed.
    pub bytes: u64,
    /// The number of directories that lie in each other.
    pub depth: usize,
    /// The memory, in bytes, for names of entries that must be known to the end; only unpacking keeps any.
    pub names: usize,
}

impl Default for Limits {
    /// Five million entries, 64 GiB, 500 directories deep, 192 MiB of names.
    fn default() -> Self {
        Self { entries: 5_000_000, bytes: 64 << 30, depth: 500, names: 192 << 20 }
    }
}

/// An entry of a tar that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name as it is in the tar.
    pub path: PathBuf,
    /// What it is.
    pub kind: MemberKind,
    /// The permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub owner: Owner,
    /// The number of bytes that follow; 0 for all but files.
    pub size: u64,
    /// The modification time in seconds since 1970.
    pub modified: i64,
    /// The number of extended attributes; their values are not kept.
    pub attributes: usize,
}

/// What a [`Member`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as EntryKind")]
pub enum MemberKind {
    Directory,
    File,
    Symlink(PathBuf),
    HardLink(PathBuf),
    Fifo,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

/// Why a tar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes cannot be read or decompressed.
    #[error("cannot read the tar at byte {offset}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The tar ends within an entry.
    #[error("the tar ends within an entry, at byte {0}")]
    Truncated(u64),
    /// The bytes at this place are no header.
    #[error("no tar header at byte {offset}: {reason}")]
    Malformed {
        /// Where the header starts.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A sparse file; its format has several meanings, so none is taken.
    #[error("the tar holds a sparse file, {}, which is not supported", .0.display())]
    Sparse(PathBuf),
    /// An entry of a kind that layers do not have.
    #[error("the tar holds {}, an entry of unknown type `{}`", .path.display(), char::from(*.kind).escape_default())]
    Kind {
        /// The entry.
        path: PathBuf,
        /// Its type byte.
        kind: u8,
    },
    /// Something other than zeros follows the end of the tar.
    #[error("the tar goes on after its end, at byte {0}")]
    Trailing(u64),
    /// There is more in it than allowed.
    #[error("the tar has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Reads a tar entry by entry. As a reader it gives the data of the entry that was returned last.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    limits: Limits,
    offset: u64,
    entries: u64,
    /// Bytes of the current entry that were not read yet, and the padding behind them.
    left: u64,
    padding: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Returns a reader at the start of a plain tar.
    pub fn new(input: R, limits: Limits) -> Self {
        Self { input, limits, offset: 0, entries: 0, left: 0, padding: 0, ended: false }
    }

    /// Returns the next entry; none at the end of the tar. Data that was not read is passed over.
    pub fn next_member(&mut self) -> Result<Option<Member>, ReadError> {
        let mut records = Records::default();
        let (mut long_name, mut long_link) = (None, None);
        let mut pending = false;
        loop {
            self.skip()?;
            let offset = self.offset;
            let Some(block) = self.header()? else {
                return if pending { Err(ReadError::Truncated(offset)) } else { Ok(None) };
            };
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(ReadError::Limit { what: "entries", limit: self.limits.entries });
            }
            pending = true;
            let malformed = |reason| ReadError::Malformed { offset, reason };
            match block[156] {
                b'L' => long_name = Some(terminated(&self.meta(&block, offset)?).to_vec()),
                b'K' => long_link = Some(terminated(&self.meta(&block, offset)?).to_vec()),
                b'x' => records = Records::parse(&self.meta(&block, offset)?).map_err(malformed)?,
                b'g' => {
                    let global = Records::parse(&self.meta(&block, offset)?).map_err(malformed)?;
                    if global.changes_structure() {
                        return Err(malformed("global records change names or sizes"));
                    }
                    // Go hands global records to the caller as an entry of their own: one may be the last.
                    pending = false;
                }
                _ => {
                    let member = self.member(&block, records, long_name, long_link, offset)?;
                    self.expect_data(member.size);
                    return Ok(Some(member));
                }
            }
        }
    }

    /// Reads to the end of the input, which must hold nothing but zeros, and returns the size of the whole tar.
    pub fn finish(mut self) -> Result<u64, ReadError> {
        while !self.ended {
            self.next_member()?;
        }
        loop {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return Ok(self.offset);
            }
            if let Some(position) = bytes.iter().position(|byte| *byte != 0) {
                return Err(ReadError::Trailing(offset + position as u64));
            }
            let count = bytes.len();
            self.advance(count)?;
        }
    }

    fn member(
        &self,
        block: &[u8; BLOCK],
        records: Records,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        offset: u64,
    ) -> Result<Member, ReadError> {
        let malformed = |reason| ReadError::Malformed { offset, reason };
        let field = |range: std::ops::Range<usize>, reason| number(&block[range]).ok_or_else(|| malformed(reason));
        let long = |name: Option<Vec<u8>>| name.filter(|name| !name.is_empty());
        let name = long(long_name).or(records.path).unwrap_or_else(|| header_name(block));
        let link = long(long_link).or(records.linkpath).unwrap_or_else(|| terminated(&block[157..257]).to_vec());
        if name.is_empty() {
            return Err(malformed("an entry without a name"));
        }
        let ends_in_slash = name.last() == Some(&b'/');
        let (path, link) = (PathBuf::from(OsString::from_vec(name)), PathBuf::from(OsString::from_vec(link)));
        if records.sparse || block[156] == b'S' {
            return Err(ReadError::Sparse(path));
        }
        let device = |what| -> Result<u32, ReadError> {
            let number = field(what, "the device number is malformed")?;
            u32::try_from(number).map_err(|_| malformed("the device number is too large"))
        };
        let mut size = field(124..136, "the size is malformed")?;
        size = records.size.unwrap_or(size);
        let kind = match block[156] {
            0 if ends_in_slash => MemberKind::Directory,
            0 | b'0' | b'7' => MemberKind::File,
            b'1' => MemberKind::HardLink(link),
            b'2' => MemberKind::Symlink(link),
            b'3' => MemberKind::CharDevice { major: device(329..337)?, minor: device(337..345)? },
            b'4' => MemberKind::BlockDevice { major: device(329..337)?, minor: device(337..345)? },
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            kind => return Err(ReadError::Kind { path, kind }),
        };
        if kind != MemberKind::File {
            // Some writers leave a size in the header of a hard link or directory; no data follows it.
            size = 0;
        }
        if i64::try_from(size).is_err() {
            return Err(malformed("the size is too large"));
        }
        let owner = Owner {
            uid: records.uid.map_or_else(|| field(108..116, "the owner is malformed"), Ok)?,
            gid: records.gid.map_or_else(|| field(116..124, "the group is malformed"), Ok)?,
        };
        let mode = field(100..108, "the mode is malformed")?;
        let modified = signed_number(&block[136..148]).ok_or_else(|| malformed("the time is malformed"))?;
        Ok(Member {
            path,
            kind,
            mode: (mode & 0o7777) as u32,
            owner,
            size,
            modified: records.modified.unwrap_or(modified),
            attributes: records.attributes,
        })
    }

    /// Reads a header block whose checksum holds; none at the end of the tar.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, ReadError> {
        let offset = self.offset;
        if self.ended {
            return Ok(None);
        }
        let Some(block) = self.block()? else {
            self.ended = true;
            return Ok(None);
        };
        if block == [0; BLOCK] {
            self.ended = true;
            return match self.block()? {
                Some(second) if second != [0; BLOCK] => {
                    Err(ReadError::Malformed { offset, reason: "a lone block of zeros" })
                }
                _ => Ok(None),
            };
        }
        if !number::checksum_holds(&block) {
            return Err(ReadError::Malformed { offset, reason: "the checksum does not hold" });
        }
        Ok(Some(block))
    }

    /// Reads a block; none at the end of the input.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ReadError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(ReadError::Truncated(offset)) };
            }
            let count = bytes.len().min(BLOCK - filled);
            block[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
            self.advance(count)?;
        }
        Ok(Some(block))
    }

    /// Reads the data of a header that describes the next one.
    fn meta(&mut self, block: &[u8; BLOCK], offset: u64) -> Result<Vec<u8>, ReadError> {
        let malformed = |reason| ReadError::Malformed { offset, reason };
        let size = number(&block[124..136]).ok_or_else(|| malformed("the size is malformed"))?;
        if size > META_LIMIT {
            return Err(malformed("a name or record is too long"));
        }
        self.expect_data(size);
        let mut data = Vec::new();
        match self.read_to_end(&mut data) {
            Ok(_) => Ok(data),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Truncated(self.offset)),
            Err(source) => Err(ReadError::Input { offset: self.offset, source }),
        }
    }

    fn expect_data(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// Passes over the rest of the current entry.
    fn skip(&mut self) -> Result<(), ReadError> {
        self.left += self.padding;
        self.padding = 0;
        while self.left > 0 {
            let offset = self.offset;
            let bytes = self.input.fill_buf().map_err(|source| ReadError::Input { offset, source })?;
            if bytes.is_empty() {
                return Err(ReadError::Truncated(offset));
            }
            let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= count as u64;
            self.advance(count)?;
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) -> Result<(), ReadError> {
        self.input.consume(count);
        self.offset += count as u64;
        if self.offset > self.limits.bytes {
            return Err(ReadError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        if self.offset > self.limits.bytes {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the tar is too large"));
        }
        let bytes = self.input.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        Ok(&bytes[..count])
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.offset += count as u64;
        self.left -= count as u64;
    }
}

/// Returns the name in the header, with its prefix where the format has one.
fn header_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = terminated(&block[..100]);
    let prefix: &[u8] = match (&block[257..263], &block[508..512]) {
        (b"ustar\0", b"tar\0") => terminated(&block[345..476]),
        (b"ustar\0", _) => terminated(&block[345..500]),
        _ => b"",
    };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn terminated(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
