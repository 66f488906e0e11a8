//! What goes out: decided batches are handed to the sink, one after the other, and what the broker says of them comes back.

pub mod dead_letter;
mod emit;
pub mod outcome_header;
mod refusals;
pub mod retry_letter;
mod skipped;
mod stopwatch;
mod undelivered;

use std::time::Duration;

pub use self::emit::{Emit, EmitSettings, Voice};
pub use self::refusals::{Refusals, Resort};
pub use self::undelivered::{Failed, NotTaken};

pub(super) use self::refusals::{Refused, What};
pub(super) use self::skipped::Skipped;
pub(super) use self::undelivered::Failures;

use self::emit::Emitted;
use self::stopwatch::{Lap, Stopwatches};
use crate::avro::encode::OutcomeEncoder;
use crate::doors::{Clock, SendError, Sink, SourceRecord};
use crate::error::{Fatal, exit};
use crate::lane::challenge::Taps;
use crate::lane::ledger::{Fate, Ledger};
use crate::lane::score::Batch;
use crate::observe::latency::StepTimes;
use crate::observe::stats::LaneStats;
use crate::values::record::Ack;

/// How far the leaving batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandedOver {
    All,
    /// The sink is full; its rest goes when that was served.
    Part,
    /// The sink takes no more of what belongs to the next commit.
    Refused,
}

pub struct Deliver<K> {
    emit: Emit,
    sink: K,
    /// The leaving batch is not handed over completely.
    is_stuck: bool,
    acks: Vec<Ack>,
    stopwatches: Stopwatches,
    /// Since when outcomes have been in flight without an acknowledgement.
    silent_since_ns: u64,
    /// What challengers get.
    taps: Taps,
}

impl<K> Deliver<K> {
    pub(super) fn new(emit: Emit, sink: K) -> Deliver<K> {
        let (acks, stopwatches) = (Vec::with_capacity(1024), Stopwatches::default());
        Deliver { emit, sink, is_stuck: false, acks, stopwatches, silent_since_ns: 0, taps: Taps::default() }
    }

    pub(super) fn sink(&mut self) -> &mut K {
        &mut self.sink
    }

    pub(super) fn encoder(&self) -> &OutcomeEncoder {
        self.emit.encoder()
    }

    pub(super) fn refusals(&mut self) -> &mut Refusals {
        self.emit.refusals()
    }

    /// A batch is half handed over.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// The next batch begins.
    pub(super) fn begin(&mut self) {
        self.emit.begin();
    }

    /// The rest of the batch stays until what the sink has to say was answered, or goes after all.
    pub(super) fn stick(&mut self, is_stuck: bool) {
        self.is_stuck = is_stuck;
    }

    /// Hands the rest of the batch to the sink.
    ///
    /// # Errors
    /// When the sink cannot go on, or an outcome can never be sent.
    pub(super) fn hand_over<R: SourceRecord>(
        &mut self,
        batch: &mut Batch<R>,
        ledger: &mut Ledger,
        stats: &LaneStats,
    ) -> Result<HandedOver, Fatal>
    where
        K: Sink<R>,
    {
        self.sink.begin_batch();
        let emitted = self.emit.run(batch, ledger, &mut self.stopwatches, &mut self.sink, stats);
        self.sink.end_batch();
        self.is_stuck = emitted != Ok(Emitted::All);
        match emitted {
            Ok(Emitted::All) => Ok(HandedOver::All),
            Ok(Emitted::Full) => Ok(HandedOver::Part),
            Err(SendError::Aborted) => Ok(HandedOver::Refused),
            Err(SendError::Fatal(fatal)) => Err(fatal),
            Err(SendError::Full | SendError::TooLarge) => Err(Fatal::new(
                exit::DELIVERY,
                "a dead letter without payload is still too large for the producer",
                "raise message.max.bytes in [kafka.producer.properties]",
            )),
        }
    }

    /// Hands over one dead letter for offsets that are passed over. No batch is half handed over.
    ///
    /// # Errors
    /// Why the sink did not take it.
    pub(super) fn skip<R: SourceRecord>(
        &mut self,
        skipped: Skipped,
        stats: &LaneStats,
        now_ms: i64,
    ) -> Result<(), SendError>
    where
        K: Sink<R>,
    {
        self.emit.skipped(skipped, &mut self.sink, stats, now_ms)
    }

    /// All of the batch is handed over.
    pub(super) fn handed_over<R: SourceRecord>(&mut self, batch: &Batch<R>, now_ns: u64) {
        self.stopwatches.sent(now_ns);
        self.taps.offer(batch);
    }

    /// From now on challengers get copies of what is handed over.
    pub(super) fn challenge(&mut self, taps: Taps) {
        self.taps = taps;
    }

    /// Part of every duty cycle: copies that have waited for long enough go to challengers.
    pub(super) fn turn(&mut self, now_ns: u64) {
        self.taps.turn(now_ns);
    }

    /// Takes in what the broker said: acknowledgements go to the ledger, and records that are finished to `finished`. Returns
    /// what was not delivered, if anything was said at all.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub(super) fn settle<R: SourceRecord>(
        &mut self,
        ledger: &mut Ledger,
        times: &mut StepTimes,
        clock: &impl Clock,
        mut finished: impl FnMut(Fate),
    ) -> Result<Option<Failures>, Fatal>
    where
        K: Sink<R>,
    {
        self.sink.poll(Duration::ZERO, &mut self.acks)?;
        if self.acks.is_empty() {
            return Ok(None);
        }
        let now_ns = clock.now_ns();
        let (mut failures, mut lap) = (Failures::default(), Lap::default());
        // Neighbours of one assignment share a look-up. An acknowledgement for one that is gone counts for nothing: its record
        // was handed back.
        let (mut run, mut assigned) = (None, None);
        for ack in self.acks.drain(..) {
            if run != Some(ack.tag.assignment()) {
                run = Some(ack.tag.assignment());
                let found = ledger.of_id(ack.tag.assignment());
                assigned = found.map(|found| (found, self.stopwatches.of(ack.tag.assignment())));
            }
            let Some((assignment, stopwatch)) = &mut assigned else { continue };
            if let Err(why) = ack.result {
                failures.note(assignment, ack.tag, why);
                continue;
            }
            // Nobody waits for a copy.
            if !ack.tag.is_copy() {
                lap.add(stopwatch, ack.tag.sequence(), now_ns, times);
            }
            if let Some(fate) = assignment.acknowledge(ack.tag.sequence()) {
                finished(fate);
            }
        }
        lap.end(now_ns, times);
        Ok(Some(failures))
    }

    /// Failures among acknowledgements that came too late for anything else.
    pub(super) fn hear(&mut self, late: Vec<Ack>, ledger: &mut Ledger) -> Failures {
        let mut failures = Failures::default();
        for ack in self.acks.drain(..).chain(late) {
            if let (Err(why), Some(assignment)) = (ack.result, ledger.of_id(ack.tag.assignment())) {
                failures.note(&assignment, ack.tag, why);
            }
        }
        failures
    }

    /// Waits for what the sink has to say.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub(super) fn wait<R: SourceRecord>(&mut self, longest: Duration) -> Result<(), Fatal>
    where
        K: Sink<R>,
    {
        self.sink.poll(longest, &mut self.acks)
    }

    /// Notes that the broker said something at `now_ns`, or has nothing to say.
    pub(super) fn heard<R: SourceRecord>(&mut self, acknowledged: bool, now_ns: u64)
    where
        K: Sink<R>,
    {
        if acknowledged || self.sink.in_flight() == 0 {
            self.silent_since_ns = now_ns;
        }
    }

    /// For how long outcomes have been in flight without an acknowledgement.
    pub(super) fn silent_ns<R: SourceRecord>(&self, now_ns: u64) -> u64
    where
        K: Sink<R>,
    {
        if self.sink.in_flight() == 0 { 0 } else { now_ns.saturating_sub(self.silent_since_ns) }
    }

    /// Assignments were closed.
    pub(super) fn forget_closed(&mut self, ledger: &Ledger) {
        self.stopwatches.retain(|id| ledger.has(id));
    }
}
