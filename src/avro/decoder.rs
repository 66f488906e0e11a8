//! From a record's value to a row: finds the writer's schema, keeps one plan per schema, and runs it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::feature::Wanted;
use super::plan::Plan;
use super::problem::PlanError;
use super::schemas::{AvroSchema, Lookup, SchemaSource, key_text};
use super::wire::{Accept, detect};
use crate::error::Reject;
use crate::record::{Decoded, SchemaKey};

/// Keys that nobody knows, remembered so that a flood of them does not ask for each.
const UNKNOWN_KEYS_MAX: usize = 256;
/// After so many records with a key nobody knew, the source is asked once more.
const UNKNOWN_RECORDS_MAX: u32 = 4_096;
/// Problems kept for the log until somebody takes them.
const PROBLEMS_MAX: usize = 64;

/// Why a record has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its schema is not there yet: the partition waits, and the caller decodes the record again after
    /// `Limits::schema_retry`.
    Wait(SchemaKey),
    Reject(Reject),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Stop {
        Stop::Reject(reject)
    }
}

/// A schema that cannot be used, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    pub key: SchemaKey,
    /// What is wrong and what to do; no payload values.
    pub text: String,
}

/// Decodes the records of one lane. Owned by the lane's thread.
pub struct Decoder {
    reader: Arc<AvroSchema>,
    wanted: Wanted,
    source: Box<dyn SchemaSource + Send>,
    accept: Accept,
    plans: Vec<Option<Plan>>,
    /// The schema of each plan: one schema has many keys, and is compiled and told about once.
    schemas: Vec<Arc<AvroSchema>>,
    /// Keys to places in `plans`. A schema that does not fit stays there too, without a plan.
    places: HashMap<SchemaKey, usize>,
    /// The key of the last record: most streams have one schema.
    last: Option<(SchemaKey, usize)>,
    /// Keys nobody knows, with the number of their records since the source was asked.
    unknown: HashMap<SchemaKey, u32>,
    problems: VecDeque<SchemaProblem>,
}

impl Decoder {
    /// Compiles the reader's schema against itself, so that a package whose contract does not fit its own schema is
    /// told before the first record.
    ///
    /// # Errors
    /// A feature, id or time that the reader's schema cannot give.
    pub fn new(
        reader: Arc<AvroSchema>,
        wanted: Wanted,
        source: Box<dyn SchemaSource + Send>,
        accept: Accept,
    ) -> Result<Decoder, PlanError> {
        let plan = Plan::compile(reader.schema(), reader.schema(), &wanted)?;
        let own = SchemaKey::Fingerprint(reader.fingerprint());
        Ok(Decoder {
            schemas: vec![reader.clone()],
            reader,
            wanted,
            source,
            accept,
            plans: vec![Some(plan)],
            places: HashMap::from([(own, 0)]),
            last: None,
            unknown: HashMap::new(),
            problems: VecDeque::new(),
        })
    }

    /// Columns of the row.
    pub fn width(&self) -> usize {
        self.wanted.features.len()
    }

    /// Whether [`Decoder::decode`] wants the header [`super::wire::SCHEMA_ID_HEADER`]; looking for it costs.
    pub fn needs_header(&self) -> bool {
        self.accept.reads_header()
    }

    /// Compiles a plan for every schema the source knows now. Returns those that do not fit: a warning where other
    /// schemas are written to the same topics, a reason to stop where they are not.
    pub fn preload(&mut self) -> Vec<SchemaProblem> {
        for key in self.source.known() {
            if !self.places.contains_key(&key)
                && let Lookup::Found(schema) = self.source.lookup(key)
            {
                self.place(key, schema);
            }
        }
        self.problems.drain(..).collect()
    }

    /// A problem that was not told yet: an incompatible or missing schema, each once.
    pub fn take_problem(&mut self) -> Option<SchemaProblem> {
        self.problems.pop_front()
    }

    /// Asks again for schemas that nobody knew. Without this call that happens after some thousand records only.
    pub fn retry_unknown(&mut self) {
        // Known to have been told about: a key stays.
        self.unknown.values_mut().for_each(|records| *records = UNKNOWN_RECORDS_MAX);
    }

    /// Writes the record's features to `row`, and tells its id, time and schema. `header` is the value of
    /// [`super::wire::SCHEMA_ID_HEADER`], where [`Decoder::needs_header`].
    ///
    /// # Errors
    /// [`Stop::Wait`] when the record's schema is not there yet, else why the record is a dead letter.
    #[inline]
    pub fn decode(&mut self, header: Option<&[u8]>, value: &[u8], row: &mut [f32]) -> Result<Decoded, Stop> {
        let (key, start) = detect(header, value, self.accept)?;
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => self.find(key)?,
        };
        let Some(plan) = &self.plans[place] else { return Err(Reject::IncompatibleSchema.into()) };
        let (id, event_time_ms) = plan.decode(value, start, row)?;
        Ok(Decoded { id, event_time_ms, schema: key })
    }

    /// The place of a key that differs from the last record's.
    #[cold]
    fn find(&mut self, key: SchemaKey) -> Result<usize, Stop> {
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => self.ask(key)?,
        };
        self.last = Some((key, place));
        Ok(place)
    }

    fn ask(&mut self, key: SchemaKey) -> Result<usize, Stop> {
        if let Some(records) = self.unknown.get_mut(&key)
            && *records < UNKNOWN_RECORDS_MAX
        {
            *records += 1;
            return Err(Reject::UnknownSchema.into());
        }
        match self.source.lookup(key) {
            Lookup::Found(schema) => {
                self.unknown.remove(&key);
                Ok(self.place(key, schema))
            }
            Lookup::Pending => Err(Stop::Wait(key)),
            Lookup::Unknown => {
                self.remember_unknown(key);
                Err(Reject::UnknownSchema.into())
            }
        }
    }

    /// Keys come from payloads, so there may be any number of them: the memory of them is bounded.
    fn remember_unknown(&mut self, key: SchemaKey) {
        let is_new = !self.unknown.contains_key(&key);
        if is_new && self.unknown.len() == UNKNOWN_KEYS_MAX {
            self.unknown.clear();
        }
        self.unknown.insert(key, 0);
        if is_new {
            let text = self.source.problem(key).unwrap_or_else(|| format!("schema {} is unknown", key_text(key)));
            self.tell(key, text);
        }
    }

    /// Why the source cannot give this key's schema now; for the log, when a partition begins to wait.
    pub fn why_waiting(&self, key: SchemaKey) -> String {
        self.source.problem(key).unwrap_or_else(|| format!("schema {} is not there yet", key_text(key)))
    }

    fn place(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> usize {
        let known = self.schemas.iter().position(|known| Arc::ptr_eq(known, &schema));
        let place = known.unwrap_or_else(|| {
            let plan = Plan::compile(schema.schema(), self.reader.schema(), &self.wanted);
            let plan = plan.map_err(|problem| self.tell(key, format!("schema {}: {problem}", key_text(key))));
            self.plans.push(plan.ok());
            self.schemas.push(schema);
            self.plans.len() - 1
        });
        self.places.insert(key, place);
        place
    }

    fn tell(&mut self, key: SchemaKey, text: String) {
        if self.problems.len() == PROBLEMS_MAX {
            self.problems.pop_front();
        }
        self.problems.push_back(SchemaProblem { key, text });
    }
}
