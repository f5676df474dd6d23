//! Docker's `config.json` and podman's `auth.json`, read.

use std::path::Path;

use dhow_fs::Root;
use serde_json::{Map, Value};

use super::{helper, is_for, pair, shown};
use crate::credential::{Credential, CredentialError, Secret};

/// The largest file that is read.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A file of credentials.
pub(super) struct ConfigFile(Map<String, Value>);

/// Returns what a file holds; `None` if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<ConfigFile>, CredentialError> {
    let fail = |source| CredentialError::File { file: shown(file), source };
    let bytes = match Root::host().and_then(|host| host.read(file, LIMIT)) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other.map_err(fail)?,
    };
    let malformed = |reason: &str| CredentialError::Malformed { file: shown(file), reason: reason.to_owned() };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(Some(ConfigFile(object))),
        Ok(_) => Err(malformed("it is no JSON object")),
        Err(error) => Err(malformed(&format!("it is no JSON, see line {}", error.line()))),
    }
}

impl ConfigFile {
    /// Returns what the file knows of a registry. A helper of the registry comes first, then what is written in the file,
    /// then the helper for all.
    pub(super) fn find(&self, registry: &str, file: &Path) -> Result<Option<Credential>, CredentialError> {
        if let Some(program) = self.helper_of(registry) {
            return helper::get(&program, registry, file);
        }
        if let Some(found) = self.entry(registry, file)? {
            return Ok(Some(found));
        }
        match self.0.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            Some(program) => helper::get(program, registry, file),
            None => Ok(None),
        }
    }

    fn helper_of(&self, registry: &str) -> Option<String> {
        let helpers = self.0.get("credHelpers")?.as_object()?;
        let (_, program) = helpers.iter().find(|(key, _)| is_for(key, registry))?;
        program.as_str().map(str::to_owned)
    }

    fn entry(&self, registry: &str, file: &Path) -> Result<Option<Credential>, CredentialError> {
        let Some(entries) = self.0.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let Some((_, entry)) = entries.iter().find(|(key, _)| is_for(key, registry)) else { return Ok(None) };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (source, secret) = (shown(file), |text: &str| Secret::new(text.to_owned()));
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Credential::RegistryToken { token: secret(token), source }));
        }
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credential::IdentityToken { token: secret(token), source }));
        }
        if let (Some(user), Some(password)) = (text("username"), text("password")) {
            return Ok(Some(Credential::Password { user: user.to_owned(), password: secret(password), source }));
        }
        let Some(encoded) = text("auth") else { return Ok(None) };
        let reason = format!("the `auth` of {registry} is not base64 of USER:PASSWORD");
        let (user, password) = pair(encoded).ok_or_else(|| CredentialError::Malformed { file: shown(file), reason })?;
        Ok(Some(Credential::Password { user, password, source }))
    }
}

#[cfg(test)]
mod tests {
    use dhow_fs::AtomicFile;

    use super::*;

    fn find(text: &str, registry: &str) -> Result<Option<Credential>, CredentialError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        AtomicFile::replace(&file, text.as_bytes(), 0o600).unwrap();
        read(&file)?.map_or(Ok(None), |config| config.find(registry, Path::new("config.json")))
    }

    #[test]
    fn credentials_are_found_as_docker_and_podman_write_them() {
        let source = || "config.json".to_owned();
        let secret = |text: &str| Secret::new(text.to_owned());
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWRhOnB3"}},"HttpHeaders":{}}"#;
        let ada = Credential::Password { user: "ada".to_owned(), password: secret("pw"), source: source() };
        assert_eq!(find(hub, "index.docker.io").unwrap(), Some(ada.clone()));
        assert_eq!(find(hub, "a.example").unwrap(), None);
        let plain = r#"{"auths":{"a.example":{"username":"ada","password":"pw"}}}"#;
        assert_eq!(find(plain, "a.example").unwrap(), Some(ada));
        let token = r#"{"auths":{"a.example":{"auth":"eDo=","identitytoken":"id"}}}"#;
        assert_eq!(
            find(token, "a.example").unwrap(),
            Some(Credential::IdentityToken { token: secret("id"), source: source() })
        );
        let token = r#"{"auths":{"a.example":{"registrytoken":"t"}}}"#;
        assert_eq!(
            find(token, "a.example").unwrap(),
            Some(Credential::RegistryToken { token: secret("t"), source: source() })
        );
        assert_eq!(find(r#"{"auths":{"a.example":{}}}"#, "a.example").unwrap(), None);
        assert_eq!(find("\n", "a.example").unwrap(), None);
    }

    #[test]
    fn what_is_malformed_is_told_without_its_content() {
        for text in ["secret", "[\"secret\"]", r#"{"auths":{"a.example":{"auth":"secret"}}}"#] {
            let error = find(text, "a.example").unwrap_err();
            assert!(
                matches!(error, CredentialError::Malformed { .. }) && !error.to_string().contains("secret"),
                "{error}"
            );
        }
    }
}
