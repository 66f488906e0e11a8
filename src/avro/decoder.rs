//! From a record's value to a row: finds the plan of its schema, and runs it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::feature::Wanted;
use super::plan::Plan;
use super::planner::{Answer, Grade, Known, News, Planner, Plans, SchemaNote};
use super::problem::PlanError;
use super::schemas::{AvroSchema, SchemaSource};
use super::wire::detect;
use crate::doors::Waker;
use crate::error::Reject;
use crate::values::record::{Decoded, SchemaKey};
use crate::values::scatter::Scattered;
use crate::values::schemas::WireForms;

/// Keys that nobody knows, remembered so that a flood of them does not ask for each: twice so many at most. More than
/// can be asked for at a time, so that what is answered is still known when its record is looked at again.
const UNKNOWN_KEYS_MAX: usize = 1_024;
/// Notes about keys that nobody knows between two calls of [`Decoder::retry_unknown`]; the rest is told as a number.
const UNKNOWN_NOTES_MAX: u32 = 8;
/// After so many records with a key nobody knew, it is asked for once more.
const UNKNOWN_RECORDS_MAX: u32 = 4_096;
/// Notes kept until somebody takes them; more are told as a number.
const NOTES_MAX: usize = 64;

const _: () = assert!(UNKNOWN_KEYS_MAX > super::planner::QUESTIONS_MAX);

/// Why a record has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its schema's plan is not there yet: the caller decodes the record again when it is ([`Decoder::take_news`]), or
    /// after `Limits::schema_retry`.
    Wait(SchemaKey),
    Reject(Reject),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Stop {
        Stop::Reject(reject)
    }
}

/// Decodes the records of one lane. Owned by the lane's thread.
pub struct Decoder {
    accept: WireForms,
    /// Makes the plans, here or on another thread.
    maker: Box<dyn Plans + Send>,
    /// A schema that does not fit has a place too, without a plan.
    plans: Vec<Option<Arc<Plan>>>,
    /// Keys to places in `plans`. Only keys of schemas that are there get in; those that nobody knows are below.
    places: HashMap<SchemaKey, usize, Scattered>,
    /// The key of the last record: most streams have one schema.
    last: Option<(SchemaKey, usize)>,
    /// Keys nobody knows, with the number of their records since they were asked for.
    unknown: HashMap<SchemaKey, u32>,
    /// Those remembered before, once there were too many. One that comes again moves back.
    unknown_before: HashMap<SchemaKey, u32>,
    /// Keys found unknown since the last call of [`Decoder::retry_unknown`].
    unknown_new: u32,
    notes: VecDeque<SchemaNote>,
    /// Notes that found no room.
    notes_left_out: u32,
    /// Records decoded by a plan that never gives something.
    incomplete_records: u64,
}

impl Decoder {
    /// A decoder that finds and compiles schemas itself, within the call.
    ///
    /// # Errors
    /// As [`Planner::new`].
    pub fn new(
        reader: Arc<AvroSchema>,
        wanted: Wanted,
        source: Box<dyn SchemaSource + Send>,
        accept: WireForms,
    ) -> Result<Decoder, PlanError> {
        let planner = Planner::new(reader, wanted, source)?;
        Ok(Decoder::with(planner.known(), Box::new(planner), accept))
    }

    /// A decoder that knows the plans of `known`, and asks `maker` for others.
    pub fn with(known: Known, maker: Box<dyn Plans + Send>, accept: WireForms) -> Decoder {
        let mut decoder = Decoder {
            accept,
            maker,
            plans: Vec::new(),
            places: HashMap::default(),
            last: None,
            unknown: HashMap::new(),
            unknown_before: HashMap::new(),
            unknown_new: 0,
            notes: VecDeque::new(),
            notes_left_out: 0,
            incomplete_records: 0,
        };
        known.into_iter().for_each(|(key, plan)| decoder.place(key, plan));
        decoder
    }

    /// Whether [`Decoder::decode`] wants the header [`super::wire::SCHEMA_ID_HEADER`]; looking for it costs.
    pub fn needs_header(&self) -> bool {
        self.accept.reads_header()
    }

    /// A note that was not taken yet: each schema's once.
    pub fn take_note(&mut self) -> Option<SchemaNote> {
        let note = self.notes.pop_front()?;
        if self.notes.is_empty() && self.notes_left_out > 0 {
            let text = format!("{} more notes about schemas were left out", std::mem::take(&mut self.notes_left_out));
            self.notes.push_back(SchemaNote { key: note.key, grade: Grade::Remark, text });
        }
        Some(note)
    }

    /// Records decoded so far whose writer's schema never gives something that the model asks for.
    pub fn incomplete_records(&self) -> u64 {
        self.incomplete_records
    }

    /// Asks again for schemas that nobody knew. Without this call that happens after some thousand records only.
    pub fn retry_unknown(&mut self) {
        self.maker.refresh();
        self.take_news();
        // Known to have been told about: a key stays.
        let all = self.unknown.values_mut().chain(self.unknown_before.values_mut());
        all.for_each(|records| *records = UNKNOWN_RECORDS_MAX);
        let untold = std::mem::take(&mut self.unknown_new).saturating_sub(UNKNOWN_NOTES_MAX);
        if let (Some(&key), 1..) = (self.unknown.keys().next(), untold) {
            let text = format!(
                "{untold} more schemas that nobody knows were named since: are the writers those of this topic?"
            );
            self.tell(SchemaNote { key, grade: Grade::Unknown, text });
        }
    }

    /// Writes the record's features to `row`, and tells its id, time and schema. `header` is the value of
    /// [`super::wire::SCHEMA_ID_HEADER`], where [`Decoder::needs_header`].
    ///
    /// # Errors
    /// [`Stop::Wait`] when the plan of the record's schema is not there yet, else why the record is a dead letter.
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

    /// Asks for the plan of a record that waits behind another one, so that both are answered at once.
    pub fn ask_ahead(&mut self, header: Option<&[u8]>, value: &[u8]) {
        let Ok((key, _)) = detect(header, value, self.accept) else { return };
        let is_known =
            self.places.contains_key(&key) || self.unknown.contains_key(&key) || self.unknown_before.contains_key(&key);
        if !is_known {
            self.maker.ask_ahead(key);
        }
    }

    /// Whether [`Decoder::ask_ahead`] can do something.
    pub fn has_room_ahead(&self) -> bool {
        self.maker.has_room_ahead()
    }

    /// Takes in what was answered since. Returns whether there was an answer: records that wait may have a plan now.
    pub fn take_news(&mut self) -> bool {
        let mut is_answered = false;
        while let Some(news) = self.maker.news() {
            match news {
                News::Note(note) => self.tell(note),
                News::Forget(key) => {
                    self.places.remove(&key);
                    self.last = None;
                }
                News::Answer(key, answer) => {
                    is_answered = true;
                    self.settle(key, answer);
                }
            }
        }
        is_answered
    }

    /// Why the plan of this key is not there; for the log, when a partition begins to wait.
    pub fn why_waiting(&self, key: SchemaKey) -> String {
        self.maker.why(key)
    }

    /// The schema of a key whose record was read by its plan, where the maker of plans has it at hand.
    pub fn writer(&mut self, key: SchemaKey) -> Option<Arc<AvroSchema>> {
        self.maker.writer(key)
    }

    /// Whether the answer for a key is on its way.
    pub fn is_coming(&self, key: SchemaKey) -> bool {
        self.maker.is_coming(key)
    }

    /// Ends the wait of this decoder's lane when there is news.
    pub fn set_waker(&mut self, waker: Waker) {
        self.maker.set_waker(waker);
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
        let known = self.unknown.get_mut(&key);
        let is_first = known.is_none();
        if let Some(records) = known {
            if *records < UNKNOWN_RECORDS_MAX {
                *records += 1;
                return Err(Reject::UnknownSchema.into());
            }
            // Nobody waits for the answer: what nobody knew a moment ago is a dead letter until somebody does.
            *records = 0;
        }
        self.maker.ask(key, is_first);
        self.take_news();
        match self.places.get(&key) {
            Some(&place) => Ok(place),
            None if self.unknown.contains_key(&key) => Err(Reject::UnknownSchema.into()),
            None => Err(Stop::Wait(key)),
        }
    }

    fn settle(&mut self, key: SchemaKey, answer: Answer) {
        match answer {
            Answer::Plan(plan) => {
                self.unknown.remove(&key);
                self.unknown_before.remove(&key);
                self.place(key, plan);
            }
            Answer::Pending(_) => {
                self.unknown.remove(&key);
                self.unknown_before.remove(&key);
            }
            Answer::Unknown(why) => self.remember_unknown(key, why),
        }
    }

    fn place(&mut self, key: SchemaKey, plan: Option<Arc<Plan>>) {
        self.plans.push(plan);
        self.places.insert(key, self.plans.len() - 1);
        self.last = None;
    }

    fn remember_unknown(&mut self, key: SchemaKey, why: Option<String>) {
        if self.unknown_before.remove(&key).is_some() | self.remember(key, 0) {
            return;
        }
        self.unknown_new += 1;
        if let (Some(text), 1..=UNKNOWN_NOTES_MAX) = (why, self.unknown_new) {
            self.tell(SchemaNote { key, grade: Grade::Unknown, text });
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

    fn tell(&mut self, note: SchemaNote) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push_back(note);
        } else {
            self.notes_left_out += 1;
        }
    }
}
