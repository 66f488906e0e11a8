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
    /// Whoever needs a schema waits for the answer; else threads ask, and nobody waits.
    pub within_the_call: bool,
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
        Ok(Some(Registry { client, kept, status: Arc::default(), within_the_call: false }))
    }

    /// The same for whoever waits for its answers.
    pub fn within_the_call(&self) -> Registry {
        Registry { within_the_call: true, ..self.clone() }
    }

    /// The same for a person who looks at single records, beside the nodes whose folder it is.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn open_as_guest(config: &Config) -> Result<Option<Registry>, Fatal> {
        let Some(settings) = &config.schemas.registry else { return Ok(None) };
        let client = Arc::new(Client::new(settings)?);
        let kept = Arc::new(Kept::as_it_is(settings));
        Ok(Some(Registry { client, kept, status: Arc::default(), within_the_call: true }))
    }
}
