//! Reads the output topics back and accounts for every record by its marker. Imports nothing of what it verifies.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Fatal, exit};
use crate::kafka::load_consumer::{LoadConsumer, OutputRecord};
use crate::load::send::clock::RunClock;
use crate::load::send::generator::Shared;
use crate::load::simulate::marker::{MARKER, Marker, murmur2};
use crate::load::verify::accounting::{Accounting, Layout};
use crate::load::verify::inject::Tap;
use crate::load::verify::interval::IntervalSender;
use crate::load::verify::oracle::Sampler;
use crate::load::verify::outcome::{DECISIONS, Fate, Outcome, Stamps};
use crate::load::verify::projection::{Field, Projection, without_prefix};
use crate::values::topics::{Destination, Topics};

/// Fields of the output record that are looked at; the third one names the source partition.
const WANTED: [&str; 5] = ["decision", "score", "source.partition", "received_at", "scored_at"];
/// So many of them every schema of outputs must have; the stamps behind them are good to have.
const NEEDED: usize = 3;

/// Longest wait for a record, so that the end of the run is noticed.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// How long to look out for duplicates after the last outcome.
const SETTLE_NS: u64 = 500_000_000;
/// How often onlookers get new figures.
const LIVE_EVERY_NS: u64 = 200_000_000;
/// Distinct reasons told apart; more would be no vocabulary any more.
const REASONS_MAX: usize = 64;
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
    /// One for each version of the outputs' schema.
    projections: Vec<Projection>,
    accounting: Accounting,
    tap: Box<dyn Tap>,
    run: u64,
    clock: RunClock,
    /// Give up when nothing has come for this long after everything was sent.
    quiet: Duration,
    /// Records are being fetched.
    begun: bool,
    reasons: Vec<String>,
    foreign: u64,
    scores: Option<Vec<f64>>,
    /// 0 before the first outcome.
    last_appended_ms: Option<i64>,
    check: Check,
    sampler: Option<Sampler>,
    input_start: Vec<i64>,
}

/// What a verifier is told.
pub struct VerifierPlan<'a> {
    pub bootstrap: &'a str,
    pub properties: &'a BTreeMap<String, String>,
    pub topics: &'a Topics,
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
        let projections = projections(plan.output_schemas)
            .map_err(|what| Fatal::new(exit::INTERNAL, format!("the schema of the outputs: {what}"), "report this"))?;
        let topics = plan.topics;
        let read = [Destination::Outputs, Destination::DeadLetters, Destination::Timeouts, Destination::Review];
        let read = read.map(|to| topics[to].as_str());
        let consumer = LoadConsumer::start(plan.bootstrap, plan.properties, &read, MARKER)?;
        let layout = Layout {
            input: consumer.partitions(topics.input())?,
            destinations: [
                consumer.partitions(&topics[Destination::Outputs])?,
                consumer.partitions(&topics[Destination::DeadLetters])?,
                consumer.partitions(&topics[Destination::Timeouts])?,
            ],
        };
        let input_start = consumer.ends_of(topics.input())?;
        Ok(Verifier {
            consumer,
            projections,
            accounting: Accounting::new(layout, plan.expected),
            tap,
            run: plan.run,
            clock: plan.clock,
            quiet: plan.quiet,
            begun: false,
            reasons: Vec::new(),
            foreign: 0,
            scores: plan.keep_scores.then(Vec::new),
            last_appended_ms: Some(0),
            check: plan.check,
            sampler: plan.sampler.clone(),
            input_start,
        })
    }

    /// Partitions of the input topic.
    pub fn input_partitions(&self) -> i32 {
        self.accounting.layout().input
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
    /// like one.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::grown`].
    pub fn outcomes_at_ends(&self) -> Result<u64, Fatal> {
        self.consumer.grown(OUTCOME_TOPICS)
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
            let came = self.read_one(shared)?;
            let now_ns = self.clock.now_ns();
            intervals.turn(self.clock.wall_us(now_ns), &mut self.accounting.interval);
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
                let all = self.accounting.accounted() >= shared.sent.load(Ordering::Acquire);
                let enough_ns = if all { SETTLE_NS } else { self.quiet.as_nanos() as u64 };
                if now_ns - last_outcome_ns > enough_ns {
                    break;
                }
            }
        }
        intervals.send(&mut self.accounting.interval);
        self.show(live);
        Ok(Findings {
            accounting: self.accounting,
            reasons: self.reasons,
            foreign: self.foreign,
            scores: self.scores.unwrap_or_default(),
            last_appended_ms: self.last_appended_ms.filter(|ms| *ms > 0),
            sample: self.sampler.map(Sampler::into_sorted).unwrap_or_default(),
            input_start: self.input_start,
        })
    }

    fn read_one(&mut self, shared: &Shared) -> Result<bool, Fatal> {
        let Verifier {
            consumer,
            projections,
            accounting,
            tap,
            run,
            clock,
            reasons,
            foreign,
            scores,
            last_appended_ms,
            check,
            sampler,
            ..
        } = self;
        let projections = Some(&**projections).filter(|_| *check == Check::Full);
        consumer.poll(POLL_WAIT, &mut |record| {
            let read_us = clock.wall_us(clock.now_ns());
            let ahead = shared.sent.load(Ordering::Relaxed) + AHEAD_MAX;
            let marker = record.marker.and_then(Marker::from_bytes);
            let Some(marker) = marker.filter(|marker| marker.run == *run && marker.sequence < ahead) else {
                *foreign += 1;
                return;
            };
            let outcome = outcome_of(record, marker, read_us, projections, reasons);
            if let (Some(scores), Fate::Scored { score, .. }) = (scores.as_mut(), outcome.fate) {
                keep_score(scores, marker.sequence, score);
            }
            let accounted = accounting.accounted();
            let reason_is = |index: u8, name: &str| reasons.get(usize::from(index)).is_some_and(|known| known == name);
            tap.on_output(outcome, &mut |outcome| {
                accounting.count(&outcome, &reason_is);
                if let (Some(sampler), Fate::Scored { score, .. }) = (sampler.as_mut(), outcome.fate) {
                    sampler.offer(outcome.marker.sequence, score);
                }
            });
            if accounting.accounted() > accounted {
                // One without a stamp spoils them all: the latest could be that one.
                *last_appended_ms = last_appended_ms.zip(record.appended_ms).map(|(last, this)| last.max(this));
            }
        })
    }

    fn show(&self, live: &Mutex<Live>) {
        // An onlooker may be drawing: it sees the next figures.
        let Ok(mut live) = live.try_lock() else { return };
        let tally = &self.accounting.tally;
        *live = Live {
            accounted: self.accounting.accounted(),
            decisions: tally.decisions,
            dead_lettered: tally.dead_lettered,
            broken: tally.duplicated
                + tally.out_of_order
                + tally.misplaced
                + tally.malformed
                + tally.poison_scored
                + tally.wrong_reason,
        };
    }
}

/// Index of the outputs' topic and of the others in the list that the consumer was started with.
const OUTPUTS: usize = 0;
const DEAD_LETTERS: usize = 1;
const TIMEOUTS: usize = 2;
/// Those before the review topic: each record has one outcome there.
const OUTCOME_TOPICS: usize = 3;

fn projections(schemas: &[&str]) -> Result<Vec<Projection>, String> {
    let projection = |schema| Projection::new(schema, &WANTED).or_else(|_| Projection::new(schema, &WANTED[..NEEDED]));
    schemas.iter().copied().map(projection).collect()
}

fn outcome_of(
    record: &OutputRecord<'_>,
    marker: Marker,
    read_us: i64,
    projections: Option<&[Projection]>,
    reasons: &mut Vec<String>,
) -> Outcome {
    let (mut claimed_partition, mut stamps) = (None, None);
    let fate = match (record.topic, projections) {
        (OUTPUTS, None) => Fate::Unread,
        (OUTPUTS, Some(projections)) => {
            let mut fields = [Field::Absent; WANTED.len()];
            let mut reads = |by: &Projection, value| by.read(without_prefix(value), &mut fields[..by.wanted()]);
            // A datum is read to its last byte: it is of one version alone.
            let sound = record.value.is_some_and(|value| projections.iter().any(|by| reads(by, value)));
            match fields {
                [Field::Long(decision), Field::Double(score), Field::Long(partition), received, scored] if sound => {
                    claimed_partition = Some(partition);
                    if let (Field::Long(received_us), Field::Long(scored_us)) = (received, scored) {
                        stamps = Some(Stamps { received_us, scored_us });
                    }
                    Fate::Scored { decision: u8::try_from(decision).unwrap_or(u8::MAX), score }
                }
                _ => Fate::Unreadable,
            }
        }
        (DEAD_LETTERS, _) => Fate::DeadLettered { reason: reason_index(record.reason, reasons) },
        (TIMEOUTS, _) => Fate::TimedOut { reason: reason_index(record.reason, reasons) },
        _ => Fate::Review,
    };
    let key_hash = record.key.map_or(0, murmur2);
    Outcome { marker, fate, partition: record.partition, key_hash, claimed_partition, read_us, stamps }
}

fn keep_score(scores: &mut Vec<f64>, sequence: u64, score: f64) {
    let index = sequence as usize;
    if index >= scores.len() {
        scores.resize((index + 1).next_power_of_two(), f64::NAN);
    }
    scores[index] = score;
}

/// The index of a reason, which is new or known.
fn reason_index(reason: Option<&[u8]>, reasons: &mut Vec<String>) -> u8 {
    let text = reason.and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or("(none)");
    let index = reasons.iter().position(|known| known == text).unwrap_or_else(|| {
        if reasons.len() < REASONS_MAX {
            reasons.push(text.to_owned());
        }
        reasons.len() - 1
    });
    index as u8
}
