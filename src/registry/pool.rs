//! The threads that ask the registry. Nobody waits for them: they ring when there is an answer.
#![expect(clippy::disallowed_methods, reason = "threads and rests of the registry's client, which no record waits for")]

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::answers::Reach;
use super::fetch::{Fetched, Fetcher, Found};
use super::kept::Kept;
use super::keys::{AT_ONCE, Keys, Known, Next, Outcome, Question};
use crate::avro::schemas::{AvroSchema, key_text};
use crate::error::{Fatal, exit};
use crate::observe::cells::held;
use crate::observe::registry::RegistryStatus;
use crate::values::record::SchemaKey;

/// What the threads share with whoever asks.
struct Shared {
    keys: Mutex<Keys>,
    /// Something changed: a new question, an answer, the end.
    news: Condvar,
    /// Nobody asks any more.
    ended: Mutex<bool>,
    fetcher: Fetcher,
    kept: Arc<Kept>,
    status: Arc<RegistryStatus>,
    bell: Sender<()>,
    origin: Instant,
}

/// Ends its threads when it is dropped.
pub(super) struct Pool {
    shared: Arc<Shared>,
    bell: Receiver<()>,
}

impl Pool {
    /// Begins with what is kept, and what the input's producers registered last.
    ///
    /// # Errors
    /// [`exit::SYSTEM`] when a thread does not start.
    pub fn start(fetcher: Fetcher, kept: Arc<Kept>, status: Arc<RegistryStatus>) -> Result<Pool, Fatal> {
        let mut keys = Keys::new(fetcher.client().settings().lookups_per_second_max);
        let (schemas, problems) = kept.schemas();
        for problem in problems {
            tracing::warn!("a kept schema cannot be used, and is fetched anew when it is needed: {problem}");
        }
        schemas.into_iter().for_each(|(key, schema)| keys.add_kept(key, schema));
        keys.want_latest();
        let (ring, bell) = bounded(1);
        let shared = Arc::new(Shared {
            keys: Mutex::new(keys),
            news: Condvar::new(),
            ended: Mutex::new(false),
            fetcher,
            kept,
            status,
            bell: ring,
            origin: Instant::now(),
        });
        let pool = Pool { shared: Arc::clone(&shared), bell };
        for number in 0..AT_ONCE {
            let shared = Arc::clone(&shared);
            let name = format!("registry-{number}");
            let started = thread::Builder::new().name(name.clone()).spawn(move || shared.work());
            started.map_err(|error| {
                Fatal::new(exit::SYSTEM, format!("cannot start thread {name}: {error}"), "see the limits of processes")
            })?;
        }
        Ok(pool)
    }

    pub fn look_up(&self, key: SchemaKey) -> Known {
        let known = {
            let mut keys = held(&self.shared.keys);
            let known = keys.look_up(key, self.shared.now());
            self.shared.publish(&keys);
            known
        };
        if matches!(known, Known::Coming) {
            self.shared.news.notify_all();
        }
        known
    }

    pub fn why(&self, key: SchemaKey) -> Option<String> {
        held(&self.shared.keys).why(key)
    }

    pub fn known(&self) -> Vec<SchemaKey> {
        held(&self.shared.keys).known().collect()
    }

    pub fn bell(&self) -> Receiver<()> {
        self.bell.clone()
    }

    pub fn take_arrived(&self) -> Vec<SchemaKey> {
        std::mem::take(&mut held(&self.shared.keys).arrived)
    }

    pub fn take_changed(&self) -> Vec<SchemaKey> {
        std::mem::take(&mut held(&self.shared.keys).changed)
    }

    pub fn forget_refused(&self) {
        held(&self.shared.keys).forget_refused(self.shared.now());
    }

    /// Forgets what is kept beyond `max` schemas: it is fetched again should a record name it. So nothing is forgotten while
    /// the registry gives no answer.
    pub fn bound_kept(&self, max: usize) {
        if self.shared.status.is_away() || self.shared.status.answers.get() == 0 {
            return;
        }
        let mut keys = held(&self.shared.keys);
        let removed = self.shared.kept.bound(&keys.gone, max);
        if removed.is_empty() {
            return;
        }
        let gone = removed.iter().filter(|key| keys.gone.contains(key)).count();
        tracing::info!(removed = removed.len(), gone, "more than {max} schemas were kept: the oldest are forgotten");
        keys.forget_kept(&removed);
        self.shared.publish(&keys);
    }

    /// Waits until everything is asked that was to be asked at start, or the registry turns out to be away. Returns whether
    /// it was all asked.
    pub fn settle(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut keys = held(&self.shared.keys);
        while !keys.is_settled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            keys = wait(&self.shared.news, keys, Some(left));
        }
        !self.shared.status.is_away()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        *held(&self.shared.ended) = true;
        self.shared.news.notify_all();
    }
}

fn wait<'a>(news: &Condvar, keys: MutexGuard<'a, Keys>, at_most: Option<Duration>) -> MutexGuard<'a, Keys> {
    // A look once a second costs nothing, and no notice can be missed for longer.
    let at_most = at_most.unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
    news.wait_timeout(keys, at_most).map_or_else(|poisoned| poisoned.into_inner().0, |(keys, _)| keys)
}

const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Shared {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn work(&self) {
        while !*held(&self.ended) {
            let mut keys = held(&self.keys);
            let question = match keys.next(self.now()) {
                Next::Ask(question) => question,
                Next::Wait(until) => {
                    let at_most = until.map(|until| until.saturating_sub(self.now()));
                    drop(wait(&self.news, keys, at_most.map(|span| span.max(Duration::from_millis(1)))));
                    continue;
                }
            };
            drop(keys);
            let outcome = self.ask(question);
            self.take_in(question, outcome);
        }
    }

    fn ask(&self, question: Question) -> Outcome {
        let fetched = match question {
            Question::Key(key) => self.fetcher.fetch(key).map(|fetched| Some((key, fetched))),
            Question::Latest => self.fetcher.latest(),
        };
        match fetched {
            Err(away) => Outcome::Away(away),
            Ok(None | Some((_, Fetched::Unknown))) => Outcome::Nothing,
            Ok(Some((_, Fetched::Refused(why)))) => Outcome::Refused(why),
            Ok(Some((key, Fetched::Schema(Found { schema, remarks })))) => {
                remarks.iter().for_each(|remark| tracing::warn!(schema = %key, "schema {}: {remark}", key_text(key)));
                Outcome::Schema(key, schema)
            }
        }
    }

    fn take_in(&self, question: Question, outcome: Outcome) {
        self.note(&outcome);
        let mut keys = held(&self.keys);
        let was_kept = matches!(question, Question::Key(key) if keys.is_unverified(key));
        if was_kept && let (Question::Key(key), Outcome::Nothing | Outcome::Refused(_)) = (question, &outcome) {
            let key = key_text(key);
            tracing::warn!(
                "the registry no longer has schema {key}, which was fetched before: the kept one is used on"
            );
        }
        let fresh = match &outcome {
            Outcome::Schema(key, schema) => Some((*key, Arc::clone(schema))),
            _ => None,
        };
        let is_new = keys.answered(question, outcome, self.now());
        if let (true, Some((key, schema))) = (is_new, fresh) {
            self.status.fetched.add(1);
            if was_kept {
                let key = key_text(key);
                tracing::warn!("the registry has another schema as {key} than before: records are read by the new one");
            }
            self.keep(key, &schema);
        }
        self.publish(&keys);
        let rings = !keys.arrived.is_empty() || !keys.changed.is_empty();
        drop(keys);
        if rings {
            // It rings already.
            let _ = self.bell.try_send(());
        }
        self.news.notify_all();
    }

    fn keep(&self, key: SchemaKey, schema: &AvroSchema) {
        if let Err(why) = self.kept.keep(key, schema) {
            tracing::error!("schema {} is used and not kept for an outage: {why}", key_text(key));
        }
    }

    /// Tells once that the registry is away, and once that it is back.
    fn note(&self, outcome: &Outcome) {
        let now_ms = wall_ms();
        match outcome {
            Outcome::Away(away) if away.reach == Reach::Registry => {
                if self.status.set_away(now_ms, &away.to_string()) {
                    tracing::warn!("the schema registry gives no answer, and is asked again: {away}");
                }
                return;
            }
            Outcome::Away(away) => tracing::warn!("the schema registry does not answer one question: {away}"),
            _ => {}
        }
        if let Some(lasted) = self.status.set_answered(now_ms) {
            tracing::info!("the schema registry answers again, after {lasted}");
        }
    }

    fn publish(&self, keys: &Keys) {
        self.status.schemas.set(keys.schemas() as u64);
        self.status.pending.set(keys.open() as u64);
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
