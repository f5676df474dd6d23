//! Who asks: what a registry is told, and where that came from.

use std::fmt;

/// Tells what to say to a registry.
pub trait Credentials: Send + Sync {
    /// Returns what is known for `registry`, which is `HOST[:PORT]` with Docker Hub as `index.docker.io`.
    fn of(&self, registry: &str) -> Result<Credential, CredentialError>;
}

/// What a registry is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Anonymous {
        /// Where something was looked for, in words.
        looked_in: String,
    },
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// Where it came from, in words.
        source: String,
    },
    /// A token that a token service exchanges for others.
    IdentityToken {
        /// The token.
        token: Secret,
        /// Where it came from, in words.
        source: String,
    },
    /// A token that the registry itself takes.
    RegistryToken {
        /// The token.
        token: Secret,
        /// Where it came from, in words.
        source: String,
    },
    /// The very text of an `Authorization` header.
    Header {
        /// The text.
        value: Secret,
        /// Where it came from, in words.
        source: String,
    },
}

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why it is not known what to tell a registry.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file of credentials cannot be read.
    #[error("cannot read credentials from {file}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: dhow_fs::PathError,
    },
    /// A file of credentials is malformed. Its content is not repeated.
    #[error("credentials in {file} are malformed: {reason}")]
    Malformed {
        /// The file or variable.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A helper program failed.
    #[error("the credential helper `{program}` failed for {registry}: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// Whose credential was asked for.
        registry: String,
        /// What happened.
        reason: String,
    },
}

impl Credential {
    /// Returns in words what was tried, without what is secret.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Anonymous { looked_in } => format!("no credentials ({looked_in})"),
            Self::Password { user, source, .. } => format!("user `{user}` of {source}"),
            Self::IdentityToken { source, .. } => format!("the identity token of {source}"),
            Self::RegistryToken { source, .. } => format!("the registry token of {source}"),
            Self::Header { source, .. } => format!("the authorization of {source}"),
        }
    }
}

impl Secret {
    /// Keeps a text from being shown.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, to be sent and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_no_message() {
        let credential = Credential::Password {
            user: "ada".to_owned(),
            password: Secret::new("hunter2".to_owned()),
            source: "/home/ada/.docker/config.json".to_owned(),
        };
        assert_eq!(credential.described(), "user `ada` of /home/ada/.docker/config.json");
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
