//! Why a registry did not do what it was asked for.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::CredentialError;

/// Why a registry did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {subject}")]
pub struct RegistryError {
    /// What was to be done, as a verb.
    pub action: &'static str,
    /// With what: a registry, a repository, a tag or a digest, fully named.
    pub subject: String,
    /// Why it was not.
    #[source]
    pub reason: Box<Reason>,
}

/// What went wrong between dhow and a registry.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The name is no host with an optional port.
    #[error("`{0}` is not HOST[:PORT]")]
    NotAHost(String),
    /// The host's name has no address.
    #[error("the host `{host}` is not known: {reason}")]
    UnknownHost {
        /// The host.
        host: String,
        /// What the name server or the hosts file says.
        reason: String,
    },
    /// No connection came about, or it broke.
    #[error("the connection to {origin} failed")]
    Connection {
        /// Where to.
        origin: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server's certificate is not trusted, or it speaks no TLS.
    #[error("no trusted connection to {origin}: {reason}; trusted are {trusted}")]
    Tls {
        /// Where to.
        origin: String,
        /// What is wrong with it.
        reason: String,
        /// Whose certificates are trusted, in words.
        trusted: String,
    },
    /// The server said nothing for too long.
    #[error("{origin} was silent for {} s", .after.as_secs())]
    Silence {
        /// Who.
        origin: String,
        /// How long.
        after: Duration,
    },
    /// The registry does not know who asks.
    #[error("unauthorized: {registry} does not accept {tried}{}", told(.words))]
    Unauthorized {
        /// The registry.
        registry: String,
        /// What was tried, in words and without secrets.
        tried: String,
        /// The registry's own words.
        words: String,
    },
    /// The registry knows who asks, and does not allow it.
    #[error("denied: {tried} may not do that{}", told(.words))]
    Denied {
        /// What was tried, in words and without secrets.
        tried: String,
        /// The registry's own words.
        words: String,
    },
    /// There is no such thing.
    #[error("not found{}", told(.words))]
    NotFound {
        /// The registry's own words.
        words: String,
    },
    /// The registry wants fewer requests.
    #[error("{registry} allows no more requests for now{}{}", wait(*.retry_after), told(.words))]
    RateLimited {
        /// The registry.
        registry: String,
        /// How long it wants the client to wait, if it said so.
        retry_after: Option<Duration>,
        /// The registry's own words.
        words: String,
    },
    /// The registry cannot or does not want to do this.
    #[error("the registry answered {status}{}", told(.words))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The registry's own words.
        words: String,
    },
    /// An answer is larger than it may be.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The largest that is read.
        limit: u64,
    },
    /// A list has too many pages.
    #[error("the list has more than {0} pages")]
    TooManyPages(usize),
    /// An answer leads to another, and that again to another.
    #[error("more than {0} redirects, the last to {1}")]
    TooManyRedirects(usize, String),
    /// The registry leads to where a client must not be led.
    #[error("the registry leads to {target}, which is not followed: {reason}")]
    Refused {
        /// Where it leads.
        target: String,
        /// Why that is not followed.
        reason: &'static str,
    },
    /// An answer breaks the specification.
    #[error("the registry's answer is malformed: {0}")]
    Malformed(String),
    /// Other writers overwrite what was written, each time.
    #[error("other writers have overwritten it {0} times")]
    Overwritten(usize),
    /// What to tell the registry is not known.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What is sent cannot be read.
    #[error("cannot read what is sent")]
    Input(#[source] io::Error),
    /// The machine lacks what a connection needs.
    #[error("cannot begin to speak to registries")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl Reason {
    /// Tells whether trying again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Silence { .. } | Self::RateLimited { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Returns the error of an action that failed for this reason.
    pub(crate) fn of(self, action: &'static str, subject: impl ToString) -> RegistryError {
        RegistryError { action, subject: subject.to_string(), reason: Box::new(self) }
    }
}

impl RegistryError {
    /// Tells whether the registry just does not have it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(*self.reason, Reason::NotFound { .. })
    }

    /// Tells whether nobody answered: the registry cannot be reached from here.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(*self.reason, Reason::UnknownHost { .. } | Reason::Connection { .. } | Reason::Silence { .. })
    }
}

fn told(words: &str) -> String {
    match words {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!("; it asks to wait {} s", wait.as_secs())).unwrap_or_default()
}
