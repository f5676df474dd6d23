//! From a header, and what extends it, to an entry.

use std::ffi::OsString;
use std::io::BufRead;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data::Data;
use super::{ReadError, Reader};
use crate::block::{BLOCK, Block, Format, field, terminated};
use crate::number::{number, signed_number};
use crate::records::Records;
use crate::sparse::{Map, MapLines, OldMap, Piece, SparseRecords, check};
use crate::{Member, MemberKind, Owner};

/// What came before a header and belongs to it.
#[derive(Default)]
pub(super) struct Extension {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) records: Option<Records>,
}

impl Extension {
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.records.is_none()
    }
}

/// The type byte of GNU's oldest sparse files.
const OLD_SPARSE: u8 = b'S';

/// The header of an entry, in which some field may be malformed.
struct Fields<'a> {
    block: &'a Block,
    offset: u64,
}

impl Fields<'_> {
    fn malformed(&self, reason: &'static str) -> ReadError {
        ReadError::Malformed { offset: self.offset, reason }
    }

    fn number(&self, field: Range<usize>, reason: &'static str) -> Result<u64, ReadError> {
        number(&self.block[field]).ok_or_else(|| self.malformed(reason))
    }

    fn device(&self, field: Range<usize>) -> Result<u32, ReadError> {
        let number = self.number(field, "the device number is malformed")?;
        u32::try_from(number).map_err(|_| self.malformed("the device number is too large"))
    }

    fn kind(&self, path: &Path, link: PathBuf, ends_in_slash: bool) -> Result<MemberKind, ReadError> {
        Ok(match self.block[field::KIND] {
            // As Go does: GNU tar takes any file whose name ends in a slash for a directory.
            0 if ends_in_slash => MemberKind::Directory,
            0 | b'0' | b'7' | OLD_SPARSE => MemberKind::File,
            b'1' => MemberKind::HardLink(link),
            b'2' => MemberKind::Symlink(link),
            b'3' => MemberKind::CharDevice { major: self.device(field::MAJOR)?, minor: self.device(field::MINOR)? },
            b'4' => MemberKind::BlockDevice { major: self.device(field::MAJOR)?, minor: self.device(field::MINOR)? },
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            kind => return Err(ReadError::Kind { path: path.to_owned(), kind }),
        })
    }
}

impl<R: BufRead> Reader<R> {
    /// Returns the entry and goes to its data.
    pub(super) fn member(&mut self, block: &Block, extension: Extension, offset: u64) -> Result<Member, ReadError> {
        let fields = Fields { block, offset };
        let records = extension.records.unwrap_or_default();
        let given = |name: Option<Vec<u8>>| name.filter(|name| !name.is_empty());
        let name = given(extension.name).or(records.path).unwrap_or_else(|| header_name(block));
        let link = given(extension.link).or(records.linkpath);
        let link = link.unwrap_or_else(|| terminated(&block[field::LINK]).to_vec());
        let ends_in_slash = name.last() == Some(&b'/');
        let name = records.sparse.name.clone().unwrap_or(name);
        if name.is_empty() {
            return Err(fields.malformed("an entry without a name"));
        }
        let (path, link) = (PathBuf::from(OsString::from_vec(name)), PathBuf::from(OsString::from_vec(link)));
        let kind = fields.kind(&path, link, ends_in_slash)?;
        let owner = Owner {
            uid: records.uid.map_or_else(|| fields.number(field::UID, "the owner is malformed"), Ok)?,
            gid: records.gid.map_or_else(|| fields.number(field::GID, "the group is malformed"), Ok)?,
        };
        let mode = (fields.number(field::MODE, "the mode is malformed")? & 0o7777) as u32;
        let modified =
            signed_number(&block[field::MODIFIED]).ok_or_else(|| fields.malformed("the time is malformed"))?;
        let modified = records.modified.unwrap_or(modified);
        let stored = fields.number(field::SIZE, "the size is malformed")?;
        let stored = match kind {
            MemberKind::File => records.size.unwrap_or(stored),
            // Some writers leave a size in the header of a hard link or directory; no data follows it.
            _ => 0,
        };
        let (size, sparse) = match sparse(&fields, &path, &kind, &records.sparse)? {
            Some((size, format)) => {
                let ranges = self.open_sparse(&fields, &path, size, format, stored)?;
                (size, Some(ranges))
            }
            None => {
                self.expect(&path, stored, stored)?;
                self.data = Data::stored(stored);
                (stored, None)
            }
        };
        Ok(Member {
            path,
            kind,
            mode,
            owner,
            size,
            sparse,
            modified,
            attributes: records.attributes,
            capabilities: records.capabilities,
        })
    }

    /// Goes to the data of a sparse file and returns where in the file it belongs.
    fn open_sparse(
        &mut self,
        fields: &Fields<'_>,
        path: &Path,
        size: u64,
        format: SparseFormat,
        stored: u64,
    ) -> Result<Arc<[Range<u64>]>, ReadError> {
        self.data = Data::stored(stored);
        let pieces = match format {
            SparseFormat::Old => self.old_map(fields)?,
            SparseFormat::Pax(Map::Known(pieces)) => pieces,
            SparseFormat::Pax(Map::InData) => self.map_in_data(fields)?,
        };
        let left = self.data.left();
        let ranges = check(&pieces, size, left).map_err(|reason| fields.malformed(reason))?;
        self.holes = self.holes.saturating_add(size - left);
        self.expect(path, size, left)?;
        self.data.spread(Arc::clone(&ranges), size);
        Ok(ranges)
    }

    /// Reads the blocks behind the header that its map goes on in.
    fn old_map(&mut self, fields: &Fields<'_>) -> Result<Vec<Piece>, ReadError> {
        let mut map = OldMap::of(fields.block).map_err(|reason| fields.malformed(reason))?;
        while map.goes_on {
            let block = self.block()?.ok_or(ReadError::Truncated(self.offset))?;
            map.add(&block).map_err(|reason| fields.malformed(reason))?;
        }
        Ok(map.pieces)
    }

    /// Reads the map in front of the data, which takes whole blocks.
    fn map_in_data(&mut self, fields: &Fields<'_>) -> Result<Vec<Piece>, ReadError> {
        let mut lines = MapLines::default();
        let mut pieces = Vec::new();
        for _ in 0..self.map_number(&mut lines, fields)? {
            pieces.push((self.map_number(&mut lines, fields)?, self.map_number(&mut lines, fields)?));
        }
        Ok(pieces)
    }

    fn map_number(&mut self, lines: &mut MapLines, fields: &Fields<'_>) -> Result<u64, ReadError> {
        loop {
            if let Some(number) = lines.next().map_err(|reason| fields.malformed(reason))? {
                return Ok(number);
            }
            if self.data.left() < BLOCK as u64 {
                return Err(fields.malformed("a sparse map is cut off"));
            }
            let block = self.block()?.ok_or(ReadError::Truncated(self.offset))?;
            self.data.spend(BLOCK);
            lines.add(&block).map_err(|reason| fields.malformed(reason))?;
        }
    }

    /// Refuses a file before any of its data is read. Its holes count already; `stored` bytes are to come.
    fn expect(&self, path: &Path, size: u64, stored: u64) -> Result<(), ReadError> {
        let limit = self.limits.bytes;
        if self.offset.saturating_add(self.holes).saturating_add(stored) > limit {
            return Err(ReadError::TooLarge { path: path.to_owned(), size, limit });
        }
        Ok(())
    }
}

/// The format of a sparse file.
enum SparseFormat {
    Old,
    Pax(Map),
}

/// Returns the size of a sparse file and its format; none for a file that is stored whole.
fn sparse(
    fields: &Fields<'_>,
    path: &Path,
    kind: &MemberKind,
    records: &SparseRecords,
) -> Result<Option<(u64, SparseFormat)>, ReadError> {
    let is_old = fields.block[field::KIND] == OLD_SPARSE;
    match (is_old, records.is_empty()) {
        (false, true) => Ok(None),
        (true, false) => Err(fields.malformed("a sparse file with two maps")),
        (true, true) if Format::of(fields.block) != Format::Gnu => Err(ReadError::Sparse(path.to_owned())),
        (true, true) => {
            let size = fields.number(field::GNU_REAL_SIZE, "the size of a sparse file is malformed")?;
            Ok(Some((size, SparseFormat::Old)))
        }
        (false, false) if *kind != MemberKind::File => Err(fields.malformed("what is no file has a sparse map")),
        (false, false) => {
            let map = records.map().map_err(|reason| fields.malformed(reason))?;
            let map = map.ok_or_else(|| ReadError::Sparse(path.to_owned()))?;
            let size = records.size().map_err(|reason| fields.malformed(reason))?;
            Ok(Some((size, SparseFormat::Pax(map))))
        }
    }
}

/// Returns the name in the header, with its prefix where the format has one.
fn header_name(block: &Block) -> Vec<u8> {
    let name = terminated(&block[field::NAME]);
    let prefix: &[u8] = match Format::of(block) {
        Format::Star => terminated(&block[field::STAR_PREFIX]),
        Format::Ustar => terminated(&block[field::PREFIX]),
        Format::Gnu if has_prefix_instead_of_times(block) => terminated(&block[field::PREFIX]),
        Format::Gnu | Format::Old => b"",
    };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// Tells whether a GNU header has a prefix in the place of two times, as Go wrote it before 1.8 and still reads it.
fn has_prefix_instead_of_times(block: &Block) -> bool {
    let is_time = |field: Range<usize>| block[field.start] == 0 || signed_number(&block[field]).is_some();
    !(is_time(field::GNU_ACCESSED) && is_time(field::GNU_CHANGED)) && terminated(&block[field::PREFIX]).is_ascii()
}
