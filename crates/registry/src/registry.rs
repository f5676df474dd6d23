//! All registries that a command speaks to, each with one set of connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dhow_oci::Name;

use crate::connection::Connection;
use crate::credential::Credentials;
use crate::error::RegistryError;
use crate::network::Network;
use crate::repository::Repository;

/// The registries, reached as [`Network`] says, with what [`Credentials`] know.
pub struct Registries {
    network: Network,
    credentials: Arc<dyn Credentials>,
    connections: Mutex<HashMap<String, Arc<Connection>>>,
}

impl Registries {
    /// Speaks to nobody yet.
    #[must_use]
    pub fn new(network: Network, credentials: Arc<dyn Credentials>) -> Self {
        Self { network, credentials, connections: Mutex::default() }
    }

    /// Returns a repository of a registry. Nothing is asked yet.
    pub fn repository(&self, name: &Name) -> Result<Repository, RegistryError> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get(&name.registry) {
            return Ok(Repository::new(Arc::clone(known), name.clone()));
        }
        let made = Connection::new(&name.registry, &self.network, Arc::clone(&self.credentials))
            .map_err(|reason| reason.of("speak to", &name.registry))?;
        let made = Arc::new(made);
        connections.insert(name.registry.clone(), Arc::clone(&made));
        Ok(Repository::new(made, name.clone()))
    }
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Registries").finish_non_exhaustive()
    }
}
