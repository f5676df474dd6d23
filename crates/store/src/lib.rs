//! Where blobs live: OCI layouts, archives, the verified reader, graph copy.
//!
//! Content is reached through narrow traits ([`BlobSource`], [`BlobSink`], [`ImageSource`], [`Tags`], [`TagSink`],
//! [`Referrers`]), which a registry can implement as well as a layout; each place has an [`Address`]; whatever is
//! read is checked against its descriptor on the way ([`verify`]), and nothing is named by a layout's
//! `index.json` before it is stored whole.

mod address;
pub mod archive;
mod blob;
mod blob_error;
mod document;
mod gathered;
mod graph;
mod layout;
mod normalise;
mod referrers;
mod resolve;
mod staging;
mod tags;
mod verified;
pub mod verify;

pub use address::Address;
pub use archive::{Archive, ArchiveError};
pub use blob::{Adopted, BlobSink, BlobSource, Held, Presence, Staging, read_document};
pub use blob_error::BlobError;
pub use gathered::Gathered;
pub use graph::{Completeness, Copied, CopyError, copy_graph, move_blobs};
pub use layout::{Finding, GcReport, Layout, LayoutError, SPARSE};
pub use normalise::normalise;
pub use referrers::{Referrers, fallback_tag, referrer};
pub use resolve::{ImageSource, LoadedImage, Named, Query, ResolveError, Resolved, Wanted};
pub use staging::{BlobWriter, Stored};
pub use tags::{Expected, TagError, TagSink, Tags};
pub use verified::Verified;
