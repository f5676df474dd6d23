//! Host names to addresses, without the C library: a static binary has no name service switch.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::NetError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::origin::is_internal;

/// Asks `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
#[derive(Clone)]
pub(crate) struct Resolver {
    /// Made within the runtime of the first request.
    inner: Arc<OnceLock<TokioResolver>>,
    reach: Reach,
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All: the user named the host.
    All,
    /// No addresses of this machine or its network segment: a registry named the host.
    NotInternal,
}

/// A name that leads to where a client must not be led.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has an internal address")]
pub(crate) struct Internal(String);

/// A name without any address.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Unknown {
    pub(crate) host: String,
    pub(crate) reason: String,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { inner: Arc::default(), reach }
    }

    fn resolver(&self) -> Result<&TokioResolver, NetError> {
        if let Some(resolver) = self.inner.get() {
            return Ok(resolver);
        }
        let mut builder = TokioResolver::builder_tokio()?;
        builder.options_mut().use_hosts_file = ResolveHosts::Always;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let made = builder.build()?;
        Ok(self.inner.get_or_init(|| made))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let unknown = |error: NetError| Unknown { host: host.to_owned(), reason: error.to_string() };
        let found = match host {
            // RFC 6761, section 6.3: this machine, whatever a name server says.
            "localhost" => vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])],
            _ => self.resolver().map_err(unknown)?.lookup_ip(host).await.map_err(unknown)?.iter().collect(),
        };
        match self.reach {
            Reach::NotInternal if found.iter().any(|address| is_internal(*address)) => {
                Err(Internal(host.to_owned()).into())
            }
            _ => Ok(found),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
