//! Credentials as Docker, podman and the buildpack lifecycle keep them.

mod config_file;
mod helper;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::credential::{Credential, CredentialError, Credentials, Secret};

/// Docker Hub as references name it, and as Docker's files do.
const HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");
const VARIABLE: &str = "CNB_REGISTRY_AUTH";

/// Looks for a registry's credentials where they are usually kept.
#[derive(Clone, Debug, Default)]
pub struct Keychain {
    /// The value of `CNB_REGISTRY_AUTH`: a JSON object of `Authorization` headers by registry. Looked at first.
    pub variable: Option<Secret>,
    /// Files as Docker's `config.json` and podman's `auth.json`, in this order. Those that are missing say nothing.
    pub files: Vec<PathBuf>,
}

impl Credentials for Keychain {
    fn of(&self, registry: &str) -> Result<Credential, CredentialError> {
        if let Some(found) = self.of_variable(registry)? {
            return Ok(found);
        }
        for file in &self.files {
            if let Some(found) = config_file::read(file)?.and_then(|config| config.find(registry, file).transpose()) {
                return found;
            }
        }
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let looked_in = match names.as_slice() {
            [] => "none are configured".to_owned(),
            names => format!("none for {registry} in {}", names.join(", ")),
        };
        Ok(Credential::Anonymous { looked_in })
    }
}

impl Keychain {
    fn of_variable(&self, registry: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(text) = &self.variable else { return Ok(None) };
        let malformed =
            |reason: &str| CredentialError::Malformed { file: VARIABLE.to_owned(), reason: reason.to_owned() };
        let headers: Value = serde_json::from_str(text.reveal()).map_err(|_| malformed("it is no JSON"))?;
        let headers = headers.as_object().ok_or_else(|| malformed("it is no JSON object"))?;
        let Some((_, header)) = headers.iter().find(|(key, _)| is_for(key, registry)) else { return Ok(None) };
        let header = header.as_str().ok_or_else(|| malformed("a header is no string"))?;
        let source = VARIABLE.to_owned();
        let found = match header.split_once(' ') {
            Some(("Basic", encoded)) => {
                let (user, password) =
                    pair(encoded).ok_or_else(|| malformed("a `Basic` header is not base64 of USER:PASSWORD"))?;
                Credential::Password { user, password, source }
            }
            Some(("Bearer", token)) => Credential::RegistryToken { token: Secret::new(token.to_owned()), source },
            Some(("X-Identity", token)) => Credential::IdentityToken { token: Secret::new(token.to_owned()), source },
            _ => return Err(malformed("a header begins with none of `Basic`, `Bearer`, `X-Identity`")),
        };
        Ok(Some(found))
    }
}

/// Returns the key under which a registry's credentials are kept in Docker's files.
pub(crate) fn key_of(registry: &str) -> &str {
    if registry == HUB.0 { HUB.1 } else { registry }
}

/// Tells whether a key of a file means a registry: its host, as a URL or with a path of the registry's API.
pub(crate) fn is_for(key: &str, registry: &str) -> bool {
    let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = host.trim_end_matches('/');
    let host = host.strip_suffix("/v1").or_else(|| host.strip_suffix("/v2")).unwrap_or(host);
    let is_hub = matches!(host, "docker.io" | "registry-1.docker.io") && registry == HUB.0;
    host.eq_ignore_ascii_case(registry) || is_hub
}

/// Decodes base64 of `USER:PASSWORD`.
pub(crate) fn pair(encoded: &str) -> Option<(String, Secret)> {
    // Some writers of these files end the text in zero bytes.
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::new(password.trim_end_matches('\0').to_owned())))
}

/// Names a file in messages.
pub(crate) fn shown(file: &Path) -> String {
    file.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variable: &str, registry: &str) -> Result<Credential, CredentialError> {
        Keychain { variable: Some(Secret::new(variable.to_owned())), files: Vec::new() }.of(registry)
    }

    #[test]
    fn the_variable_of_the_lifecycle_is_looked_at_first() {
        let text = r#"{"a.example":"Basic YWRhOnB3","b.example:5000":"Bearer tok","https://index.docker.io/v1/":"X-Identity id"}"#;
        let source = VARIABLE.to_owned();
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(
            of(text, "a.example").unwrap(),
            Credential::Password { user: "ada".to_owned(), password: secret("pw"), source: source.clone() }
        );
        assert_eq!(
            of(text, "b.example:5000").unwrap(),
            Credential::RegistryToken { token: secret("tok"), source: source.clone() }
        );
        assert_eq!(of(text, "index.docker.io").unwrap(), Credential::IdentityToken { token: secret("id"), source });
        assert!(matches!(of(text, "b.example").unwrap(), Credential::Anonymous { .. }));
        for malformed in
            ["", "[]", r#"{"a.example":7}"#, r#"{"a.example":"Basic secret!"}"#, r#"{"a.example":"secret"}"#]
        {
            let error = of(malformed, "a.example").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn keys_mean_registries_however_they_are_written() {
        for (key, registry, is_same) in [
            ("https://index.docker.io/v1/", "index.docker.io", true),
            ("docker.io", "index.docker.io", true),
            ("https://A.example/v2/", "a.example", true),
            ("http://a.example", "a.example", true),
            ("a.example:5000", "a.example", false),
            ("a.example/team", "a.example", false),
            ("docker.io", "a.example", false),
        ] {
            assert_eq!(is_for(key, registry), is_same, "{key}");
        }
    }
}
