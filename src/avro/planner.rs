//! Plans for writers' schemas: asks where schemas come from and compiles what it finds, once for everybody who asks.
//!
//! Finding a schema may read files and compiling one takes milliseconds, so a node's planner has a thread of its own
//! ([`crate::lane`]'s desk for schemas); a [`Decoder`](super::decoder::Decoder) knows the trait [`Plans`] alone. A
//! planner is one too, which answers within the call.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crossbeam::channel::Receiver;

use super::feature::Wanted;
use super::plan::Plan;
use super::problem::PlanError;
use super::schemas::{AvroSchema, Lookup, SchemaSource, key_text};
use crate::doors::Waker;
use crate::values::record::SchemaKey;

/// Keys that one decoder has asked for and has no plan for yet, at most; more are asked for when some of them are answered.
pub const QUESTIONS_MAX: usize = 512;

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

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum Answer {
    /// For good. Without a plan its records are dead letters.
    Plan(Option<Arc<Plan>>),
    /// Its schema is not there yet, and why.
    Pending(String),
    /// Nobody knows it, and why, where it was asked for the first time.
    Unknown(Option<String>),
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Answered,
    /// The answer is that nobody can tell now.
    Pending,
    Coming,
}

/// What a decoder hears.
#[derive(Clone, Debug)]
pub enum News {
    Answer(SchemaKey, Answer),
    /// Two schemas claim the key now: whatever was answered for it holds no more.
    Forget(SchemaKey),
    Note(SchemaNote),
}

/// Keys that were answered for good.
pub type Known = HashMap<SchemaKey, Option<Arc<Plan>>>;

/// Where a decoder gets its plans from.
pub trait Plans {
    /// Asks for a key that the decoder does not know, or (not `is_first`) that nobody knew when it asked before.
    fn ask(&mut self, key: SchemaKey, is_first: bool);

    /// Asks for a key whose records wait behind another's, so that all are answered at once.
    fn ask_ahead(&mut self, _key: SchemaKey) {}

    /// Whether more may be asked ahead now.
    fn has_room_ahead(&self) -> bool {
        false
    }

    /// What is new, in order.
    fn news(&mut self) -> Option<News>;

    /// Why a key that was asked for has no answer now.
    fn why(&self, key: SchemaKey) -> String;

    /// Whether the answer for a key is on its way, so that a record that needs it waits only for a moment.
    fn is_coming(&self, _key: SchemaKey) -> bool {
        false
    }

    /// Called about once a second: what is not there is asked for anew from here on.
    fn refresh(&mut self);

    /// The schema that a key with a plan belongs to, where it is at hand: for whoever looks at a single record.
    fn writer(&mut self, _key: SchemaKey) -> Option<Arc<AvroSchema>> {
        None
    }

    /// Ends the wait of whoever asks, when there is news.
    fn set_waker(&mut self, _waker: Waker) {}
}

/// Finds schemas and compiles them.
pub struct Planner {
    reader: Arc<AvroSchema>,
    wanted: Wanted,
    source: Box<dyn SchemaSource + Send>,
    /// Each schema with its plan, the reader's first: one schema has many keys, and is compiled and told about once.
    schemas: Vec<Compiled>,
    known: Known,
    news: VecDeque<News>,
}

/// A schema, the first key that it was asked for by, and its plan where there can be one.
struct Compiled {
    key: SchemaKey,
    schema: Arc<AvroSchema>,
    plan: Option<Arc<Plan>>,
}

/// What was found before the first record.
pub struct Preloaded {
    /// Schemas that can be used, each by the first of its keys; the package's own is not among them.
    pub usable: Vec<SchemaKey>,
    /// Everything there is to tell, however many files there are.
    pub notes: Vec<SchemaNote>,
}

impl Planner {
    /// Compiles the reader's schema against itself, so that a package whose contract does not fit its own schema is
    /// told before the first record.
    ///
    /// # Errors
    /// A feature, id or time that the reader's schema cannot give.
    pub fn new(
        reader: Arc<AvroSchema>,
        wanted: Wanted,
        mut source: Box<dyn SchemaSource + Send>,
    ) -> Result<Planner, PlanError> {
        let plan = Some(Arc::new(Plan::compile(&reader, &reader, &wanted)?));
        let own = SchemaKey::Fingerprint(reader.fingerprint());
        let mut known = Known::from([(own, plan.clone())]);
        source.take_refused().iter().for_each(|key| drop(known.remove(key)));
        let schemas = vec![Compiled { key: own, schema: Arc::clone(&reader), plan }];
        Ok(Planner { reader, wanted, source, schemas, known, news: VecDeque::new() })
    }

    /// What was answered for good so far.
    pub fn known(&self) -> Known {
        self.known.clone()
    }

    /// Makes a plan for every schema that the source knows now.
    pub fn preload(&mut self) -> Preloaded {
        for key in self.source.known() {
            if !self.known.contains_key(&key) {
                drop(self.answer(key, false));
            }
        }
        let is_note = |news| if let News::Note(note) = news { Some(note) } else { None };
        // Nobody has heard of anything yet that could be forgotten.
        let notes = self.news.drain(..).filter_map(is_note).collect();
        let usable = self.schemas.iter().skip(1).filter(|known| known.plan.is_some()).map(|known| known.key).collect();
        Preloaded { usable, notes }
    }

    /// Has an answer among the news, unless it is on its way: then the key is among [`Planner::arrived`] some time. Returns
    /// what it is.
    pub fn ask_now(&mut self, key: SchemaKey, is_first: bool) -> Asked {
        match self.answer(key, is_first) {
            None => Asked::Coming,
            Some(answer) => {
                let asked = if matches!(answer, Answer::Pending(_)) { Asked::Pending } else { Asked::Answered };
                self.news.push_back(News::Answer(key, answer));
                asked
            }
        }
    }

    /// Rings when [`Planner::arrived`] has something, where the source has such a bell.
    pub fn bell(&self) -> Option<Receiver<()>> {
        self.source.bell()
    }

    /// Keys that have another answer than before.
    pub fn arrived(&mut self) -> Vec<SchemaKey> {
        let keys = self.source.take_arrived();
        self.forget_refused();
        keys
    }

    /// Everything that is known of a key, found and compiled within the call; `None` where its schema is on its way.
    fn answer(&mut self, key: SchemaKey, is_first: bool) -> Option<Answer> {
        if let Some(plan) = self.known.get(&key) {
            return Some(Answer::Plan(plan.clone()));
        }
        let found = self.source.lookup(key);
        for (key, text) in self.source.take_remarks() {
            self.tell(key, Grade::Remark, text);
        }
        // The folder may have been read anew.
        self.forget_refused();
        let plan = match found {
            Lookup::Found(schema) => self.plan(key, schema),
            Lookup::Refused(why) => {
                self.tell(key, Grade::Refused, format!("schema {}: {why}", key_text(key)));
                None
            }
            Lookup::Coming => return None,
            Lookup::Pending => return Some(Answer::Pending(self.why(key))),
            Lookup::Unknown => {
                let why = || self.source.problem(key).unwrap_or_else(|| format!("schema {} is unknown", key_text(key)));
                return Some(Answer::Unknown(is_first.then(why)));
            }
        };
        self.known.insert(key, plan.clone());
        Some(Answer::Plan(plan))
    }

    fn forget_refused(&mut self) {
        for key in self.source.take_refused() {
            self.known.remove(&key);
            self.news.push_back(News::Forget(key));
        }
    }

    fn plan(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> Option<Arc<Plan>> {
        if let Some(known) = self.schemas.iter().find(|known| Arc::ptr_eq(&known.schema, &schema)) {
            return known.plan.clone();
        }
        let plan = match Plan::compile(&schema, &self.reader, &self.wanted) {
            Ok(plan) => {
                self.tell_of(key, &plan);
                Some(Arc::new(plan))
            }
            Err(problem) => {
                let grade = if problem.is_other_record { Grade::OtherRecord } else { Grade::Refused };
                self.tell(key, grade, format!("schema {}: {problem}", key_text(key)));
                None
            }
        };
        self.schemas.push(Compiled { key, schema, plan: plan.clone() });
        plan
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
        let own = self.schemas[0].plan.as_ref().map_or(&[][..], |own| own.remarks());
        let new: Vec<String> = plan.remarks().iter().filter(|text| !own.contains(text)).cloned().collect();
        new.into_iter().for_each(|text| self.tell(key, Grade::Remark, format!("schema {schema}: {text}")));
    }

    fn tell(&mut self, key: SchemaKey, grade: Grade, text: String) {
        self.news.push_back(News::Note(SchemaNote { key, grade, text }));
    }
}

/// Answers within the call: for whoever has time, and for tests.
impl Plans for Planner {
    fn ask(&mut self, key: SchemaKey, is_first: bool) {
        let answer = self.answer(key, is_first);
        let answer = answer.unwrap_or_else(|| Answer::Pending(Plans::why(self, key)));
        self.news.push_back(News::Answer(key, answer));
    }

    fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn why(&self, key: SchemaKey) -> String {
        self.source.problem(key).unwrap_or_else(|| format!("schema {} is not there yet", key_text(key)))
    }

    fn refresh(&mut self) {
        self.source.refresh();
        self.forget_refused();
    }

    fn writer(&mut self, key: SchemaKey) -> Option<Arc<AvroSchema>> {
        self.known.get(&key)?.as_ref()?;
        match self.source.lookup(key) {
            Lookup::Found(schema) => Some(schema),
            Lookup::Coming | Lookup::Pending | Lookup::Unknown | Lookup::Refused(_) => None,
        }
    }
}
