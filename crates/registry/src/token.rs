//! Tokens: what a token service gives for a scope, and what it takes to ask it safely.
//!
//! The registry chooses the token service (`realm`). It may be anybody, so the realm is checked before it is asked, and
//! credentials go to hosts that belong to the registry only.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::RequestBuilder;
use serde::Deserialize;
use url::Url;

use crate::credential::{Credential, Secret};
use crate::error::Reason;
use crate::origin::{Origin, Scheme, is_internal};
use crate::transport::{Party, Transport};
use crate::{answer, limits, scrub};

/// How long a token lives that does not say so (distribution's token specification).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
const CLIENT: &str = "dhow";
/// Docker Hub's registry and its token service.
const HUB: (&str, &str) = ("registry-1.docker.io", "auth.docker.io");

/// What a token must allow: `repository:NAME:pull,push`, several in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope(BTreeSet<String>);

/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Pull,
    /// Writing, which includes reading.
    Push,
    /// Removing.
    Delete,
}

impl Scope {
    /// Returns the scope for an access to a repository.
    pub(crate) fn of(repository: &str, access: Access) -> Self {
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
            Access::Delete => "delete,pull",
        };
        Self(BTreeSet::from([format!("repository:{repository}:{actions}")]))
    }

    /// Returns the scope that allows both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> = self.0.iter().map(String::as_str).collect();
        formatter.write_str(&parts.join(" "))
    }
}

/// A token, until it ends.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    until: Instant,
}

impl Token {
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// A token service that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    url: Url,
    party: Party,
    /// Whether it may see the registry's credentials.
    pub(crate) is_trusted: bool,
}

impl Realm {
    /// Checks what a registry names as its token service.
    pub(crate) fn check(text: &str, registry: &Origin, token_hosts: &BTreeSet<String>) -> Result<Self, Reason> {
        let refused = |reason| Reason::Refused { target: scrub::words(text), reason };
        let url = Url::parse(text).map_err(|_| refused("it is no URL"))?;
        let origin = Origin::of(&url).ok_or_else(|| refused("a token service is asked over https"))?;
        let refused = |reason| Reason::Refused { target: scrub::url(&url), reason };
        if origin.scheme() == Scheme::Http && registry.scheme() == Scheme::Https {
            return Err(refused("a token service is asked over https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("a token service's URL has no user"));
        }
        if origin.address().is_some_and(is_internal) && !registry.is_loopback() {
            return Err(refused("its address is one of this machine or of its own network segment"));
        }
        let party = if origin == *registry { Party::Registry } else { Party::Foreign };
        let is_trusted = belongs(origin.host(), registry.host()) || token_hosts.contains(origin.host());
        Ok(Self { url, party, is_trusted })
    }

    /// Returns the host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Asks for a token. A credential is told only to a realm that is trusted.
    pub(crate) fn ask(
        &self,
        transport: &Transport,
        service: Option<&str>,
        scope: &Scope,
        credential: &Credential,
        registry: &str,
    ) -> Result<Token, Reason> {
        let request = match credential {
            Credential::IdentityToken { token, .. } if self.is_trusted => {
                self.exchange(transport, service, scope, token)
            }
            Credential::Password { user, password, .. } if self.is_trusted => {
                self.query(transport, service, scope, Some(user)).basic_auth(user, Some(password.reveal()))
            }
            _ => self.query(transport, service, scope, None),
        };
        let asked = Instant::now();
        let response = transport.send(request, &self.url)?;
        if response.status().is_redirection() {
            return Err(Reason::Refused {
                target: scrub::url(&self.url),
                reason: "a token service that leads to another is not followed",
            });
        }
        if !response.status().is_success() {
            return Err(answer::reason(response, registry, || credential.described()));
        }
        let mut bytes = Vec::new();
        let origin = || scrub::url(&self.url);
        response
            .take(limits::TOKEN + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Reason::Connection { origin: origin(), source: error.into() })?;
        if bytes.len() as u64 > limits::TOKEN {
            return Err(Reason::TooLarge { limit: limits::TOKEN });
        }
        parse(&bytes, asked)
    }

    fn query(
        &self,
        transport: &Transport,
        service: Option<&str>,
        scope: &Scope,
        account: Option<&str>,
    ) -> RequestBuilder {
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(account) = account {
                query.append_pair("account", account);
            }
            query.append_pair("client_id", CLIENT);
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for part in &scope.0 {
                query.append_pair("scope", part);
            }
        }
        transport.request(self.party, Method::GET, &url)
    }

    /// OAuth 2, as Docker's token specification has it.
    fn exchange(&self, transport: &Transport, service: Option<&str>, scope: &Scope, token: &Secret) -> RequestBuilder {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token.reveal())
            .append_pair("client_id", CLIENT)
            .append_pair("service", service.unwrap_or_default())
            .append_pair("scope", &scope.to_string())
            .finish();
        transport
            .request(self.party, Method::POST, &self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    }
}

/// Tells whether a host belongs to the same owner as the registry's: the same host, or one below the registry's own
/// domain, as `auth.example.org` and `example.org` are for `registry.example.org`.
fn belongs(host: &str, registry: &str) -> bool {
    if host == registry || (registry, host) == HUB {
        return true;
    }
    match registry.split_once('.') {
        Some((_, domain)) if domain.contains('.') && domain.parse::<std::net::Ipv4Addr>().is_err() => {
            let is_name = registry.bytes().any(|byte| byte.is_ascii_alphabetic());
            is_name && (host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
        }
        _ => false,
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn parse(bytes: &[u8], asked: Instant) -> Result<Token, Reason> {
    // Its words may be a token, so they are not repeated.
    let malformed = || Reason::Malformed("the token service gave no token".to_owned());
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| malformed())?;
    let value = answer.token.or(answer.access_token).filter(|token| !token.is_empty()).ok_or_else(malformed)?;
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    let until = asked.checked_add(life.saturating_sub(MARGIN)).unwrap_or(asked);
    Ok(Token { value: Secret::new(value), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(realm: &str, registry: &str) -> Result<Realm, Reason> {
        let registry = Origin::of(&Url::parse(registry).unwrap()).unwrap();
        Realm::check(realm, &registry, &BTreeSet::from(["tokens.partner.example".to_owned()]))
    }

    #[test]
    fn credentials_go_to_hosts_of_the_registry_only() {
        for (realm, registry, is_trusted) in [
            ("https://registry.example.org/token", "https://registry.example.org", true),
            ("https://registry.example.org:8443/token", "https://registry.example.org", true),
            ("https://auth.docker.io/token", "https://registry-1.docker.io", true),
            ("https://gitlab.example.org/jwt/auth", "https://registry.gitlab.example.org", true),
            ("https://auth.example.org/token", "https://registry.example.org", true),
            ("https://tokens.partner.example/token", "https://registry.example.org", true),
            ("https://evil.example/token", "https://registry.example.org", false),
            ("https://evilexample.org/token", "https://registry.example.org", false),
            ("https://auth.docker.io/token", "https://registry.example.org", false),
            ("https://other.org/token", "https://example.org", false),
            ("http://127.0.0.2:1/token", "http://127.0.0.1:5000", false),
            ("https://10.0.0.1/token", "https://10.0.0.2", false),
        ] {
            assert_eq!(check(realm, registry).unwrap().is_trusted, is_trusted, "{realm} of {registry}");
        }
    }

    #[test]
    fn realms_that_lead_astray_are_refused() {
        for (realm, registry) in [
            ("http://registry.example.org/token", "https://registry.example.org"),
            ("https://user:pass@registry.example.org/token", "https://registry.example.org"),
            ("https://169.254.169.254/latest/meta-data", "https://registry.example.org"),
            ("http://169.254.169.254/latest/meta-data", "http://registry.example.org"),
            ("https://[::1]/token", "https://registry.example.org"),
            ("https://2130706433/token", "https://registry.example.org"),
            ("file:///etc/passwd", "https://registry.example.org"),
            ("/token", "https://registry.example.org"),
            ("", "https://registry.example.org"),
        ] {
            assert!(matches!(check(realm, registry), Err(Reason::Refused { .. })), "{realm}");
        }
        assert!(check("http://127.0.0.1:9/token", "http://127.0.0.1:5000").is_ok());
    }

    #[test]
    fn a_token_ends_before_its_end() {
        let asked = Instant::now();
        let token = parse(br#"{"access_token":"x","expires_in":300}"#, asked).unwrap();
        assert_eq!(token.value.reveal(), "x");
        assert!(token.is_fresh(asked + Duration::from_secs(289)) && !token.is_fresh(asked + Duration::from_secs(290)));
        assert!(!parse(br#"{"token":"x"}"#, asked).unwrap().is_fresh(asked + DEFAULT_LIFE));
        assert!(!parse(br#"{"token":"x","expires_in":18446744073709551615}"#, asked).unwrap().is_fresh(asked));
        for body in [r#"{"token":""}"#, "{}", "[]", "secret"] {
            let error = parse(body.as_bytes(), asked).unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn scopes_are_joined_each_once() {
        let scope = Scope::of("b", Access::Push).and(Scope::of("a", Access::Pull)).and(Scope::of("a", Access::Pull));
        assert_eq!(scope.to_string(), "repository:a:pull repository:b:pull,push");
    }
}
