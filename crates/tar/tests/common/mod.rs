//! Reads a whole tar.

use std::io::Read;

use dhow_tar::{Member, ReadError, ReadLimits, Reader};

/// What the tars of these tests may hold.
pub(crate) const LIMITS: ReadLimits = ReadLimits { entries: 1000, bytes: 64 << 30 };

/// Entries with their data.
pub(crate) type Entries = Vec<(Member, Vec<u8>)>;

/// Returns all entries of a tar that is valid to its end.
pub(crate) fn read_all(bytes: &[u8]) -> Result<Entries, ReadError> {
    let mut reader = Reader::new(bytes, LIMITS);
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        let mut data = Vec::new();
        match reader.read_to_end(&mut data) {
            Ok(_) => members.push((member, data)),
            Err(_) => break, // next_member says why
        }
    }
    reader.finish()?;
    Ok(members)
}
