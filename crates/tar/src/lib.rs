//! The tar format: headers, PAX records, long names, sparse files. Bytes only, no files.
//!
//! [`Header`] writes what Go's `archive/tar` writes, byte for byte. [`Reader`] reads USTAR, PAX and
//! GNU. Layers and archives of layouts are both written and read with these two.

mod block;
mod header;
mod member;
mod name;
mod number;
mod reader;
mod records;
mod sparse;
mod value;

pub use block::BLOCK;
pub use header::{Header, HeaderError};
pub use member::{Member, MemberKind, Owner};
pub use reader::{ReadError, ReadLimits, Reader, read_buffered};
