//! What is known of each id and GUID, what is to be asked next, and when. It asks nothing itself, and time is handed to it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::answers::{Away, Reach};
use super::pace::{Bucket, Gate, rest};
use crate::avro::schemas::AvroSchema;
use crate::values::record::SchemaKey;

/// Requests at a time.
pub(super) const AT_ONCE: usize = 2;
/// Keys that are asked for, at most: they come from payloads. More than all lanes of a node have open.
pub(super) const OPEN_MAX: usize = 4_096;
/// Keys that the registry does not have, remembered. Those beyond are asked for again, within the rate.
const UNKNOWN_MAX: usize = 8_192;
/// A key that is not found may have been registered a moment ago, at another server of the registry: it is asked for once
/// more. A flood of them is not.
const GRACE: Duration = Duration::from_secs(2);
const GRACES_AT_ONCE: f64 = 16.0;
const GRACES_PER_SECOND: f64 = 0.1;
/// Registries number schemas as they come. One of the ids that follow the highest known one is asked for once more whatever
/// others used up: so ids that nobody knows, however many, cannot turn a new schema's first records into dead letters.
const NEXT_IDS: u32 = 64;
/// How long it holds that the registry does not have a key, or has something that cannot be used.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// How often a registry that nobody has a question for is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// What is asked of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Key(SchemaKey),
    /// What the input's producers registered last, so that its first record finds its plan made.
    Latest,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Schema(SchemaKey, Arc<AvroSchema>),
    /// The registry has none.
    Nothing,
    Refused(String),
    Away(Away),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ask(Question),
    /// Until then, or until something changes.
    Wait(Option<Duration>),
}

/// What a key's asker hears.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Schema(Arc<AvroSchema>),
    Coming,
    /// It is not to be had now.
    Pending,
    Unknown,
    Refused(String),
}

#[derive(Debug)]
enum Entry {
    Open(Open),
    Schema { schema: Arc<AvroSchema>, is_fresh: bool },
    Unknown { until: Duration },
    Refused { why: String, until: Duration },
}

#[derive(Debug, Default)]
struct Open {
    failures: u32,
    misses: u32,
    why: Option<String>,
}

#[derive(Debug)]
pub(super) struct Keys {
    entries: HashMap<SchemaKey, Entry>,
    /// Each text once: many ids may stand for one schema, which is compiled once.
    texts: HashMap<String, Arc<AvroSchema>>,
    wanted: VecDeque<Question>,
    /// Kept on disk: asked again once, when there is nothing else to do.
    to_verify: VecDeque<SchemaKey>,
    later: Vec<(Duration, Question)>,
    under_way: HashSet<SchemaKey>,
    requests: usize,
    gate: Gate,
    /// When the registry is asked for its newest schema, if nothing else is asked until then: whether it is there is known
    /// before somebody needs it.
    probe_at: Duration,
    bucket: Bucket,
    graces: Bucket,
    /// The highest id that has a schema, or had one.
    highest: Option<u32>,
    /// How many entries are of these kinds.
    schemas: usize,
    open: usize,
    unknown: usize,
    /// Keys that somebody waits for and that have an answer.
    pub arrived: Vec<SchemaKey>,
    /// Keys whose earlier answer holds no more.
    pub changed: Vec<SchemaKey>,
    /// Kept ones that the registry no longer has.
    pub gone: Vec<SchemaKey>,
}

impl Keys {
    pub fn new(per_second: u32) -> Keys {
        let per_second = f64::from(per_second);
        Keys {
            entries: HashMap::new(),
            texts: HashMap::new(),
            wanted: VecDeque::new(),
            to_verify: VecDeque::new(),
            later: Vec::new(),
            under_way: HashSet::new(),
            requests: 0,
            gate: Gate::default(),
            probe_at: PROBE_EVERY,
            bucket: Bucket::new(per_second, per_second),
            graces: Bucket::new(GRACES_AT_ONCE, GRACES_PER_SECOND),
            highest: None,
            schemas: 0,
            open: 0,
            unknown: 0,
            arrived: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// What the disk has. It counts until the registry says otherwise.
    pub fn add_kept(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) {
        let schema = self.shared(schema);
        self.set(key, Entry::Schema { schema, is_fresh: false });
        self.to_verify.push_back(key);
    }

    pub fn want_latest(&mut self) {
        self.wanted.push_back(Question::Latest);
    }

    pub fn known(&self) -> impl Iterator<Item = SchemaKey> {
        self.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Schema { .. })).map(|(key, _)| *key)
    }

    pub fn schemas(&self) -> usize {
        self.schemas
    }

    /// Ids and GUIDs that are being asked for.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Nothing is left to ask now, or nobody is there to be asked.
    pub fn is_settled(&self) -> bool {
        self.gate.is_away() || (self.requests == 0 && self.wanted.is_empty() && self.to_verify.is_empty())
    }

    pub fn is_unverified(&self, key: SchemaKey) -> bool {
        matches!(self.entries.get(&key), Some(Entry::Schema { is_fresh: false, .. }))
    }

    /// What is known of a key; asks for it where that is nothing.
    pub fn look_up(&mut self, key: SchemaKey, now: Duration) -> Known {
        match self.entries.get(&key) {
            Some(Entry::Schema { schema, .. }) => return Known::Schema(Arc::clone(schema)),
            Some(Entry::Open(Open { why: None, .. })) => return Known::Coming,
            Some(Entry::Open(_)) => return Known::Pending,
            Some(Entry::Refused { why, .. }) => return Known::Refused(why.clone()),
            Some(Entry::Unknown { until }) if now < *until => return Known::Unknown,
            Some(Entry::Unknown { .. }) | None => {}
        }
        if self.open >= OPEN_MAX {
            return Known::Pending;
        }
        self.set(key, Entry::Open(Open::default()));
        self.wanted.push_back(Question::Key(key));
        Known::Coming
    }

    /// Why a key is not there.
    pub fn why(&self, key: SchemaKey) -> Option<String> {
        match self.entries.get(&key) {
            Some(Entry::Open(open)) => open.why.clone(),
            None if self.open >= OPEN_MAX => Some(format!("more than {OPEN_MAX} other schemas are being asked for")),
            _ => None,
        }
    }

    /// Forgets what cannot be used after a while: a bad answer is no answer for ever.
    pub fn forget_refused(&mut self, now: Duration) {
        let old = |(key, entry): (&SchemaKey, &Entry)| match entry {
            Entry::Refused { until, .. } if now >= *until => Some(*key),
            _ => None,
        };
        let old: Vec<SchemaKey> = self.entries.iter().filter_map(old).collect();
        old.iter().for_each(|key| drop(self.entries.remove(key)));
        self.changed.extend(old);
    }

    /// Forgets schemas that are not kept any more, before anybody has asked for them.
    pub fn forget_kept(&mut self, keys: &[SchemaKey]) {
        for key in keys {
            if matches!(self.entries.get(key), Some(Entry::Schema { .. })) {
                self.entries.remove(key);
                self.schemas -= 1;
            }
        }
        self.to_verify.retain(|key| self.entries.contains_key(key));
        self.texts.retain(|_, schema| Arc::strong_count(schema) > 1);
    }

    pub fn next(&mut self, now: Duration) -> Next {
        let due = self.later.extract_if(.., |(at, _)| *at <= now).map(|(_, question)| question);
        self.wanted.extend(due);
        let is_idle = self.wanted.is_empty() && self.to_verify.is_empty();
        if is_idle && !self.gate.is_away() && now < self.probe_at {
            let later = self.later.iter().map(|(at, _)| *at);
            return Next::Wait(later.chain([self.probe_at]).min());
        }
        if let Err(until) = self.gate.ask(now, self.requests, AT_ONCE) {
            return Next::Wait(until);
        }
        if let Err(until) = self.bucket.take(now) {
            return Next::Wait(Some(until));
        }
        let question = match self.wanted.pop_front() {
            Some(question) => question,
            None => self.to_verify.pop_front().map_or(Question::Latest, Question::Key),
        };
        if let Question::Key(key) = question {
            self.under_way.insert(key);
        }
        self.requests += 1;
        self.probe_at = now + PROBE_EVERY;
        Next::Ask(question)
    }

    /// Takes in what came of a question. Returns whether the disk lacks the schema now.
    pub fn answered(&mut self, question: Question, outcome: Outcome, now: Duration) -> bool {
        self.requests -= 1;
        if let Question::Key(key) = question {
            self.under_way.remove(&key);
        }
        match outcome {
            Outcome::Away(away) => {
                self.failed(question, away, now);
                return false;
            }
            Outcome::Schema(key, schema) => {
                self.gate.answered();
                return self.found(key, schema);
            }
            Outcome::Nothing | Outcome::Refused(_) => self.gate.answered(),
        }
        let Question::Key(key) = question else { return false };
        if let Some(Entry::Schema { is_fresh, .. }) = self.entries.get_mut(&key) {
            // It was there once, and records may still name it: a good schema is never forgotten.
            *is_fresh = true;
            if matches!(outcome, Outcome::Nothing) {
                self.gone.push(key);
            }
            return false;
        }
        match outcome {
            Outcome::Refused(why) => self.settle(key, Entry::Refused { why, until: now + REFUSED_FOR }),
            _ => self.missed(key, now),
        }
        false
    }

    fn found(&mut self, key: SchemaKey, schema: Arc<AvroSchema>) -> bool {
        let schema = self.shared(schema);
        if let Some(Entry::Schema { schema: before, is_fresh }) = self.entries.get_mut(&key) {
            *is_fresh = true;
            // A registry may spell one schema in two ways, by its id and by its subject.
            if Arc::ptr_eq(before, &schema) || before.is_same_as(&schema) {
                return false;
            }
            *before = schema;
            self.changed.push(key);
            return true;
        }
        self.settle(key, Entry::Schema { schema, is_fresh: true });
        true
    }

    fn missed(&mut self, key: SchemaKey, now: Duration) {
        if let Some(Entry::Open(open)) = self.entries.get_mut(&key)
            && open.misses == 0
            && (is_next(key, self.highest) || self.graces.take(now).is_ok())
        {
            open.misses += 1;
            self.later.push((now + GRACE, Question::Key(key)));
            return;
        }
        if self.unknown >= UNKNOWN_MAX {
            self.entries.retain(|_, entry| !matches!(entry, Entry::Unknown { .. }));
            self.unknown = 0;
        }
        self.settle(key, Entry::Unknown { until: now + UNKNOWN_FOR });
    }

    fn failed(&mut self, question: Question, away: Away, now: Duration) {
        let of_registry = away.reach == Reach::Registry;
        match of_registry {
            true => self.gate.failed(now, away.retry_after),
            false => self.gate.answered(),
        }
        let Question::Key(key) = question else {
            // Nothing waits for it: the first record asks for its own schema.
            return;
        };
        match self.entries.get_mut(&key) {
            Some(Entry::Open(open)) => {
                open.failures += 1;
                open.why = Some(away.to_string());
                let wait = if of_registry { Duration::ZERO } else { rest(open.failures).max(Duration::from_secs(1)) };
                self.arrived.push(key);
                match of_registry {
                    // The gate says when; others go first, so that one bad answer stops nobody else.
                    true => self.wanted.push_back(question),
                    false => self.later.push((now + wait, question)),
                }
            }
            Some(Entry::Schema { is_fresh: false, .. }) if of_registry => self.to_verify.push_back(key),
            _ => {}
        }
    }

    fn settle(&mut self, key: SchemaKey, entry: Entry) {
        self.set(key, entry);
        self.arrived.push(key);
    }

    fn set(&mut self, key: SchemaKey, entry: Entry) {
        if let (SchemaKey::Id(id), Entry::Schema { .. }) = (key, &entry) {
            self.highest = self.highest.max(Some(id));
        }
        if let Some(counter) = self.counter(&entry) {
            *counter += 1;
        }
        let before = self.entries.insert(key, entry);
        if let Some(counter) = before.and_then(|before| self.counter(&before)) {
            *counter -= 1;
        }
    }

    fn counter(&mut self, of: &Entry) -> Option<&mut usize> {
        match of {
            Entry::Schema { .. } => Some(&mut self.schemas),
            Entry::Open(_) => Some(&mut self.open),
            Entry::Unknown { .. } => Some(&mut self.unknown),
            Entry::Refused { .. } => None,
        }
    }

    /// The one schema of this text.
    fn shared(&mut self, schema: Arc<AvroSchema>) -> Arc<AvroSchema> {
        Arc::clone(self.texts.entry(schema.text().to_owned()).or_insert(schema))
    }
}

fn is_next(key: SchemaKey, highest: Option<u32>) -> bool {
    match (key, highest) {
        (SchemaKey::Id(id), Some(highest)) => id > highest && id - highest <= NEXT_IDS,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
