//! Writers' schemas out of the registry, as the planner asks for them: from memory within the call, and from the registry
//! later.
//!
//! A folder of `.avsc` files goes first: what an operator has put there counts, registry or not. Fingerprints and bare data
//! are the folder's alone.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;

use super::client::Client;
use super::fetch::Fetcher;
use super::kept::Kept;
use super::keys::Known;
use super::pool::Pool;
use crate::avro::schemas::{Lookup, SchemaDirectory, SchemaSource, key_text};
use crate::error::Fatal;
use crate::observe::registry::RegistryStatus;
use crate::values::record::SchemaKey;
use crate::values::schemas::OnUnknown;

pub struct RegistrySource {
    directory: SchemaDirectory,
    pool: Pool,
    on_unknown: OnUnknown,
    urls: Vec<String>,
}

impl RegistrySource {
    /// `directory` must take what it does not know for unknown: whether that is waited for is said here. `topic`: the input.
    ///
    /// # Errors
    /// When a thread does not start.
    pub fn start(
        client: Arc<Client>,
        kept: Arc<Kept>,
        topic: &str,
        directory: SchemaDirectory,
        on_unknown: OnUnknown,
        status: Arc<RegistryStatus>,
    ) -> Result<RegistrySource, Fatal> {
        let urls = client.settings().urls.clone();
        let pool = Pool::start(Fetcher::new(client, topic), kept, status)?;
        Ok(RegistrySource { directory, pool, on_unknown, urls })
    }

    /// Waits until what is kept was asked for again, and the input's newest schema, or the registry turns out to be away.
    /// Returns whether all of it was asked.
    pub fn settle(&self, at_most: Duration) -> bool {
        self.pool.settle(at_most)
    }

    /// Keeps no more than `max` schemas for an outage: those that the registry no longer has go first, then those that were
    /// fetched longest ago. To be called before anything is looked up.
    pub fn bound_kept(&self, max: usize) {
        self.pool.bound_kept(max);
    }

    fn of_registry(&self, key: SchemaKey) -> Lookup {
        let unknown = match self.on_unknown {
            OnUnknown::DeadLetter => Lookup::Unknown,
            OnUnknown::Wait => Lookup::Pending,
        };
        match key {
            SchemaKey::Id(_) | SchemaKey::Guid(_) => match self.pool.look_up(key) {
                Known::Schema(schema) => Lookup::Found(schema),
                Known::Coming => Lookup::Coming,
                Known::Pending => Lookup::Pending,
                Known::Unknown => unknown,
                Known::Refused(why) => Lookup::Refused(why),
            },
            SchemaKey::Fingerprint(_) => unknown,
            SchemaKey::Raw => Lookup::Unknown,
        }
    }
}

/// Why the registry has no such schema, most likely.
pub(super) fn absent(urls: &[String], key: SchemaKey) -> String {
    let what = format!("the schema registry ({}) has no schema {}", urls.join(", "), key_text(key));
    let fix = match key {
        SchemaKey::Id(0) => {
            "id 0 is what the 8-byte ids of Apicurio begin with: let the producers use its 4-byte ids \
             (apicurio.registry.use-id, id-handler), as Confluent's clients do"
        }
        _ => {
            "do the producers register at this registry, in this context? See schemas.registry.urls and context; or put \
             the schema into schemas.directory, named by its id"
        }
    };
    format!("{what}\n  fix: {fix}")
}

impl SchemaSource for RegistrySource {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        match self.directory.lookup(key) {
            Lookup::Unknown => self.of_registry(key),
            of_folder => of_folder,
        }
    }

    fn known(&self) -> Vec<SchemaKey> {
        let mut keys = self.directory.known();
        let mut of_registry: Vec<SchemaKey> = self.pool.known().into_iter().filter(|key| !keys.contains(key)).collect();
        of_registry.sort_by_cached_key(|&key| (matches!(key, SchemaKey::Guid(_)), key_text(key)));
        keys.extend(of_registry);
        keys
    }

    fn refresh(&mut self) {
        self.directory.refresh();
        self.pool.forget_refused();
    }

    fn take_refused(&mut self) -> Vec<SchemaKey> {
        let mut keys = self.directory.take_refused();
        keys.extend(self.pool.take_changed());
        keys
    }

    fn problem(&self, key: SchemaKey) -> Option<String> {
        match key {
            SchemaKey::Id(_) | SchemaKey::Guid(_) => {
                let why = self.pool.why(key).or_else(|| self.directory.broken(key));
                Some(why.unwrap_or_else(|| absent(&self.urls, key)))
            }
            _ => self.directory.problem(key),
        }
    }

    fn bell(&self) -> Option<Receiver<()>> {
        Some(self.pool.bell())
    }

    fn take_arrived(&mut self) -> Vec<SchemaKey> {
        self.pool.take_arrived()
    }
}
