//! What a registry asks for: the `WWW-Authenticate` header (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

/// One way in which a registry wants to be told who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token of a token service.
    Bearer {
        /// The token service's URL, which the registry chose.
        realm: String,
        /// What the token service calls the registry.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
}

/// Returns the challenges that are understood, in their order.
pub(crate) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    headers.into_iter().flat_map(challenges).collect()
}

fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for part in parts(header) {
        let (first, rest) = part.split_once([' ', '\t']).unwrap_or((part.as_str(), ""));
        // `scheme name=value` begins a challenge; `name=value` goes on with one.
        let parameter = match first.contains('=') {
            true => part.as_str(),
            false => {
                found.push((first.to_ascii_lowercase(), BTreeMap::new()));
                rest.trim()
            }
        };
        let (Some((_, parameters)), Some((name, value))) = (found.last_mut(), parameter.split_once('=')) else {
            continue;
        };
        parameters.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| unquoted(value.trim()));
    }
    found.into_iter().filter_map(|(scheme, parameters)| understood(&scheme, parameters)).collect()
}

fn understood(scheme: &str, mut parameters: BTreeMap<String, String>) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        }),
        _ => None,
    }
}

/// Splits at the commas that are outside of quotes.
fn parts(header: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for character in header.chars() {
        match character {
            ',' if !is_quoted => parts.push(std::mem::take(&mut part)),
            _ => {
                is_quoted ^= character == '"' && !is_escaped;
                part.push(character);
            }
        }
        is_escaped = is_quoted && character == '\\' && !is_escaped;
    }
    parts.push(part);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let (mut plain, mut is_escaped) = (String::new(), false);
    for character in inner.chars() {
        match character {
            '\\' if !is_escaped => is_escaped = true,
            _ => {
                plain.push(character);
                is_escaped = false;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let scope = "repository:a/b:pull,push";
        for (header, expected) in [
            (r#"Basic realm="x, y""#, vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://a.example/token",service="a.example",scope="repository:a/b:pull,push""#,
                vec![bearer("https://a.example/token", Some("a.example"), Some(scope))],
            ),
            (
                r#"bearer  Realm = "https://a.example/t" , service=plain, error="invalid_token""#,
                vec![bearer("https://a.example/t", Some("plain"), None)],
            ),
            (
                r#"Negotiate, Basic realm="a", Bearer realm="https://b.example/""#,
                vec![Challenge::Basic, bearer("https://b.example/", None, None)],
            ),
            (r#"Bearer realm="a\"b""#, vec![bearer("a\"b", None, None)]),
            (r#"Bearer realm="first",realm="second""#, vec![bearer("first", None, None)]),
            ("Bearer service=x", vec![]),
            ("", vec![]),
            ("realm=x", vec![]),
        ] {
            assert_eq!(parse([header]), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_registry_writes_is_read(header in r#"[a-zA-Z=", \\]{0,60}"#) {
            parse([header.as_str()]);
        }
    }
}
