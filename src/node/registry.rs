//! The schema registry of a node: its client, the folder beside it, and what is shown of it.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Fatal;
use crate::observe::registry::RegistryStatus;
use crate::registry::client::Client;
use crate::registry::kept::Kept;

/// One for all lanes.
#[derive(Clone, Debug)]
pub struct Registry {
    pub client: Arc<Client>,
    pub kept: Arc<Kept>,
    pub status: Arc<RegistryStatus>,
}

impl Registry {
    /// The configured one. Asks nothing yet.
    ///
    /// # Errors
    /// Certificates that cannot be read, and a folder that cannot be written.
    pub fn open(config: &Config) -> Result<Option<Registry>, Fatal> {
        let Some(settings) = &config.schemas.registry else { return Ok(None) };
        let client = Arc::new(Client::new(settings)?);
        let kept = Arc::new(Kept::open(settings)?);
        Ok(Some(Registry { client, kept, status: Arc::default() }))
    }
}
