//! From a decided record to its outcomes: the output (with a review copy before it) or the dead letter, in source
//! order. Stops where the sink is full and goes on there next time; nothing is dropped, doubled or overtaken. What the
//! broker refuses for good is another outcome the next time ([`Refusals`]).

use std::ffi::CStr;

use super::dead_letter::DeadLetterHeaders;
use super::outcome_header::{AMENDMENT_HEADER, ByDecision, FALLBACK_HEADER, OUTCOME_HEADER};
use super::refusals::{Refusals, Resort};
use super::retry_letter::RetryHeaders;
use super::stopwatch::{Stopwatch, Stopwatches};
use crate::avro::encode::OutcomeEncoder;
use crate::doors::{Destination, Outgoing, Part, SendError, Sink, SourceRecord};
use crate::error::Reject;
use crate::failpoint::{Bug, planted};
use crate::lane::ledger::{Assignment, Fate, Ledger};
use crate::lane::score::{Batch, Decided, Item, Verdict};
use crate::observe::stats::LaneStats;
use crate::values::letters::Holds;
use crate::values::record::{ReviewReason, Tag};
use crate::values::settings::PayloadPolicy;

/// How far ahead of the broker's clock a timestamp may be (`message.timestamp.after.max.ms`, by default an hour), less
/// what the two clocks may be apart.
const AHEAD_MAX_MS: i64 = 55 * 60 * 1_000;

/// How far the batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emitted {
    All,
    /// The sink is full; call again after serving it.
    Full,
}

/// How outputs say who decided.
pub struct Voice {
    pub encoder: OutcomeEncoder,
    /// Values of the output's header.
    pub headers: ByDecision,
    /// The value of the header that names the step of the fallback.
    pub fallback: Option<Vec<u8>>,
}

/// What the configuration and the package say about outcomes.
pub struct EmitSettings {
    /// By the step that decides: the model, then those of the fallback.
    pub voices: Vec<Voice>,
    pub headers: DeadLetterHeaders,
    /// Where the fallback ends in letters that are scored again later.
    pub retry: Option<RetryHeaders>,
    /// Partitions of the input topic: where an output topic has as many, records keep theirs.
    pub input_partitions: i32,
    pub outcome_bytes_max: usize,
    pub review_payload: PayloadPolicy,
    pub dead_letter_payload: PayloadPolicy,
}

/// How far a batch is handed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// The item to go on with, and whether its review copy is out.
    next: usize,
    review_sent: bool,
}

/// Hands batches over, one after the other.
pub struct Emit {
    pub(super) settings: EmitSettings,
    at: Cursor,
    value: Vec<u8>,
    pub(super) id: Vec<u8>,
    refusals: Refusals,
}

/// Where the outcomes of a record go, and when its batch was scored.
struct Outlet<'a, K> {
    assignment: &'a mut Assignment,
    stopwatch: &'a mut Stopwatch,
    sink: &'a mut K,
    stats: &'a LaneStats,
    input_partitions: i32,
    scored_ns: u64,
    scored_us: i64,
}

impl<K> Outlet<'_, K> {
    fn now_ms(&self) -> i64 {
        self.scored_us / 1_000
    }

    /// See [`kept_partition`].
    fn partition<R: SourceRecord>(&self, item: &Item<R>, to: Destination) -> Option<i32>
    where
        K: Sink<R>,
    {
        kept_partition(self.input_partitions, self.sink, to, item.origin().partition)
    }

    /// A letter with all that the record brought.
    fn letter<'a, R: SourceRecord>(
        &self,
        item: &Item<R>,
        to: Destination,
        headers: &'a [(&'a CStr, &'a [u8])],
    ) -> Outgoing<'a>
    where
        K: Sink<R>,
    {
        Outgoing {
            destination: to,
            tag: Tag::new(item.assignment, item.sequence),
            partition: self.partition(item, to),
            key: Part::OfSource,
            value: Part::OfSource,
            timestamp_ms: timestamp_that_is_taken(item.record.timestamp_ms(), self.now_ms()),
            headers,
            forward: true,
        }
    }

    /// Tells the ledger what to wait for, before the first outcome is handed over.
    fn announce<R>(&mut self, item: &Item<R>, outcomes: u8, fate: Fate) {
        self.assignment.announce(item.sequence, outcomes, fate);
        self.stopwatch.announced(item.sequence, item.receipt.ns, self.scored_ns);
    }
}

impl Emit {
    pub fn new(settings: EmitSettings) -> Emit {
        let (value, id) = (Vec::with_capacity(4096), Vec::with_capacity(256));
        Emit { settings, at: Cursor::default(), value, id, refusals: Refusals::default() }
    }

    pub(super) fn encoder(&self) -> &OutcomeEncoder {
        &self.settings.voices[0].encoder
    }

    pub(super) fn refusals(&mut self) -> &mut Refusals {
        &mut self.refusals
    }

    /// Starts a fresh batch.
    pub(super) fn begin(&mut self) {
        self.at = Cursor::default();
    }

    /// Hands over what is left of the batch. Items whose assignment is gone are skipped: they were handed back.
    pub(super) fn run<R: SourceRecord, K: Sink<R>>(
        &mut self,
        batch: &mut Batch<R>,
        ledger: &mut Ledger,
        stopwatches: &mut Stopwatches,
        sink: &mut K,
        stats: &LaneStats,
    ) -> Result<Emitted, SendError> {
        let (scored_ns, scored_us) = (batch.rows.scored_ns, batch.rows.scored_us);
        // Neighbours of one assignment share a look-up.
        let (mut run, mut assigned) = (None, None);
        while self.at.next < batch.items.len() {
            let item = &mut batch.items[self.at.next];
            if run != Some(item.assignment) {
                run = Some(item.assignment);
                assigned = ledger.of_id(item.assignment).map(|found| (found, stopwatches.announcing(item.assignment)));
            }
            if let Some((assignment, stopwatch)) = &mut assigned {
                if self.refusals.is_active() && !self.refusals.admit(item.record.position(), sink.in_flight()) {
                    return Ok(Emitted::Full);
                }
                let input_partitions = self.settings.input_partitions;
                let mut outlet = Outlet { assignment, stopwatch, sink, stats, input_partitions, scored_ns, scored_us };
                match self.one(item, &mut outlet) {
                    Ok(()) => {}
                    Err(SendError::Full) if planted(Bug::DropOnQueueFull) => {
                        assignment.acknowledge(item.sequence);
                    }
                    Err(SendError::Full) => return Ok(Emitted::Full),
                    Err(other) => return Err(other),
                }
            }
            self.at = Cursor { next: self.at.next + 1, review_sent: false };
        }
        Ok(Emitted::All)
    }

    fn one<R: SourceRecord, K: Sink<R>>(
        &mut self,
        item: &mut Item<R>,
        outlet: &mut Outlet<'_, K>,
    ) -> Result<(), SendError> {
        let reject = match item.verdict {
            Verdict::Rejected(reject) => reject,
            Verdict::Deferred(reject) if self.refusals.resort(item.record.position()) >= Resort::DeadLetter => reject,
            Verdict::Deferred(reject) => match self.deferred(item, reject, outlet) {
                // No letter can be as large, or there is no more time for one.
                Err(SendError::TooLarge) => reject,
                other => return other,
            },
            Verdict::Row(_) => unreachable!("a batch that leaves is decided"),
            Verdict::Decided(_) if self.refusals.resort(item.record.position()) >= Resort::DeadLetter => {
                Reject::OutcomeRefused
            }
            Verdict::Decided(decided) => match self.scored(item, &decided, outlet) {
                // Too large for the broker: the record's fate is a dead letter after all.
                Err(SendError::TooLarge) => Reject::OutcomeTooLarge,
                other => return other,
            },
        };
        item.verdict = Verdict::Rejected(reject);
        self.rejected(item, reject, outlet)
    }

    /// The review copy, where there is one, and then the output.
    fn scored<R: SourceRecord, K: Sink<R>>(
        &mut self,
        item: &Item<R>,
        decided: &Decided,
        outlet: &mut Outlet<'_, K>,
    ) -> Result<(), SendError> {
        if !self.at.review_sent {
            let review = decided.review.filter(|_| !self.refusals.refuses_copy(item.record.position()));
            outlet.announce(item, 1 + u8::from(review.is_some()), Fate::Scored);
            if let Some(reason) = review {
                self.review_copy(item, decided, reason, outlet)?;
                self.at.review_sent = true;
                outlet.stats.reviews[reason.index()].add(1);
            }
        }
        let voice = &mut self.settings.voices[voice_of(decided)];
        voice.encoder.encode_output(&item.scored(decided, outlet.scored_us), &mut self.value);
        let key_bytes = item.record.key().map_or(0, <[u8]>::len);
        if key_bytes + self.value.len() > self.settings.outcome_bytes_max {
            return Err(SendError::TooLarge);
        }
        let (headers, count) = self.headers(item, decided);
        let outcome = Outgoing {
            destination: Destination::Outputs,
            tag: Tag::new(item.assignment, item.sequence),
            partition: outlet.partition(item, Destination::Outputs),
            key: Part::OfSource,
            value: Part::Own(&self.value),
            timestamp_ms: Some(outlet.now_ms()),
            headers: &headers[..count],
            forward: true,
        };
        outlet.sink.send(&outcome, Some(&item.record))?;
        if let Some(step) = usize::from(decided.step).checked_sub(1) {
            outlet.stats.fallbacks[step].add(1);
        }
        outlet.stats.decisions[decided.decision.index()].add(1);
        outlet.stats.late.add(u64::from(item.late));
        Ok(())
    }

    /// With the payload by policy and where it fits, otherwise without: a copy for people costs no score.
    fn review_copy<R: SourceRecord, K: Sink<R>>(
        &mut self,
        item: &Item<R>,
        decided: &Decided,
        reason: ReviewReason,
        outlet: &mut Outlet<'_, K>,
    ) -> Result<(), SendError> {
        let voice = voice_of(decided);
        self.settings.voices[voice].encoder.write_id_text(&item.scored(decided, outlet.scored_us), &mut self.id);
        let mut with_payload = self.settings.review_payload == PayloadPolicy::Raw;
        loop {
            let scored = item.scored(decided, outlet.scored_us);
            let payload = with_payload.then_some(scored.payload);
            self.settings.voices[voice].encoder.encode_review(&scored, reason, payload, &mut self.value);
            let (headers, count) = self.headers(item, decided);
            let outcome = Outgoing {
                destination: Destination::Review,
                tag: Tag::new(item.assignment, item.sequence).copy(),
                partition: None,
                key: Part::Own(&self.id),
                value: Part::Own(&self.value),
                timestamp_ms: Some(scored.scored_us / 1_000),
                headers: &headers[..count],
                forward: true,
            };
            let fits = self.id.len() + self.value.len() <= self.settings.outcome_bytes_max;
            let sent = if fits { outlet.sink.send(&outcome, Some(&item.record)) } else { Err(SendError::TooLarge) };
            match sent {
                Err(SendError::TooLarge) if with_payload => with_payload = false,
                other => return other,
            }
        }
    }

    /// The headers of an output, beside those that travel from the source, and how many they are: consumers route without
    /// decoding.
    fn headers<'a, R: SourceRecord>(
        &'a self,
        item: &'a Item<R>,
        decided: &Decided,
    ) -> ([(&'a CStr, &'a [u8]); 3], usize) {
        let voice = &self.settings.voices[voice_of(decided)];
        let outcome: (&CStr, &[u8]) = (OUTCOME_HEADER, &voice.headers[decided.decision.index()]);
        let (mut headers, mut count) = ([outcome; 3], 1);
        let amends = item.letter.map(|letter| letter.amends(&item.record).cause.as_bytes());
        for (name, value) in [(FALLBACK_HEADER, voice.fallback.as_deref()), (AMENDMENT_HEADER, amends)] {
            if let Some(value) = value {
                headers[count] = (name, value);
                count += 1;
            }
        }
        (headers, count)
    }

    /// A letter that is scored again later, whole whatever the policy for dead letters is. `TooLarge`: there can be none.
    fn deferred<R: SourceRecord, K: Sink<R>>(
        &mut self,
        item: &Item<R>,
        reject: Reject,
        outlet: &mut Outlet<'_, K>,
    ) -> Result<(), SendError> {
        let now_ms = outlet.now_ms();
        let Some(retry) = &mut self.settings.retry else { return Err(SendError::TooLarge) };
        let from = (item.origin(), item.assignment);
        retry.errors.fill(Some(&item.record), reject, item.decoded.as_ref(), from, now_ms);
        let bytes = key_and_header_bytes(&item.record) + item.record.value().map_or(0, <[u8]>::len);
        if !retry.fill(&item.record, now_ms) || bytes > self.settings.outcome_bytes_max {
            return Err(SendError::TooLarge);
        }
        outlet.announce(item, 1, Fate::Deferred);
        let headers = retry.list();
        let outcome = outlet.letter(item, Destination::RetryLater, &headers);
        outlet.sink.send(&outcome, Some(&item.record))
    }

    fn rejected<R: SourceRecord, K: Sink<R>>(
        &mut self,
        item: &Item<R>,
        reject: Reject,
        outlet: &mut Outlet<'_, K>,
    ) -> Result<(), SendError> {
        let fate = Fate::Rejected(reject);
        if self.at.review_sent {
            // Announced with two outcomes, and two it stays: the copy that is out, and the dead letter.
            outlet.assignment.change_fate(item.sequence, fate);
        } else {
            outlet.announce(item, 1, fate);
        }
        let (from, now_ms) = ((item.origin(), item.assignment), outlet.now_ms());
        self.settings.headers.fill(Some(&item.record), reject, item.decoded.as_ref(), from, now_ms);
        if outlet.stats.reject_examples.wants(reject) {
            outlet.stats.reject_examples.keep(reject, self.settings.headers.example());
        }
        let rest = key_and_header_bytes(&item.record);
        let value_bytes = item.record.value().map_or(0, <[u8]>::len);
        let limit = self.settings.outcome_bytes_max;
        let keep = self.settings.dead_letter_payload == PayloadPolicy::Raw && rest + value_bytes <= limit;
        let is_stub = self.refusals.resort(item.record.position()) >= Resort::Stub || rest > limit;
        let headers = self.settings.headers.list(if keep { Holds::Whole } else { Holds::NoValue });
        let whole = outlet.letter(item, Destination::of(reject), &headers);
        let outcome = if keep { whole } else { Outgoing { value: Part::Null, ..whole } };
        let sent = if is_stub { Err(SendError::TooLarge) } else { outlet.sink.send(&outcome, Some(&item.record)) };
        match sent {
            // Too large or refused even as a dead letter: what is left is why, and where the record is found.
            Err(SendError::TooLarge) => {
                self.settings.headers.write_position(item.origin(), &mut self.id);
                // A compacted topic takes nothing without key, and forgets what has no value.
                let (key, value, timestamp_ms) = (Part::Own(&self.id), Part::Own(&[]), Some(now_ms));
                let headers = &self.settings.headers.list(Holds::Stub);
                let stub = Outgoing { key, value, timestamp_ms, headers, forward: false, ..outcome };
                outlet.sink.send(&stub, Some(&item.record))
            }
            other => other,
        }
    }
}

/// Which of [`EmitSettings::voices`] a decision is signed with.
fn voice_of(decided: &Decided) -> usize {
    if planted(Bug::FallbackAsModel) { 0 } else { usize::from(decided.step) }
}

/// The source's partition, where the topic has as many as the input.
pub(super) fn kept_partition<R: SourceRecord, K: Sink<R>>(
    input: i32,
    sink: &K,
    to: Destination,
    partition: i32,
) -> Option<i32> {
    let count = sink.partitions(to);
    (count == input && partition < count).then_some(partition)
}

/// The record's own timestamp, unless it is so far ahead that brokers refuse it by default.
fn timestamp_that_is_taken(source_ms: i64, now_ms: i64) -> Option<i64> {
    (source_ms >= 0).then(|| if source_ms.saturating_sub(now_ms) > AHEAD_MAX_MS { now_ms } else { source_ms })
}

/// What a dead letter carries besides its value: counted for rejects only, because parsing headers costs.
fn key_and_header_bytes(record: &impl SourceRecord) -> usize {
    let mut bytes = record.key().map_or(0, <[u8]>::len);
    record.each_header(&mut |name, value| bytes += name.len() + value.map_or(0, <[u8]>::len));
    bytes
}
