//! The distribution-spec client: a registry as another place where blobs live.
//!
//! Nothing that a registry says is believed: sizes are counted, digests are computed, and where it leads to is checked.
//! Credentials go to the registry that the user named, and to token services of its own domain, and nowhere else.

mod answer;
mod authorization;
mod challenge;
mod connection;
mod credential;
mod error;
pub mod keychain;
mod limits;
mod network;
mod origin;
mod page;
mod place;
mod registry;
mod repository;
mod resolve;
mod scrub;
mod token;
mod transport;

pub use credential::{Credential, CredentialError, Credentials, Secret};
pub use error::{Reason, RegistryError};
pub use keychain::Keychain;
pub use network::{CertificateError, HostSettings, Identity, Network, Patience, Proxies, Trusted};
pub use place::RegistryPlace;
pub use registry::Registries;
pub use repository::{Fetched, NotedBy, Repository, Uploaded};
