//! Origins: scheme, host and port, the three that decide who may see a credential.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Where requests go. Two origins are the same only if scheme, host and port are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    scheme: Scheme,
    /// As in a URL: lower case, an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Origin {
    /// Returns the origin of `registry`, which is `HOST[:PORT]`, spoken to by `scheme`.
    pub(crate) fn of_registry(registry: &str, scheme: Scheme) -> Option<Self> {
        Self::of(&Url::parse(&format!("{}://{registry}/", scheme.as_str())).ok()?)
    }

    /// Returns the origin of a URL of http or https.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        Some(Self { scheme, host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the URL of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{self}{path}")).ok()
    }

    /// Tells whether the host is this machine by its very name or address.
    pub(crate) fn is_loopback(&self) -> bool {
        match Host::parse(&self.host) {
            Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => false,
        }
    }

    /// Returns the address if the host is written as one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match Host::<String>::parse(&self.host).ok()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// Tells whether an address is one that only this machine or its own network segment answers: metadata services of clouds
/// live there. No registry may send a client to it.
pub(crate) fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_internal_v4(mapped),
            None => is_internal_v6(address),
        },
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.is_unspecified() || address.octets()[0] == 0
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    // AWS answers for its metadata at this unique local address.
    let is_metadata = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    address.is_loopback() || address.is_unicast_link_local() || address.is_unspecified() || is_metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn origins_are_equal_if_scheme_host_and_port_are() {
        assert_eq!(origin("https://a.example/x"), origin("https://A.example:443/y?z"));
        for other in ["http://a.example/", "https://b.example/", "https://a.example:444/", "https://a.example./"] {
            assert_ne!(origin("https://a.example/"), origin(other));
        }
        assert_eq!(Origin::of_registry("[::1]:5000", Scheme::Http).unwrap().to_string(), "http://[::1]:5000");
        assert_eq!(Origin::of(&Url::parse("ftp://a.example/").unwrap()), None);
    }

    #[test]
    fn loopback_is_told_by_name_or_address_alone() {
        for (host, is_loopback) in [
            ("localhost", true),
            ("a.localhost:5000", true),
            ("127.0.0.1", true),
            ("127.9.9.9:80", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
            ("127.0.0.1.example", false),
        ] {
            assert_eq!(Origin::of_registry(host, Scheme::Https).unwrap().is_loopback(), is_loopback, "{host}");
        }
    }

    #[test]
    fn addresses_of_metadata_services_are_internal() {
        for address in
            ["169.254.169.254", "127.0.0.1", "0.0.0.0", "::1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.1.1"]
        {
            assert!(is_internal(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(!is_internal(address.parse().unwrap()), "{address}");
        }
    }
}
