//! A repository of a registry: its manifests, blobs, tags and referrers (distribution-spec 1.1).

mod download;
mod list;
mod manifest;
mod referrers;
mod upload;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use dhow_oci::{Name, Selector};
use reqwest::Method;
use reqwest::blocking::Response;
use url::Url;

pub use manifest::Fetched;
pub use referrers::NotedBy;
pub use upload::Uploaded;

use crate::connection::{Connection, Content, Request};
use crate::error::{Reason, RegistryError};
use crate::token::{Access, Scope};

/// A repository of a registry.
#[derive(Clone)]
pub struct Repository {
    connection: Arc<Connection>,
    name: Name,
}

impl Repository {
    pub(crate) fn new(connection: Arc<Connection>, name: Name) -> Self {
        Self { connection, name }
    }

    /// Returns the repository's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the URL of something in the repository.
    fn url(&self, path: &str) -> Result<Url, Reason> {
        self.connection.url(&format!("/v2/{}/{path}", self.name.repository))
    }

    fn scope(&self, access: Access) -> Scope {
        Scope::of(&self.name.repository, access)
    }

    /// Returns a request without headers and body.
    fn request(&self, method: Method, url: Url, access: Access) -> Request<'static> {
        Request { method, url, headers: Vec::new(), body: Content::Nothing, scope: self.scope(access) }
    }

    /// Names something in the repository, for messages.
    fn named(&self, selector: &Selector) -> String {
        match selector {
            Selector::Tag(tag) => format!("{}:{tag}", self.name),
            Selector::Digest(digest) => format!("{}@{digest}", self.name),
        }
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Repository({})", self.name)
    }
}

/// Returns the body of an answer, which has at most `limit` bytes.
fn body(response: Response, limit: u64, origin: &str) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    response
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Reason::Connection { origin: origin.to_owned(), source: error.to_string().into() })?;
    match bytes.len() as u64 > limit {
        true => Err(Reason::TooLarge { limit }),
        false => Ok(bytes),
    }
}

/// Runs `work`, tries again what broke off, and tells what was to be done.
fn retried<T>(
    connection: &Connection,
    action: &'static str,
    subject: &str,
    mut work: impl FnMut() -> Result<T, Reason>,
) -> Result<T, RegistryError> {
    let mut attempt = 1;
    loop {
        match work() {
            Err(reason) if matches!(reason, Reason::Connection { .. }) && connection.wait(&reason, attempt) => {
                attempt += 1;
            }
            other => return other.map_err(|reason| reason.of(action, subject)),
        }
    }
}
