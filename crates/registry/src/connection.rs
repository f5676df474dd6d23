//! Requests to one registry: who asks, what is tried again, where redirects may lead.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dhow_store::BlobError;
use reqwest::blocking::{Body, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::authorization::Authorization;
use crate::credential::Credentials;
use crate::error::Reason;
use crate::network::{HostSettings, Network};
use crate::origin::{Origin, Scheme, is_internal};
use crate::token::Scope;
use crate::transport::{Party, Transport, speaks_no_tls};
use crate::{answer, challenge, limits, scrub};

/// Docker Hub's name in references, and where its registry is.
const HUB: (&str, &str) = ("index.docker.io", "registry-1.docker.io");

/// A registry, as it is spoken to.
pub(crate) struct Connection {
    registry: String,
    transport: Transport,
    authorization: Authorization,
    first_wait: Duration,
    origin: OnceLock<Origin>,
}

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Of the registry's origin, but for what it has named itself: see [`Connection::send`].
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Content<'a>,
    pub(crate) scope: Scope,
}

/// What a request carries.
pub(crate) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// A stream of a known length, opened anew for each try.
    Stream(u64, &'a dyn Fn() -> Result<Box<dyn Read + Send>, BlobError>),
}

impl Connection {
    pub(crate) fn new(registry: &str, network: &Network, credentials: Arc<dyn Credentials>) -> Result<Self, Reason> {
        let host = if registry == HUB.0 { HUB.1 } else { registry };
        let origin = Origin::of_registry(host, Scheme::Https).ok_or_else(|| Reason::NotAHost(registry.to_owned()))?;
        let none = HostSettings::default();
        let settings = network.hosts.get(registry).unwrap_or(&none);
        let is_internal = origin.is_loopback();
        let may_be_plain = is_internal || network.insecure.contains(registry);
        let known = OnceLock::new();
        if !may_be_plain {
            let _new = known.set(origin);
        }
        Ok(Self {
            registry: registry.to_owned(),
            transport: Transport::new(network, settings, is_internal)?,
            authorization: Authorization::new(registry, credentials, token_hosts(settings)),
            first_wait: network.patience.first_wait,
            origin: known,
        })
    }

    /// Returns the registry's origin. Where it may be spoken to in the clear, TLS is tried first.
    pub(crate) fn origin(&self) -> Result<&Origin, Reason> {
        if let Some(known) = self.origin.get() {
            return Ok(known);
        }
        let of =
            |scheme| Origin::of_registry(&self.registry, scheme).ok_or_else(|| Reason::NotAHost(self.registry.clone()));
        let found = match self.ping(&of(Scheme::Https)?) {
            Ok(()) => of(Scheme::Https)?,
            Err(reason) if matches!(reason, Reason::Tls { .. }) && !speaks_no_tls(&reason) => return Err(reason),
            Err(reason) if matches!(reason, Reason::UnknownHost { .. }) => return Err(reason),
            // Nobody may listen at the port of https, though somebody does at that of http.
            Err(_) => {
                let plain = of(Scheme::Http)?;
                self.ping(&plain)?;
                plain
            }
        };
        Ok(self.origin.get_or_init(|| found))
    }

    fn ping(&self, origin: &Origin) -> Result<(), Reason> {
        let url = origin.url("/v2/").ok_or_else(|| Reason::NotAHost(self.registry.clone()))?;
        self.transport.send(self.transport.request(Party::Registry, Method::GET, &url), &url).map(drop)
    }

    /// Returns the URL of a path of the registry, which begins with `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Reason> {
        let malformed = || Reason::Malformed(format!("`{path}` is no path"));
        self.origin()?.url(path).ok_or_else(malformed)
    }

    /// Sends a request until it is answered with success, and returns that answer.
    ///
    /// What is transient is tried again, with a growing wait. A stream is sent once: who sends it knows how to go on.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Reason> {
        let is_stream = matches!(request.body, Content::Stream(..));
        let mut attempt = 1;
        loop {
            match self.send_once(request) {
                Err(reason) if reason.is_transient() && attempt < limits::ATTEMPTS && !is_stream => {
                    let Some(wait) = wait_before_next(&reason, self.first_wait, attempt) else { return Err(reason) };
                    std::thread::sleep(wait);
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Waits before the next try of something whose tries the caller counts. Returns whether there is one.
    pub(crate) fn wait(&self, reason: &Reason, attempt: u32) -> bool {
        let wait = wait_before_next(reason, self.first_wait, attempt);
        let wait = wait.filter(|_| attempt < limits::ATTEMPTS && reason.is_transient());
        wait.inspect(|wait| std::thread::sleep(*wait)).is_some()
    }

    fn send_once(&self, request: &Request<'_>) -> Result<Response, Reason> {
        let own = self.origin()?;
        let mut url = request.url.clone();
        let (mut redirects, mut is_first_challenge) = (0, true);
        loop {
            let is_own = Origin::of(&url).as_ref() == Some(own);
            let response = self.exchange(request, &url, is_own)?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && is_own {
                let challenges = challenge::parse(texts(response.headers(), &WWW_AUTHENTICATE));
                if self.authorization.learn(challenges, own, &request.scope, is_first_challenge)? {
                    is_first_challenge = false;
                    continue;
                }
            }
            let is_reading = matches!(request.method, Method::GET | Method::HEAD);
            if let Some(target) = location(&response).filter(|_| status.is_redirection() && is_reading) {
                redirects += 1;
                if redirects > limits::REDIRECTS {
                    return Err(Reason::TooManyRedirects(limits::REDIRECTS, scrub::url(&url)));
                }
                url = self.follow(&url, &target)?;
                continue;
            }
            if !status.is_success() {
                return Err(answer::reason(response, &self.registry, || self.authorization.described()));
            }
            return Ok(response);
        }
    }

    fn exchange(&self, request: &Request<'_>, url: &Url, is_own: bool) -> Result<Response, Reason> {
        let party = if is_own { Party::Registry } else { Party::Foreign };
        let mut builder = self.transport.request(party, request.method.clone(), url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if is_own && let Some(value) = self.authorization.header(&self.transport, &request.scope)? {
            builder = builder.header(AUTHORIZATION, value);
        }
        builder = match &request.body {
            Content::Nothing if matches!(request.method, Method::POST | Method::PUT) => {
                builder.header(CONTENT_LENGTH, 0).body("")
            }
            Content::Nothing => builder,
            Content::Bytes(bytes) => builder.timeout(limits::ACCEPTANCE).body(bytes.to_vec()),
            Content::Stream(length, open) => {
                let reader = open().map_err(|error| Reason::Input(io::Error::other(error)))?;
                let failure = Failure::default();
                let reader = Noting { reader, failure: failure.clone() };
                // A slow line is no fault; a silent one ends by itself (TCP_USER_TIMEOUT).
                let patience = limits::ACCEPTANCE + Duration::from_secs(length / (16 * 1024));
                let sent = self.transport.send(builder.timeout(patience).body(Body::sized(reader, *length)), url);
                return match failure.take() {
                    Some(error) => Err(Reason::Input(error)),
                    None => sent,
                };
            }
        };
        self.transport.send(builder, url)
    }

    /// Returns where an answer leads to, if it may be followed without credentials.
    fn follow(&self, from: &Url, target: &str) -> Result<Url, Reason> {
        follow(self.origin()?, from, target)
    }

    /// Returns a URL that the registry named for a request that carries something, as `Location` of an upload. It may be
    /// of another origin; credentials then stay here.
    pub(crate) fn named(&self, from: &Url, target: &str) -> Result<Url, Reason> {
        self.follow(from, target)
    }

    /// Returns the registry's name, `HOST[:PORT]`.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }
}

/// Why what is sent could not be read. The HTTP library tells only that something broke.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn note(&self, error: &io::Error) {
        let shown = io::Error::new(error.kind(), error.to_string());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Notes why it could not go on.
struct Noting {
    reader: Box<dyn Read + Send>,
    failure: Failure,
}

impl Read for Noting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect_err(|error| self.failure.note(error))
    }
}

fn token_hosts(settings: &HostSettings) -> BTreeSet<String> {
    settings.token_hosts.clone()
}

/// Returns how long to wait before the next try; `None` if the registry wants a longer wait than anybody would.
fn wait_before_next(reason: &Reason, first: Duration, attempt: u32) -> Option<Duration> {
    let growing = first.saturating_mul(1 << attempt.saturating_sub(1).min(10));
    match reason {
        Reason::RateLimited { retry_after: Some(asked), .. } if *asked > limits::LONGEST_WAIT => None,
        Reason::RateLimited { retry_after: Some(asked), .. } => Some((*asked).max(growing)),
        _ => Some(growing),
    }
}

fn follow(own: &Origin, from: &Url, target: &str) -> Result<Url, Reason> {
    let refused = |reason| Reason::Refused { target: scrub::words(target), reason };
    let url = from.join(target).map_err(|_| refused("it is no URL"))?;
    let refused = |reason| Reason::Refused { target: scrub::url(&url), reason };
    let origin = Origin::of(&url).ok_or_else(|| refused("only http and https are"))?;
    if origin.scheme() == Scheme::Http && own.scheme() == Scheme::Https {
        return Err(refused("it is not encrypted, and the registry is"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has a user of its own"));
    }
    if origin != *own && origin.address().is_some_and(is_internal) && !own.is_loopback() {
        return Err(refused("its address is one of this machine or of its own network segment"));
    }
    Ok(url)
}

/// Returns where an answer leads to.
pub(crate) fn location(response: &Response) -> Option<String> {
    Some(response.headers().get(LOCATION)?.to_str().ok()?.to_owned())
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_only_where_a_client_may_go() {
        let own = Origin::of_registry("registry.example.org", Scheme::Https).unwrap();
        let from = own.url("/v2/a/blobs/x").unwrap();
        for (target, is_followed) in [
            ("https://cdn.example/blob?sig=1", true),
            ("/v2/other", true),
            ("https://10.0.0.1/blob", true),
            ("http://registry.example.org/v2/other", false),
            ("https://u@cdn.example/", false),
            ("https://169.254.169.254/", false),
            ("https://[::1]/", false),
            ("ftp://cdn.example/", false),
            ("https://", false),
        ] {
            assert_eq!(follow(&own, &from, target).is_ok(), is_followed, "{target}");
        }
        let local = Origin::of_registry("127.0.0.1:5000", Scheme::Http).unwrap();
        assert!(follow(&local, &local.url("/v2/").unwrap(), "http://127.0.0.1:6000/").is_ok());
    }

    #[test]
    fn waits_grow_and_what_the_registry_asks_for_is_kept() {
        let first = Duration::from_millis(300);
        let limited = |seconds| Reason::RateLimited {
            registry: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
            words: String::new(),
        };
        let broken = Reason::Status { status: 503, words: String::new() };
        assert_eq!(wait_before_next(&broken, first, 1), Some(first));
        assert_eq!(wait_before_next(&broken, first, 4), Some(first * 8));
        assert_eq!(wait_before_next(&limited(7), first, 1), Some(Duration::from_secs(7)));
        assert_eq!(wait_before_next(&limited(61), first, 1), None);
    }
}
