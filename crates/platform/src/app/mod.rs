//! The app's source and its copy in the workspace.
//!
//! The source is only ever read. The copy is kept between builds, and a [`StatIndex`] of each side
//! tells what has to be copied again.

mod copy;
mod directory;
mod error;
mod filter;
mod images;
mod index_format;
mod indexed_entry;
mod remarkable;
mod source;
mod stat_index;
mod workspace;
mod zip;

pub use copy::AppCopy;
pub use error::{CopyError, ZipSourceError};
pub use filter::{Filter, FilterError};
pub use indexed_entry::IndexedEntry;
pub use remarkable::Remarkable;
pub use source::{Source, SourceError};
pub use stat_index::{Difference, IndexError, StatIndex};
pub use workspace::Copied;
