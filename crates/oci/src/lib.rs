//! OCI image-spec values and the edits on them. No I/O: bytes come in, values and bytes go out.
//!
//! A digest names bytes, so every parsed document keeps the exact bytes it came from
//! ([`Document`]); fields that this crate does not know survive an edit.

pub mod annotation;
mod chain;
mod config;
mod descriptor;
mod digest;
mod document;
mod entry;
pub mod go_json;
mod image;
mod index;
mod manifest;
mod media_type;
mod object;
mod platform;
mod reference;
mod undecodable;

pub use chain::chain_ids;
pub use config::{ContainerConfig, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{DiffId, Digest, DigestError, Hasher};
pub use document::{Document, DocumentError, Limit, MANIFEST_LIMIT};
pub use entry::{Entry, Foreign, Reading};
pub use image::{Image, ImageError, LayerRef, Oversized};
pub use index::Index;
pub use manifest::Manifest;
pub use media_type::MediaType;
pub use object::{Fields, Raw, Unknown};
pub use platform::{Platform, PlatformError};
pub use reference::{Name, Reference, ReferenceError, Selector};
