//! What each request to a registry says of who asks. Learnt from the registry's first challenge, then kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::challenge::Challenge;
use crate::credential::{Credential, Credentials};
use crate::error::Reason;
use crate::origin::Origin;
use crate::token::{Realm, Scope, Token};
use crate::transport::Transport;

/// Who asks a registry.
pub(crate) struct Authorization {
    registry: String,
    credentials: Arc<dyn Credentials>,
    token_hosts: BTreeSet<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    credential: Option<Credential>,
    wanted: Wanted,
    tokens: HashMap<Scope, Token>,
}

/// What the registry wants.
#[derive(Clone, Default)]
enum Wanted {
    /// It was not asked yet, or wants nothing.
    #[default]
    Nothing,
    Basic,
    Token {
        realm: Realm,
        service: Option<String>,
    },
}

impl Authorization {
    pub(crate) fn new(registry: &str, credentials: Arc<dyn Credentials>, token_hosts: BTreeSet<String>) -> Self {
        Self { registry: registry.to_owned(), credentials, token_hosts, state: Mutex::default() }
    }

    /// Returns the header for a request of this scope, as far as it is known what the registry wants.
    ///
    /// Threads that need the same token wait for one to fetch it.
    pub(crate) fn header(&self, transport: &Transport, scope: &Scope) -> Result<Option<HeaderValue>, Reason> {
        let mut state = self.lock();
        match state.wanted.clone() {
            Wanted::Nothing => Ok(None),
            Wanted::Basic => header(self.basic(&mut state)?),
            Wanted::Token { realm, service } => {
                let credential = self.credential(&mut state)?;
                match &credential {
                    Credential::RegistryToken { token, .. } => {
                        return header(Some(format!("Bearer {}", token.reveal())));
                    }
                    Credential::Header { value, .. } => return header(Some(value.reveal().to_owned())),
                    _ => {}
                }
                if let Some(token) = state.tokens.get(scope).filter(|token| token.is_fresh(Instant::now())) {
                    return header(Some(format!("Bearer {}", token.value.reveal())));
                }
                let token = realm.ask(transport, service.as_deref(), scope, &credential, &self.registry)?;
                let value = header(Some(format!("Bearer {}", token.value.reveal())));
                state.tokens.insert(scope.clone(), token);
                value
            }
        }
    }

    /// Takes in what the registry wants. Returns whether the request should be sent again.
    pub(crate) fn learn(
        &self,
        challenges: Vec<Challenge>,
        registry: &Origin,
        scope: &Scope,
        is_first: bool,
    ) -> Result<bool, Reason> {
        let mut state = self.lock();
        // A token that was good may have been withdrawn; another thread may have fetched one meanwhile.
        state.tokens.remove(scope);
        if !is_first {
            return Ok(false);
        }
        let Some(first) = challenges.into_iter().next() else { return Ok(false) };
        state.wanted = match first {
            Challenge::Basic => Wanted::Basic,
            Challenge::Bearer { realm, service, .. } => {
                Wanted::Token { realm: Realm::check(&realm, registry, &self.token_hosts)?, service }
            }
        };
        Ok(true)
    }

    /// Returns in words what was tried, without what is secret.
    pub(crate) fn described(&self) -> String {
        let mut state = self.lock();
        let Ok(credential) = self.credential(&mut state) else { return "no credentials".to_owned() };
        match (&state.wanted, &credential) {
            (Wanted::Token { realm, .. }, Credential::Password { .. } | Credential::IdentityToken { .. })
                if !realm.is_trusted =>
            {
                let host = realm.host();
                format!(
                    "no credentials ({} is not told to {host}, which is no host of this registry)",
                    credential.described()
                )
            }
            _ => credential.described(),
        }
    }

    fn basic(&self, state: &mut State) -> Result<Option<String>, Reason> {
        Ok(match self.credential(state)? {
            Credential::Password { user, password, .. } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
            }
            Credential::RegistryToken { token, .. } => Some(format!("Bearer {}", token.reveal())),
            Credential::Header { value, .. } => Some(value.reveal().to_owned()),
            Credential::Anonymous { .. } | Credential::IdentityToken { .. } => None,
        })
    }

    fn credential(&self, state: &mut State) -> Result<Credential, Reason> {
        if let Some(known) = &state.credential {
            return Ok(known.clone());
        }
        let found = self.credentials.of(&self.registry)?;
        state.credential = Some(found.clone());
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A credential with line breaks cannot be told; nobody could log in with it.
fn header(text: Option<String>) -> Result<Option<HeaderValue>, Reason> {
    let Some(text) = text else { return Ok(None) };
    let malformed = |_| Reason::Malformed("a credential has characters that no header can have".to_owned());
    let mut value = HeaderValue::from_str(&text).map_err(malformed)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
