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

/// Keys that nobody knows, remembered so that a flood of them does not ask for each: twice so many at most.
const UNKNOWN_KEYS_MAX: usize = 1_024;
/// Notes about keys that nobody knows between two calls of [`Decoder::retry_unknown`]; the rest is told as a number.
const UNKNOWN_NOTES_MAX: u32 = 8;
/// After so many records with a key nobody knew, the source is asked once more.
const UNKNOWN_RECORDS_MAX: u32 = 4_096;
/// Notes kept until somebody takes them.
const NOTES_MAX: usize = 64;

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

/// What an operator has to know of a schema, for log and status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaNote {
    pub key: SchemaKey,
    pub grade: Grade,
    /// What is the matter and what to do; no payload values.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// It is there and cannot be used: its records are dead letters.
    Refused,
    /// It is that of another record, as a folder for several topics has them: should one come, it is a dead letter.
    OtherRecord,
    /// Nobody knows it: its records are dead letters until somebody does.
    Unknown,
    /// Its records are scored, and never give something that the model asks for.
    Incomplete,
    /// Worth knowing.
    Remark,
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
    /// Those remembered before, once there were too many. One that comes again moves back.
    unknown_before: HashMap<SchemaKey, u32>,
    /// Keys found unknown since the last call of [`Decoder::retry_unknown`].
    unknown_new: u32,
    notes: VecDeque<SchemaNote>,
    /// Records decoded by a plan that never gives something.
    incomplete_records: u64,
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
        let plan = Plan::compile(&reader, &reader, &wanted)?;
        let own = SchemaKey::Fingerprint(reader.fingerprint());
        let mut decoder = Decoder {
            notes: VecDeque::new(),
            schemas: vec![reader.clone()],
            reader,
            wanted,
            source,
            accept,
            plans: vec![Some(plan)],
            places: HashMap::from([(own, 0)]),
            last: None,
            unknown: HashMap::new(),
            unknown_before: HashMap::new(),
            unknown_new: 0,
            incomplete_records: 0,
        };
        decoder.forget_refused();
        Ok(decoder)
    }

    /// Columns of the row.
    pub fn width(&self) -> usize {
        self.wanted.features.len()
    }

    /// Whether [`Decoder::decode`] wants the header [`super::wire::SCHEMA_ID_HEADER`]; looking for it costs.
    pub fn needs_header(&self) -> bool {
        self.accept.reads_header()
    }

    /// Compiles a plan for every schema the source knows now, and tells what there is to tell of them. Returns how many
    /// can be used, the package's own not counted.
    pub fn preload(&mut self) -> usize {
        for key in self.source.known() {
            if !self.places.contains_key(&key) {
                match self.source.lookup(key) {
                    Lookup::Found(schema) => drop(self.place(key, schema)),
                    Lookup::Refused(why) => drop(self.refuse(key, &why)),
                    Lookup::Pending | Lookup::Unknown => {}
                }
            }
        }
        self.plans.iter().skip(1).flatten().count()
    }

    /// A note that was not taken yet: each schema's once.
    pub fn take_note(&mut self) -> Option<SchemaNote> {
        self.notes.pop_front()
    }

    /// Records decoded so far whose writer's schema never gives something that the model asks for.
    pub fn incomplete_records(&self) -> u64 {
        self.incomplete_records
    }

    /// Asks again for schemas that nobody knew. Without this call that happens after some thousand records only.
    pub fn retry_unknown(&mut self) {
        self.source.refresh();
        // Known to have been told about: a key stays.
        let all = self.unknown.values_mut().chain(self.unknown_before.values_mut());
        all.for_each(|records| *records = UNKNOWN_RECORDS_MAX);
        let untold = std::mem::take(&mut self.unknown_new).saturating_sub(UNKNOWN_NOTES_MAX);
        if let (Some(&key), 1..) = (self.unknown.keys().next(), untold) {
            let text = format!(
                "{untold} more schemas that nobody knows were named since: are the writers those of this topic?"
            );
            self.tell(key, Grade::Unknown, text);
        }
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
        self.incomplete_records += u64::from(!plan.never_given().is_empty());
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
        if let Some(records) = self.unknown_before.remove(&key) {
            self.remember(key, records);
        }
        if let Some(records) = self.unknown.get_mut(&key)
            && *records < UNKNOWN_RECORDS_MAX
        {
            *records += 1;
            return Err(Reject::UnknownSchema.into());
        }
        let found = self.source.lookup(key);
        // The folder may have been read anew.
        self.forget_refused();
        match found {
            Lookup::Found(schema) => {
                self.unknown.remove(&key);
                Ok(self.place(key, schema))
            }
            Lookup::Refused(why) => {
                self.unknown.remove(&key);
                Ok(self.refuse(key, &why))
            }
            Lookup::Pending => Err(Stop::Wait(key)),
            Lookup::Unknown => {
                self.remember_unknown(key);
                Err(Reject::UnknownSchema.into())
            }
        }
    }

    /// Keys that turned out to be claimed twice: whatever was found for them is used no more.
    fn forget_refused(&mut self) {
        for key in self.source.take_refused() {
            self.places.remove(&key);
            self.last = None;
        }
    }

    fn remember_unknown(&mut self, key: SchemaKey) {
        if self.remember(key, 0) {
            return;
        }
        self.unknown_new += 1;
        if self.unknown_new <= UNKNOWN_NOTES_MAX {
            let text = self.source.problem(key).unwrap_or_else(|| format!("schema {} is unknown", key_text(key)));
            self.tell(key, Grade::Unknown, text);
        }
    }

    /// Keys come from payloads, so there may be any number of them: the memory of them is bounded. Returns whether the key
    /// was remembered already.
    fn remember(&mut self, key: SchemaKey, records: u32) -> bool {
        if self.unknown.len() == UNKNOWN_KEYS_MAX && !self.unknown.contains_key(&key) {
            self.unknown_before = std::mem::take(&mut self.unknown);
        }
        self.unknown.insert(key, records).is_some()
    }

    /// Why the source cannot give this key's schema now; for the log, when a partition begins to wait.
    pub fn why_waiting(&self, key: SchemaKey) -> String {
        self.source.problem(key).unwrap_or_else(|| format!("schema {} is not there yet", key_text(key)))
    }

    fn place(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> usize {
        let known = self.schemas.iter().position(|known| Arc::ptr_eq(known, &schema));
        let place = known.unwrap_or_else(|| {
            let plan = Plan::compile(&schema, &self.reader, &self.wanted);
            match &plan {
                Ok(plan) => self.tell_of(key, plan),
                Err(problem) => {
                    let grade = if problem.is_other_record { Grade::OtherRecord } else { Grade::Refused };
                    self.tell(key, grade, format!("schema {}: {problem}", key_text(key)));
                }
            }
            self.plans.push(plan.ok());
            self.schemas.push(schema);
            self.plans.len() - 1
        });
        self.places.insert(key, place);
        place
    }

    /// A key whose records are dead letters, whatever lies there for it.
    fn refuse(&mut self, key: SchemaKey, why: &str) -> usize {
        self.tell(key, Grade::Refused, format!("schema {}: {why}", key_text(key)));
        self.plans.push(None);
        self.schemas.push(Arc::clone(&self.reader));
        let place = self.plans.len() - 1;
        self.places.insert(key, place);
        place
    }

    fn tell_of(&mut self, key: SchemaKey, plan: &Plan) {
        let schema = key_text(key);
        if !plan.never_given().is_empty() {
            let names = plan.never_given().join(", ");
            let text = format!(
                "schema {schema} never gives {names}: its records are scored with the reader's defaults or as missing; \
                 where a field was renamed, add an alias to the package's reader schema"
            );
            self.tell(key, Grade::Incomplete, text);
        }
        // What is to be said of the package itself is said when it is loaded.
        let own = self.plans[0].as_ref().map_or(&[][..], Plan::remarks);
        let new: Vec<String> = plan.remarks().iter().filter(|text| !own.contains(text)).cloned().collect();
        new.into_iter().for_each(|text| self.tell(key, Grade::Remark, format!("schema {schema}: {text}")));
    }

    fn tell(&mut self, key: SchemaKey, grade: Grade, text: String) {
        if self.notes.len() == NOTES_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back(SchemaNote { key, grade, text });
    }
}
