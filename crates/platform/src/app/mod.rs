//! The app's source and its copy in the workspace.
//!
//! The source is only ever read. The copy is kept between builds, and a [`StatIndex`] of each side
//! tells what has to be copied again.

mod copy;
mod filter;
mod index_format;
mod source;
mod stat_index;
mod zip;

pub use copy::{AppCopy, Copied, CopyError};
pub use filter::{Filter, FilterError};
pub use source::{Source, SourceError};
pub use stat_index::{Difference, IndexError, IndexedEntry, StatIndex};
