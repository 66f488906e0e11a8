//! Reads the output topics back and accounts for every record by its marker. Imports nothing of what it verifies.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Fatal, exit};
use crate::kafka::load_consumer::LoadConsumer;
use crate::load::send::clock::RunClock;
use crate::load::send::generator::Shared;
use crate::load::simulate::marker::{MARKER, Marker};
use crate::load::verify::accounting::{Accounting, Layout};
use crate::load::verify::faults::Input;
use crate::load::verify::inject::Tap;
use crate::load::verify::interval::IntervalSender;
use crate::load::verify::oracle::Sampler;
use crate::load::verify::outcome::{DECISIONS, Fate, LANES, Outcome};
use crate::load::verify::reading::Reading;
use crate::load::verify::stubs::{self, Place};
use crate::values::topics::{Destination, Topics};

/// Longest wait for a record, so that the end of the run is noticed.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// How long to look out for duplicates after the last outcome.
const SETTLE_NS: u64 = 500_000_000;
/// How often onlookers get new figures.
const LIVE_EVERY_NS: u64 = 200_000_000;
/// A marker this far ahead of what was sent is not ours.
const AHEAD_MAX: u64 = 1_000_000;

/// What is looked at in an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Marker, key, place, and the output record itself.
    Full,
    /// Marker, key and place: for controls that copy bytes. Whatever is on the outputs' topic counts as scored.
    Header,
}

/// What onlookers see while a run goes on.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub accounted: u64,
    pub decisions: [u64; DECISIONS],
    pub dead_lettered: u64,
    pub put_off: u64,
    /// Promises broken so far, as far as one can tell before the end: what is lost and which scores are wrong shows only
    /// then.
    pub broken: u64,
}

/// What the verifier found.
pub struct Findings {
    pub accounting: Accounting,
    /// Reasons by the index that the tally uses.
    pub reasons: Vec<String>,
    /// Records of the output topics that belong to nobody or to another run.
    pub foreign: u64,
    /// Score of each sequence, NaN where there is none; empty when not asked for.
    pub scores: Vec<f64>,
    /// The broker's time stamp of the latest outcome, milliseconds since the epoch; `None` where a topic keeps none.
    pub last_appended_ms: Option<i64>,
    /// Numbers and scores of the records whose scores are to be checked, by number.
    pub sample: Vec<(u64, f64)>,
    /// Where the input's partitions ended before the run.
    pub input_start: Vec<i64>,
}

pub struct Verifier {
    consumer: LoadConsumer,
    /// Topics that each record has one outcome in.
    outcome_topics: usize,
    reading: Reading,
    books: Books,
    run: u64,
    clock: RunClock,
    /// Give up when nothing has come for this long after everything was sent.
    quiet: Duration,
    /// Records are being fetched.
    begun: bool,
    foreign: u64,
    /// Dead letters without marker, and where they point: their records are looked up when nothing else comes.
    stubs: Vec<(Place, Stub)>,
    bootstrap: String,
    properties: BTreeMap<String, String>,
    input: String,
    input_start: Vec<i64>,
}

/// An outcome whose record is not known yet.
#[derive(Clone, Copy)]
struct Stub {
    outcome: Outcome,
    appended_ms: Option<i64>,
}

/// Where outcomes are entered.
struct Books {
    accounting: Accounting,
    tap: Box<dyn Tap>,
    scores: Option<Vec<f64>>,
    sampler: Option<Sampler>,
    /// 0 before the first outcome.
    last_appended_ms: Option<i64>,
}

impl Books {
    fn enter(&mut self, outcome: Outcome, appended_ms: Option<i64>, reading: &Reading) {
        let Books { accounting, tap, scores, sampler, last_appended_ms } = self;
        if let (Some(scores), Fate::Scored { score, .. }) = (scores.as_mut(), outcome.fate) {
            keep_score(scores, outcome.marker.sequence, score);
        }
        let accounted = accounting.accounted();
        tap.on_output(outcome, &mut |outcome| {
            accounting.count(&outcome, &|index, name| reading.reason_is(index, name));
            if let (Some(sampler), Fate::Scored { score, .. }, false) =
                (sampler.as_mut(), outcome.fate, outcome.by_fallback)
            {
                sampler.offer(outcome.marker.sequence, score);
            }
        });
        if accounting.accounted() > accounted {
            // One without a stamp spoils them all: the latest could be that one.
            *last_appended_ms = last_appended_ms.zip(appended_ms).map(|(last, this)| last.max(this));
        }
    }
}

/// What a verifier is told.
pub struct VerifierPlan<'a> {
    pub bootstrap: &'a str,
    pub properties: &'a BTreeMap<String, String>,
    pub topics: &'a Topics,
    /// Whether records may be put off: then their letters are read too.
    pub retry_later: bool,
    /// The Avro schemas that records of `model-outputs` may have, as text, the most likely one first.
    pub output_schemas: &'a [&'a str],
    pub run: u64,
    pub clock: RunClock,
    pub quiet: Duration,
    /// About how many records, for sizing tables.
    pub expected: u64,
    pub keep_scores: bool,
    pub check: Check,
    /// Picks the records whose scores are checked after the run.
    pub sampler: Option<Sampler>,
}

impl Verifier {
    /// Connects and notes where the output topics end now: the run may start after this.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::start`]; [`exit::INTERNAL`] when the schema of the outputs lacks what is looked at.
    pub fn start(plan: &VerifierPlan<'_>, tap: Box<dyn Tap>) -> Result<Verifier, Fatal> {
        let topics = plan.topics;
        // In the order of a fate's lanes, and the copies behind them.
        let mut read = vec![Destination::Outputs, Destination::DeadLetters, Destination::Timeouts];
        read.extend(plan.retry_later.then_some(Destination::RetryLater));
        let outcome_topics = read.len();
        read.push(Destination::Review);
        let reading = Reading::new(read.clone(), (plan.check == Check::Full).then_some(plan.output_schemas))
            .map_err(|what| Fatal::new(exit::INTERNAL, format!("the schema of the outputs: {what}"), "report this"))?;
        let names: Vec<&str> = read.iter().map(|to| topics[*to].as_str()).collect();
        let consumer = LoadConsumer::start(plan.bootstrap, plan.properties, &names, MARKER)?;
        let mut layout = Layout { input: consumer.partitions(topics.input())?, destinations: [0; LANES] };
        for (partitions, topic) in layout.destinations.iter_mut().zip(&names[..outcome_topics]) {
            *partitions = consumer.partitions(topic)?;
        }
        let input_start = consumer.ends_of(topics.input())?;
        Ok(Verifier {
            consumer,
            outcome_topics,
            reading,
            books: Books {
                accounting: Accounting::new(layout, plan.expected),
                tap,
                scores: plan.keep_scores.then(Vec::new),
                sampler: plan.sampler.clone(),
                last_appended_ms: Some(0),
            },
            run: plan.run,
            clock: plan.clock,
            quiet: plan.quiet,
            begun: false,
            foreign: 0,
            stubs: Vec::new(),
            bootstrap: plan.bootstrap.to_owned(),
            properties: plan.properties.clone(),
            input: topics.input().clone(),
            input_start,
        })
    }

    /// Partitions of the input topic.
    pub fn input_partitions(&self) -> i32 {
        self.books.accounting.layout().input
    }

    /// Has the client fetch ahead from now on: before records are sent whose outcomes are to be timed as they come.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::begin`].
    pub fn begin(&mut self) -> Result<(), Fatal> {
        self.begun = true;
        self.consumer.begin()
    }

    /// By how many outcomes the topics have grown since the start, without reading them. A transaction's marker looks
    /// like one, and so does what takes a letter's place.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::grown`].
    pub fn outcomes_at_ends(&self) -> Result<u64, Fatal> {
        self.consumer.grown(self.outcome_topics)
    }

    /// Reads until every record sent is accounted for, or nothing has come for too long. Latencies go to `intervals`.
    ///
    /// # Errors
    /// Those of the consumer.
    pub fn read_back(
        mut self,
        shared: &Shared,
        live: &Mutex<Live>,
        mut intervals: IntervalSender,
    ) -> Result<Findings, Fatal> {
        if !self.begun {
            self.begin()?;
        }
        let mut last_outcome_ns = self.clock.now_ns();
        let mut shown_ns = 0;
        loop {
            let came = self.read_one(shared)? || self.look_up_stubs()?;
            let now_ns = self.clock.now_ns();
            intervals.turn(self.clock.wall_us(now_ns), &mut self.books.accounting.interval);
            if came || !shared.sending_done.load(Ordering::Acquire) {
                last_outcome_ns = now_ns;
            }
            if now_ns - shown_ns > LIVE_EVERY_NS {
                shown_ns = now_ns;
                self.show(live);
            }
            if shared.abandon.load(Ordering::Relaxed) {
                break;
            }
            if !came && shared.sending_done.load(Ordering::Acquire) {
                let all = self.books.accounting.accounted() >= shared.sent.load(Ordering::Acquire);
                let enough_ns = if all { SETTLE_NS } else { self.quiet.as_nanos() as u64 };
                if now_ns - last_outcome_ns > enough_ns {
                    break;
                }
            }
        }
        intervals.send(&mut self.books.accounting.interval);
        self.show(live);
        let Books { accounting, scores, sampler, last_appended_ms, .. } = self.books;
        Ok(Findings {
            accounting,
            reasons: self.reading.reasons,
            foreign: self.foreign,
            scores: scores.unwrap_or_default(),
            last_appended_ms: last_appended_ms.filter(|ms| *ms > 0),
            sample: sampler.map(Sampler::into_sorted).unwrap_or_default(),
            input_start: self.input_start,
        })
    }

    fn read_one(&mut self, shared: &Shared) -> Result<bool, Fatal> {
        let Verifier { consumer, reading, books, run, clock, foreign, stubs, input, .. } = self;
        consumer.poll(POLL_WAIT, &mut |record| {
            let read_us = clock.wall_us(clock.now_ns());
            let ahead = shared.sent.load(Ordering::Relaxed) + AHEAD_MAX;
            let Some(marker) = record.marker.and_then(Marker::from_bytes) else {
                match Place::of(record, input) {
                    Some(place) => {
                        let outcome = Outcome { is_stub: true, ..reading.outcome(record, Marker::default(), read_us) };
                        stubs.push((place, Stub { outcome, appended_ms: record.appended_ms }));
                    }
                    None => *foreign += 1,
                }
                return;
            };
            if marker.run == *run && marker.sequence < ahead {
                books.enter(reading.outcome(record, marker, read_us), record.appended_ms, reading);
            } else {
                *foreign += 1;
            }
        })
    }

    /// Enters the records that dead letters without marker point to. Answers whether there were such letters. To be called
    /// when nothing else comes: what comes meanwhile is read late.
    fn look_up_stubs(&mut self) -> Result<bool, Fatal> {
        if self.stubs.is_empty() {
            return Ok(false);
        }
        let (places, stubs): (Vec<Place>, Vec<Stub>) = std::mem::take(&mut self.stubs).into_iter().unzip();
        let kept = self.consumer.starts_of(&self.input)?;
        let start: Vec<i64> = self.input_start.iter().zip(kept).map(|(start, kept)| kept.max(*start)).collect();
        let input =
            Input { bootstrap: &self.bootstrap, properties: &self.properties, topic: &self.input, start: &start };
        let mut is_ours = vec![false; stubs.len()];
        stubs::read_at(&places, &input, self.run, &mut |index, marker| {
            is_ours[index] = true;
            let Stub { outcome, appended_ms } = stubs[index];
            self.books.enter(Outcome { marker, ..outcome }, appended_ms, &self.reading);
        })?;
        self.foreign += is_ours.into_iter().filter(|is_ours| !is_ours).count() as u64;
        Ok(true)
    }

    fn show(&self, live: &Mutex<Live>) {
        // An onlooker may be drawing: it sees the next figures.
        let Ok(mut live) = live.try_lock() else { return };
        let tally = &self.books.accounting.tally;
        *live = Live {
            accounted: self.books.accounting.accounted(),
            decisions: tally.decisions,
            dead_lettered: tally.dead_lettered,
            put_off: tally.put_off,
            broken: tally.duplicated
                + tally.out_of_order
                + tally.misplaced
                + tally.malformed
                + tally.poison_scored
                + tally.wrong_reason,
        };
    }
}

fn keep_score(scores: &mut Vec<f64>, sequence: u64, score: f64) {
    let index = sequence as usize;
    if index >= scores.len() {
        scores.resize((index + 1).next_power_of_two(), f64::NAN);
    }
    scores[index] = score;
}
