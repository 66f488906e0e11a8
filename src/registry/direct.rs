//! Writers' schemas out of the registry within the call, for whoever has time: a person who looks at single records. A
//! node's lanes wait for nobody, and have [`super::source`].
#![expect(clippy::disallowed_methods, reason = "rests between two tries, which a person waits for and no lane does")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::{Away, Reach};
use super::client::Client;
use super::fetch::{Fetched, Fetcher, Found};
use super::kept::Kept;
use super::pace::{Bucket, Gate};
use super::source::absent;
use crate::avro::schemas::{AvroSchema, Lookup, SchemaDirectory, SchemaSource, key_text};
use crate::values::record::SchemaKey;
use crate::values::schemas::OnUnknown;

/// So often is a registry asked that gives no answer; from then on once a key, with rests that grow.
const TRIES: u32 = 3;
/// A registry may ask for a longer rest: then nobody waits for it.
const REST_MAX: Duration = Duration::from_secs(10);

/// Asks when it is asked. The registry goes first, then what is kept of it.
pub struct DirectSource {
    directory: SchemaDirectory,
    fetcher: Fetcher,
    kept: Arc<Kept>,
    on_unknown: OnUnknown,
    found: HashMap<SchemaKey, Arc<AvroSchema>>,
    /// Keys whose records wait, and why: a file may have any number of them, and each key is asked for once.
    waits: HashMap<SchemaKey, String>,
    bucket: Bucket,
    gate: Gate,
    origin: Instant,
    /// What the registry said last that was no answer.
    away: Option<Away>,
    /// Why the last key that was looked up is not there.
    why: Option<(SchemaKey, String)>,
    remarks: Vec<(SchemaKey, String)>,
    /// What is told once for all keys.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    kept_counts: bool,
    nothing_kept: bool,
}

impl DirectSource {
    /// `directory` must take what it does not know for unknown: whether that is waited for is said here. `topic`: the input.
    pub fn new(
        client: Arc<Client>,
        kept: Arc<Kept>,
        topic: &str,
        directory: SchemaDirectory,
        on_unknown: OnUnknown,
    ) -> DirectSource {
        let per_second = f64::from(client.settings().lookups_per_second_max);
        DirectSource {
            directory,
            fetcher: Fetcher::new(client, topic),
            kept,
            on_unknown,
            found: HashMap::new(),
            waits: HashMap::new(),
            bucket: Bucket::new(per_second, per_second),
            gate: Gate::default(),
            origin: Instant::now(),
            away: None,
            why: None,
            remarks: Vec::new(),
            told: Told::default(),
        }
    }

    fn of_registry(&mut self, key: SchemaKey) -> Lookup {
        if let Some(schema) = self.found.get(&key) {
            return Lookup::Found(Arc::clone(schema));
        }
        if let Some(why) = self.waits.get(&key) {
            self.why = Some((key, why.clone()));
            return Lookup::Pending;
        }
        match self.ask(key) {
            Ok(Fetched::Schema(Found { schema, remarks })) => {
                self.remarks.extend(remarks.into_iter().map(|text| (key, format!("schema {}: {text}", key_text(key)))));
                self.keep(key, &schema);
                self.take(key, schema)
            }
            Ok(Fetched::Unknown) => match self.of_disk(key) {
                Some(schema) => self.take_on(key, schema),
                None => {
                    if self.on_unknown == OnUnknown::Wait {
                        self.waits.insert(key, absent(&self.fetcher.client().settings().urls, key));
                    }
                    self.unknown()
                }
            },
            Ok(Fetched::Refused(why)) => match self.of_disk(key) {
                Some(schema) => self.take_on(key, schema),
                None => Lookup::Refused(why),
            },
            Err(away) => match self.of_disk(key) {
                Some(schema) => {
                    if !std::mem::replace(&mut self.told.kept_counts, true) {
                        let what = "the schema registry gives no answer, and what is kept counts";
                        self.remarks.push((key, format!("{what}: {away}")));
                    }
                    self.take(key, schema)
                }
                None => {
                    let why = format!("the schema registry gives no answer: {away}");
                    // That the registry is away passes, and is found out with rests that grow.
                    if away.reach == Reach::Question {
                        self.waits.insert(key, why.clone());
                    }
                    self.why = Some((key, why));
                    Lookup::Pending
                }
            },
        }
    }

    fn unknown(&self) -> Lookup {
        match self.on_unknown {
            OnUnknown::DeadLetter => Lookup::Unknown,
            OnUnknown::Wait => Lookup::Pending,
        }
    }

    /// As a node does: a good schema is never forgotten.
    fn take_on(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> Lookup {
        let text = format!("the registry no longer has schema {}: the kept one is used on", key_text(key));
        self.remarks.push((key, text));
        self.take(key, schema)
    }

    /// Many ids may stand for one text, which is compiled once.
    fn take(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> Lookup {
        let known = self.found.values().find(|known| known.text() == schema.text());
        let schema = known.map_or(schema, Arc::clone);
        self.found.insert(key, Arc::clone(&schema));
        Lookup::Found(schema)
    }

    fn of_disk(&mut self, key: SchemaKey) -> Option<Arc<AvroSchema>> {
        match self.kept.find(key) {
            Ok(schema) => schema.map(Arc::new),
            Err(what) => {
                self.remarks.push((key, format!("a kept schema cannot be used: {what}")));
                None
            }
        }
    }

    /// The folder is a node's, which may let nobody else write. What the node kept stays as it is: a file of this person's
    /// might be one that the node may not read.
    fn keep(&mut self, key: SchemaKey, schema: &AvroSchema) {
        if matches!(self.kept.find(key), Ok(Some(_))) {
            return;
        }
        if let Err(why) = self.kept.keep(key, schema)
            && !std::mem::replace(&mut self.told.nothing_kept, true)
        {
            let what = "schemas.registry.cache_dir: what is fetched is used, and not kept for an outage";
            self.remarks.push((key, format!("{what}: {why}")));
        }
    }

    fn ask(&mut self, key: SchemaKey) -> Result<Fetched, Away> {
        let tries = if self.gate.is_away() { 1 } else { TRIES };
        let mut tried = 0;
        loop {
            if let (Err(Some(until)), Some(away)) = (self.gate.ask(self.origin.elapsed(), 0, 1), &self.away) {
                let rest = until.saturating_sub(self.origin.elapsed());
                // Those after the first key that had no answer wait for nothing.
                if tried == 0 || rest > REST_MAX {
                    return Err(away.clone());
                }
                std::thread::sleep(rest);
            }
            while let Err(until) = self.bucket.take(self.origin.elapsed()) {
                std::thread::sleep(until.saturating_sub(self.origin.elapsed()));
            }
            let away = match self.fetcher.fetch(key) {
                Ok(fetched) => {
                    self.gate.answered();
                    return Ok(fetched);
                }
                Err(away) if away.reach == Reach::Question => {
                    self.gate.answered();
                    return Err(away);
                }
                Err(away) => away,
            };
            self.gate.failed(self.origin.elapsed(), away.retry_after);
            self.away = Some(away.clone());
            tried += 1;
            if tried == tries {
                return Err(away);
            }
        }
    }
}

impl SchemaSource for DirectSource {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        self.why = None;
        match (self.directory.lookup(key), key) {
            (Lookup::Unknown, SchemaKey::Id(_) | SchemaKey::Guid(_)) => self.of_registry(key),
            (Lookup::Unknown, SchemaKey::Fingerprint(_)) => self.unknown(),
            (of_folder, _) => of_folder,
        }
    }

    /// What the registry has is asked for by those records only that name it.
    fn known(&self) -> Vec<SchemaKey> {
        self.directory.known()
    }

    fn refresh(&mut self) {
        self.waits.clear();
        self.directory.refresh();
    }

    fn take_refused(&mut self) -> Vec<SchemaKey> {
        self.directory.take_refused()
    }

    fn problem(&self, key: SchemaKey) -> Option<String> {
        match (&self.why, key) {
            (Some((of, why)), _) if *of == key => Some(why.clone()),
            (_, SchemaKey::Id(_) | SchemaKey::Guid(_)) => {
                let broken = self.directory.broken(key);
                Some(broken.unwrap_or_else(|| absent(&self.fetcher.client().settings().urls, key)))
            }
            _ => self.directory.problem(key),
        }
    }

    fn take_remarks(&mut self) -> Vec<(SchemaKey, String)> {
        std::mem::take(&mut self.remarks)
    }
}
