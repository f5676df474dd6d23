//! Names of images, as the reference lifecycle parses them (registry, repository, tag or digest).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Digest;

/// The registry of names that state none.
const DEFAULT_REGISTRY: &str = "index.docker.io";
const DEFAULT_TAG: &str = "latest";
const DEFAULT_NAMESPACE: &str = "library";

/// A repository in a registry: `index.docker.io/library/busybox`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The registry's host, with its port if it has one. An IPv6 address is in brackets, in its shortest form.
    pub registry: String,
    /// The repository's path in the registry.
    pub repository: String,
}

/// Which image of a repository or layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// By tag.
    Tag(String),
    /// By the digest of its manifest or index.
    Digest(Digest),
}

/// The name of an image: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`.
///
/// Parsing is *weak*: a name without registry is one of Docker Hub, one without tag is `latest`.
/// Of a name with tag and digest the digest selects.
///
/// References are equal if they mean the same, however they were written.
///
/// ```
/// use dhow_oci::Reference;
///
/// let short: Reference = "ubuntu".parse()?;
/// let long: Reference = "docker.io/library/ubuntu:latest".parse()?;
/// assert_eq!(short, long);
/// assert_eq!(short.identifier(), "latest");
/// # Ok::<(), dhow_oci::ReferenceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reference {
    /// The repository.
    pub name: Name,
    /// The image in it.
    pub selector: Selector,
    /// The text that was parsed.
    text: String,
}

/// Why a text is not a reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// The repository has characters or a length that are not allowed.
    #[error(
        "could not parse reference `{text}`: repository `{repository}` must be 2 to 255 characters of a-z, 0-9, `_`, `-`, `.`, `/`"
    )]
    Repository {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        repository: String,
    },
    /// The registry is no host name with an optional port.
    #[error("could not parse reference `{text}`: registry `{registry}` is not HOST[:PORT]")]
    Registry {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        registry: String,
    },
    /// The tag has characters or a length that are not allowed.
    #[error(
        "could not parse reference `{text}`: tag `{tag}` must be 1 to 128 characters of a-z, A-Z, 0-9, `_`, `-`, `.`"
    )]
    Tag {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        tag: String,
    },
    /// The digest is malformed.
    #[error("could not parse reference `{text}`")]
    Digest {
        /// The whole text.
        text: String,
        /// What is wrong with the digest.
        source: crate::DigestError,
    },
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.selector) == (&other.name, &other.selector)
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, &self.selector).hash(state);
    }
}

impl Reference {
    /// Returns the text that this reference was parsed from.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.text
    }

    /// Returns the place of this image in a layout repository:
    /// `<registry>/<repository>/<tag>` or `<registry>/<repository>/<algorithm>/<hex>`.
    #[must_use]
    pub fn layout_path(&self) -> PathBuf {
        let mut path = PathBuf::from(&self.name.registry);
        path.push(&self.name.repository);
        match &self.selector {
            Selector::Tag(tag) => path.push(tag),
            Selector::Digest(digest) => {
                path.push(digest.algorithm());
                path.push(digest.hex());
            }
        }
        path
    }

    /// Tells whether a digest is named, rather than a tag.
    #[must_use]
    pub fn is_by_digest(&self) -> bool {
        matches!(self.selector, Selector::Digest(_))
    }

    /// Returns the last part of the layout's tag for this image: the tag, or the digest.
    #[must_use]
    pub fn identifier(&self) -> &str {
        match &self.selector {
            Selector::Tag(tag) => tag,
            Selector::Digest(digest) => digest.as_str(),
        }
    }

    /// Returns the fully qualified name with Docker Hub written `docker.io`: what `base.name` annotations hold.
    #[must_use]
    pub fn familiar(&self) -> String {
        let registry = match self.name.registry.as_str() {
            DEFAULT_REGISTRY => "docker.io",
            other => other,
        };
        let repository = &self.name.repository;
        match &self.selector {
            Selector::Tag(tag) => format!("{registry}/{repository}:{tag}"),
            Selector::Digest(digest) => format!("{registry}/{repository}@{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    /// Writes the fully qualified name, tag or digest included.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Tag(tag) => write!(formatter, "{}:{tag}", self.name),
            Selector::Digest(digest) => write!(formatter, "{}@{digest}", self.name),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Digest(digest) => digest.fmt(formatter),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (before_digest, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = split_tag(before_digest);
        let name = parse_name(text, name)?;
        if let Some(tag) = tag {
            check_tag(text, tag)?;
        }
        let selector = match digest {
            Some(digest) => Selector::Digest(
                digest.parse().map_err(|source| ReferenceError::Digest { text: text.to_owned(), source })?,
            ),
            None => Selector::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()),
        };
        Ok(Self { name, selector, text: text.to_owned() })
    }
}

/// Splits at the last colon, unless it belongs to a registry's port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

fn parse_name(text: &str, name: &str) -> Result<Name, ReferenceError> {
    let looks_like_registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if looks_like_registry(first) => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    };
    let registry = match registry {
        "docker.io" => DEFAULT_REGISTRY.to_owned(),
        other => registry_of(other)
            .ok_or_else(|| ReferenceError::Registry { text: text.to_owned(), registry: other.to_owned() })?,
    };
    let mut repository = repository.trim_start_matches('/').to_owned();
    check_repository(text, &repository)?;
    if registry == DEFAULT_REGISTRY && !repository.contains('/') {
        repository = format!("{DEFAULT_NAMESPACE}/{repository}");
    }
    Ok(Name { registry, repository })
}

fn check_repository(text: &str, repository: &str) -> Result<(), ReferenceError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-./".contains(&byte);
    let plain_parts = repository.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if (2..=255).contains(&repository.len()) && repository.bytes().all(allowed) && plain_parts {
        return Ok(());
    }
    Err(ReferenceError::Repository { text: text.to_owned(), repository: repository.to_owned() })
}

/// Returns `HOST[:PORT]` or `[IPV6][:PORT]` in one form for each meaning; `None` if the text is neither.
fn registry_of(text: &str) -> Option<String> {
    let after_host = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(after_host);
    let host = host_of(host)?;
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("{host}:{}", digits.parse::<u16>().ok()?))
        }
        None if port.is_empty() => Some(host),
        _ => None,
    }
}

fn host_of(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(format!("[{}]", address.parse::<Ipv6Addr>().ok()?));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_plain = !text.is_empty() && text.bytes().all(allowed) && !matches!(text, "." | "..");
    is_plain.then(|| text.to_owned())
}

fn check_tag(text: &str, tag: &str) -> Result<(), ReferenceError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=128).contains(&tag.len()) && tag.bytes().all(allowed) && !matches!(tag, "." | "..") {
        return Ok(());
    }
    Err(ReferenceError::Tag { text: text.to_owned(), tag: tag.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> String {
        text.parse::<Reference>().unwrap().layout_path().display().to_string()
    }

    #[test]
    fn names_map_to_paths_as_the_reference_maps_them() {
        let hex = "0".repeat(64);
        assert_eq!(path("busybox"), "index.docker.io/library/busybox/latest");
        assert_eq!(path("docker.io/a/b:1"), "index.docker.io/a/b/1");
        assert_eq!(path("localhost:5000/base"), "localhost:5000/base/latest");
        assert_eq!(
            path("example.org/x/y:v1@sha256:".to_owned().as_str().trim_end_matches("@sha256:")),
            "example.org/x/y/v1"
        );
        assert_eq!(path(&format!("example.org/xy:v1@sha256:{hex}")), format!("example.org/xy/sha256/{hex}"));
        assert_eq!(path("/abs/path"), "index.docker.io/abs/path/latest");
    }

    #[test]
    fn names_that_could_leave_the_repository_are_refused() {
        for text in [
            "",
            "x",
            "example.org/x",
            "a/../b",
            "example.org/../../etc",
            "a//b",
            "A/b",
            "ab:..",
            "ab:",
            "../ab",
            "example.org:x/ab",
            "example.org:+80/ab",
            "example.org:-1/ab",
            "example.org:/ab",
            "example.org:65536/ab",
            "a:b:1/ab",
            "[::1/ab",
            "::1/ab",
            "[::1]x/ab",
            "[::1]:+80/ab",
            "[fe80::1%eth0]/ab",
            "[]/ab",
            "[1.2.3.4]/ab",
            "[::1]",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    fn reference(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn references_are_equal_by_meaning() {
        let hex = "0".repeat(64);
        let digest = format!("sha256:{hex}");
        for same in [
            vec!["xy".to_owned(), "docker.io/library/xy".to_owned(), "index.docker.io/library/xy:latest".to_owned()],
            vec![format!("ab/cd@{digest}"), format!("docker.io/ab/cd:1@{digest}")],
            vec!["[::1]:5000/xy".to_owned(), "[0:0:0:0:0:0:0:1]:05000/xy:latest".to_owned()],
        ] {
            let set: std::collections::HashSet<Reference> = same.iter().map(|text| reference(text)).collect();
            assert_eq!(set.len(), 1, "{same:?}");
        }
        for (left, right) in [("xy", "xy:1"), ("xy", "localhost/xy"), ("a.b/xy", "a.b:80/xy"), ("a.b/xy", "a.b/xy/z")] {
            assert_ne!(reference(left), reference(right));
        }
        assert_eq!(reference("docker.io/library/xy").as_written(), "docker.io/library/xy");
    }

    #[test]
    fn addresses_and_ports_are_parts_of_a_registry() {
        for (text, registry) in [
            ("[::1]:5000/xy", "[::1]:5000"),
            ("[::1]/xy:1", "[::1]"),
            ("[2001:DB8::0:1]/xy", "[2001:db8::1]"),
            ("127.0.0.1:80/xy", "127.0.0.1:80"),
            ("localhost/xy", "localhost"),
        ] {
            assert_eq!(reference(text).name.registry, registry);
        }
        assert_eq!(path("[::1]:5000/xy:1"), "[::1]:5000/xy/1");
    }

    #[test]
    fn a_tag_has_up_to_128_characters() {
        let tag = "t".repeat(128);
        assert_eq!(reference(&format!("ab:{tag}")).selector, Selector::Tag(tag.clone()));
        assert!(matches!(format!("ab:{tag}t").parse::<Reference>(), Err(ReferenceError::Tag { .. })));
    }

    fn references() -> impl Strategy<Value = String> {
        let registry = r"((([a-z0-9]{1,4}\.)[a-z]{1,3}|localhost|\[[0-9a-f]{1,4}::[0-9a-f]{0,4}\])(:[0-9]{1,4})?/)?";
        let tag = r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?";
        let digest = "(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?";
        let parts = (registry, r"[a-z0-9]{2,5}([._-][a-z0-9]{1,3}){0,2}(/[a-z0-9]{2,4}){0,2}", tag, digest);
        parts.prop_map(|(registry, repository, tag, digest)| format!("{registry}{repository}{tag}{digest}"))
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_to_the_same(text in references()) {
            let parsed: Reference = text.parse().unwrap();
            prop_assert_eq!(parsed.as_written(), &text);
            for printed in [parsed.to_string(), parsed.familiar()] {
                let again: Reference = printed.parse().unwrap();
                prop_assert_eq!(&again, &parsed);
                prop_assert_eq!(again.to_string(), parsed.to_string());
                prop_assert_eq!(again.layout_path(), parsed.layout_path());
            }
        }

        #[test]
        fn whatever_is_parsed_stays_below_the_layout_repository(text in r"[a-zA-Z0-9:/@.\[\]_+%-]{0,40}") {
            let Ok(parsed) = text.parse::<Reference>() else { return Ok(()) };
            let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
            prop_assert!(parsed.layout_path().components().all(is_name));
            prop_assert_eq!(&parsed.to_string().parse::<Reference>().unwrap(), &parsed);
        }
    }
}
