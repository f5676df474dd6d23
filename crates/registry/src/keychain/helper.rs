//! Programs that keep credentials: `docker-credential-NAME`, spoken to by Docker's protocol.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{key_of, shown};
use crate::credential::{Credential, CredentialError, Secret};
use crate::scrub;

/// The user that a helper gives for an identity token.
const TOKEN_USER: &str = "<token>";
const NOT_FOUND: &str = "credentials not found";
/// The longest answer that is read.
const LIMIT: u64 = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks the helper `name`, which `file` names, for a registry's credential; `None` if it has none.
pub(super) fn get(name: &str, registry: &str, file: &Path) -> Result<Option<Credential>, CredentialError> {
    let Some(output) = run(name, registry)? else { return Ok(None) };
    let fail = |reason: &str| failure(name, registry, reason);
    let answer: Answer = serde_json::from_slice(&output).map_err(|_| fail("its answer is not as specified"))?;
    let source = format!("{} ({})", program(name), shown(file));
    let secret = Secret::new(answer.secret);
    Ok(match answer.username.as_str() {
        TOKEN_USER => Some(Credential::IdentityToken { token: secret, source }),
        "" => None,
        _ => Some(Credential::Password { user: answer.username, password: secret, source }),
    })
}

fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

fn failure(name: &str, registry: &str, reason: &str) -> CredentialError {
    CredentialError::Helper { program: program(name), registry: registry.to_owned(), reason: reason.to_owned() }
}

/// Returns what the helper answers; `None` if it has no such credential.
fn run(name: &str, registry: &str) -> Result<Option<Vec<u8>>, CredentialError> {
    let fail = |reason: &str| failure(name, registry, reason);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(fail("this is no name of a program"));
    }
    let mut child = Command::new(program(name))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| fail(&format!("it cannot be started: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that reads nothing says why itself.
        let _ = input.write_all(key_of(registry).as_bytes());
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(LIMIT).read_to_end(&mut output);
        read.map_err(|error| fail(&format!("its answer cannot be read: {error}")))?;
    }
    let status = child.wait().map_err(|error| fail(&format!("it cannot be waited for: {error}")))?;
    if status.success() {
        return Ok(Some(output));
    }
    let said = String::from_utf8_lossy(&output);
    match said.contains(NOT_FOUND) {
        true => Ok(None),
        // A helper that fails says why, and no secret, on its standard output.
        false => Err(fail(&format!("{status}: {}", scrub::words(&said)))),
    }
}
