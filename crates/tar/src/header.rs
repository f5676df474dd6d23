//! Headers as Go's `archive/tar` writes them, byte for byte.
//!
//! A header is USTAR where every field fits. Where one does not, a header of PAX records (`x`) with the
//! fields that do not fit goes before it. The reference lifecycle writes its layers this way, and a
//! diffID is a hash over these bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::block::{BLOCK, Block, META_LIMIT, ZEROS, field};
use crate::name::{ascii, fits, put_text, records_name, split};
use crate::number::{fits_octal, put_octal};
use crate::records::push_record;
use crate::{MemberKind, Owner};

/// Why an entry has no header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// A name or a link target holds a NUL byte.
    #[error("a name in a tar cannot hold a NUL byte")]
    Nul,
    /// A name or a link target is empty.
    #[error("a name in a tar cannot be empty")]
    Empty,
    /// The names are larger than readers accept.
    #[error("names of {0} bytes are too long for a tar")]
    TooLong(usize),
    /// A device number or a mode does not fit into its field, and PAX has no record for it.
    #[error("{0} does not fit into a tar header")]
    TooLarge(u64),
}

/// What the header of an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name: any bytes but NUL.
    pub path: &'a Path,
    /// What the entry is.
    pub kind: MemberKind<&'a Path>,
    /// The permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub owner: Owner,
    /// The number of bytes that follow the header, 0 for all but files.
    pub size: u64,
    /// The modification time in seconds since 1970.
    pub modified: i64,
}

impl Header<'_> {
    /// Appends the blocks of the header to `output`: one, or three and more with PAX records.
    ///
    /// The data must follow, and zeros up to a multiple of [`BLOCK`].
    pub fn write(&self, output: &mut Vec<u8>) -> Result<(), HeaderError> {
        let fields = Fields::of(self)?;
        match fields.form()? {
            Form::Plain { prefix, name } => output.extend_from_slice(&fields.block(name, prefix)),
            Form::WithRecords(records) => {
                write_records(&records, fields.name, output);
                output.extend_from_slice(&fields.block(&ascii(fields.name), b""));
            }
        }
        Ok(())
    }

    /// Returns how many headers and how many bytes [`Header::write`] appends.
    ///
    /// A header of PAX records counts, as it does to a [`Reader`](crate::Reader).
    pub fn measure(&self) -> Result<(u64, u64), HeaderError> {
        match Fields::of(self)?.form()? {
            Form::Plain { .. } => Ok((1, BLOCK as u64)),
            Form::WithRecords(records) => Ok((2, (2 * BLOCK + records.len().next_multiple_of(BLOCK)) as u64)),
        }
    }
}

/// What goes into a header, before it is known whether it fits.
struct Fields<'a> {
    name: &'a [u8],
    link: &'a [u8],
    kind: u8,
    mode: u32,
    owner: Owner,
    size: u64,
    modified: i64,
    device: (u32, u32),
}

/// How a header is written.
enum Form<'a> {
    /// As one block.
    Plain { prefix: &'a [u8], name: &'a [u8] },
    /// After these records.
    WithRecords(Vec<u8>),
}

type Record = (&'static str, Vec<u8>);

impl<'a> Fields<'a> {
    fn of(header: &Header<'a>) -> Result<Self, HeaderError> {
        let none: &Path = Path::new("");
        let (kind, link, device) = match header.kind {
            MemberKind::File => (b'0', none, (0, 0)),
            MemberKind::HardLink(target) => (b'1', target, (0, 0)),
            MemberKind::Symlink(target) => (b'2', target, (0, 0)),
            MemberKind::CharDevice { major, minor } => (b'3', none, (major, minor)),
            MemberKind::BlockDevice { major, minor } => (b'4', none, (major, minor)),
            MemberKind::Directory => (b'5', none, (0, 0)),
            MemberKind::Fifo => (b'6', none, (0, 0)),
        };
        let name = header.path.as_os_str().as_bytes();
        let link = link.as_os_str().as_bytes();
        if name.contains(&0) || link.contains(&0) {
            return Err(HeaderError::Nul);
        }
        if name.is_empty() {
            return Err(HeaderError::Empty);
        }
        for (number, field) in [(header.mode, field::MODE), (device.0, field::MAJOR), (device.1, field::MINOR)] {
            if !fits_octal(u64::from(number), field.len()) {
                return Err(HeaderError::TooLarge(u64::from(number)));
            }
        }
        let Header { mode, owner, size, modified, .. } = *header;
        Ok(Self { name, link, kind, mode, owner, size, modified, device })
    }

    fn form(&self) -> Result<Form<'a>, HeaderError> {
        let records = self.records();
        let split = split(self.name);
        if records.iter().all(|(key, _)| *key == "path" && split.is_some()) {
            let (prefix, name) = split.unwrap_or((b"", self.name));
            return Ok(Form::Plain { prefix, name });
        }
        let mut data = Vec::new();
        for (key, value) in records {
            push_record(key, &value, &mut data);
        }
        if data.len() as u64 > META_LIMIT {
            return Err(HeaderError::TooLong(data.len()));
        }
        Ok(Form::WithRecords(data))
    }

    /// Returns the records for what does not fit, sorted by key.
    ///
    /// A long name is among them even when it could be split: if another field needs PAX, it goes there too.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut unless = |fits: bool, key, value: &dyn Fn() -> Vec<u8>| {
            if !fits {
                records.push((key, value()));
            }
        };
        let decimal = |number: u64| number.to_string().into_bytes();
        let Owner { uid, gid } = self.owner;
        let time_fits = u64::try_from(self.modified).is_ok_and(|seconds| fits_octal(seconds, field::MODIFIED.len()));
        unless(fits_octal(gid, field::GID.len()), "gid", &|| decimal(gid));
        unless(fits(self.link), "linkpath", &|| self.link.to_vec());
        unless(time_fits, "mtime", &|| self.modified.to_string().into_bytes());
        unless(fits(self.name), "path", &|| self.name.to_vec());
        unless(fits_octal(self.size, field::SIZE.len()), "size", &|| decimal(self.size));
        unless(fits_octal(uid, field::UID.len()), "uid", &|| decimal(uid));
        records
    }

    fn block(&self, name: &[u8], prefix: &[u8]) -> Block {
        let mut block = ZEROS;
        put_text(&mut block[field::NAME], name);
        put_octal(&mut block[field::MODE], u64::from(self.mode));
        put_octal(&mut block[field::UID], self.owner.uid);
        put_octal(&mut block[field::GID], self.owner.gid);
        put_octal(&mut block[field::SIZE], self.size);
        put_octal(&mut block[field::MODIFIED], u64::try_from(self.modified).unwrap_or(0));
        block[field::KIND] = self.kind;
        put_text(&mut block[field::LINK], &ascii(self.link));
        put_octal(&mut block[field::MAJOR], u64::from(self.device.0));
        put_octal(&mut block[field::MINOR], u64::from(self.device.1));
        put_text(&mut block[field::PREFIX], prefix);
        seal(&mut block);
        block
    }
}

/// Appends an `x` header with its records, padded.
fn write_records(records: &[u8], name: &[u8], output: &mut Vec<u8>) {
    let mut block = ZEROS;
    put_text(&mut block[field::NAME], &records_name(name));
    for field in [field::MODE, field::UID, field::GID, field::MODIFIED] {
        put_octal(&mut block[field], 0);
    }
    put_octal(&mut block[field::SIZE], records.len() as u64);
    block[field::KIND] = b'x';
    seal(&mut block);
    output.extend_from_slice(&block);
    output.extend_from_slice(records);
    output.resize(output.len().next_multiple_of(BLOCK), 0);
}

/// Writes magic, version and checksum (six digits, NUL, space).
fn seal(block: &mut Block) {
    block[field::MAGIC].copy_from_slice(b"ustar\x0000");
    block[field::CHECKSUM].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[field::CHECKSUM.start..field::CHECKSUM.end - 1], sum);
}
