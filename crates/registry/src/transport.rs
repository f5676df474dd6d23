//! One HTTP exchange: over TLS or in the clear, with the failures told apart.

use std::error::Error;
use std::io;
use std::sync::Arc;

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use reqwest::{Method, NoProxy, Proxy, redirect};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::error::Reason;
use crate::limits;
use crate::network::{HostSettings, Network, Proxies};
use crate::origin::Origin;
use crate::resolve::{Internal, Reach, Resolver, Unknown};

const USER_AGENT: &str = concat!("dhow/", env!("CARGO_PKG_VERSION"));

/// Speaks to one registry, and to where it leads.
pub(crate) struct Transport {
    /// With the certificate that the registry knows this client by.
    own: Client,
    /// Without it, and not to addresses that only this machine should reach.
    foreign: Client,
    trusted: String,
    patience: std::time::Duration,
}

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The registry that the user named.
    Registry,
    /// A host that the registry named.
    Foreign,
}

impl Transport {
    /// Returns the transport to a registry. `is_internal` says that the registry itself is on this machine.
    pub(crate) fn new(network: &Network, host: &HostSettings, is_internal: bool) -> Result<Self, Reason> {
        let trusted = network.trusted.and(&host.trusted);
        let reach = if is_internal { Reach::All } else { Reach::NotInternal };
        let with_identity = tls(&trusted, Some(host))?;
        let plain = tls(&network.trusted, None)?;
        Ok(Self {
            own: client(network, with_identity, Reach::All)?,
            foreign: client(network, plain, reach)?,
            trusted: trusted.described(),
            patience: network.patience.silence,
        })
    }

    /// Begins a request.
    pub(crate) fn request(&self, party: Party, method: Method, url: &Url) -> RequestBuilder {
        match party {
            Party::Registry => self.own.request(method, url.clone()),
            Party::Foreign => self.foreign.request(method, url.clone()),
        }
    }

    /// Sends a request and returns the answer, whatever its status.
    pub(crate) fn send(&self, request: RequestBuilder, url: &Url) -> Result<Response, Reason> {
        request.send().map_err(|error| self.reason(error, url))
    }

    /// Tells why an exchange with the host of `url` failed.
    pub(crate) fn reason(&self, error: reqwest::Error, url: &Url) -> Reason {
        let error = error.without_url();
        let origin = Origin::of(url).map_or_else(|| crate::scrub::url(url), |origin| origin.to_string());
        if let Some(Unknown { host, reason }) = cause::<Unknown>(&error) {
            return Reason::UnknownHost { host: host.clone(), reason: crate::scrub::words(reason) };
        }
        if cause::<Internal>(&error).is_some() {
            let reason = "its address is one of this machine or of its own network segment";
            return Reason::Refused { target: crate::scrub::url(url), reason };
        }
        if let Some(tls) = cause::<rustls::Error>(&error) {
            return Reason::Tls { origin, reason: tls.to_string(), trusted: self.trusted.clone() };
        }
        if error.is_timeout() {
            return Reason::Silence { origin, after: self.patience };
        }
        Reason::Connection { origin, source: innermost(error) }
    }
}

/// Tells whether the other side does not speak TLS at all.
pub(crate) fn speaks_no_tls(reason: &Reason) -> bool {
    let words = "received corrupt message";
    matches!(reason, Reason::Tls { reason, .. } if reason.starts_with(words))
}

fn tls(trusted: &crate::network::Trusted, host: Option<&HostSettings>) -> Result<ClientConfig, Reason> {
    let mut roots = RootCertStore::empty();
    // A bundle may have certificates that cannot be used; the others count.
    let _ = roots.add_parsable_certificates(trusted.certificates().iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Reason::Client(error.into()))?
        .with_root_certificates(roots);
    match host.and_then(|host| host.identity.as_ref()) {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.key())
            .map_err(|error| Reason::Client(error.into())),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn client(network: &Network, tls: ClientConfig, reach: Reach) -> Result<Client, Reason> {
    let fail = |error: reqwest::Error| Reason::Client(error.into());
    let builder = ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(limits::CONNECT)
        .timeout(network.patience.silence)
        .tcp_user_timeout(network.patience.silence)
        .http2_adaptive_window(true)
        .dns_resolver(Arc::new(Resolver::new(reach)))
        .no_proxy();
    proxied(builder, &network.proxies)?.build().map_err(fail)
}

fn proxied(mut builder: ClientBuilder, proxies: &Proxies) -> Result<ClientBuilder, Reason> {
    let fail = |error: reqwest::Error| Reason::Client(error.without_url().into());
    let none_for = ["localhost", "127.0.0.0/8", "::1", proxies.none_for.as_deref().unwrap_or("")].join(",");
    let none_for = NoProxy::from_string(&none_for);
    if let Some(proxy) = proxies.http.as_deref().filter(|proxy| !proxy.is_empty()) {
        builder = builder.proxy(Proxy::http(proxy).map_err(fail)?.no_proxy(none_for.clone()));
    }
    if let Some(proxy) = proxies.https.as_deref().filter(|proxy| !proxy.is_empty()) {
        builder = builder.proxy(Proxy::https(proxy).map_err(fail)?.no_proxy(none_for));
    }
    Ok(builder)
}

/// Returns the error of a kind that is in the chain of causes, also inside of an [`io::Error`].
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error does not name what it wraps as its cause, but the cause of that.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Returns the last cause in words: what comes before it says only that a request failed.
fn innermost(error: reqwest::Error) -> Box<dyn Error + Send + Sync> {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words = cause.to_string();
        next = cause.source();
    }
    crate::scrub::words(&words).into()
}
