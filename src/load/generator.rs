//! Sends records when they are due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::Fatal;
use crate::kafka::load_producer::{LoadProducer, LoadRecord};
use crate::load::clock::RunClock;
use crate::load::marker::{MARKER, Marker, partition_of};
use crate::load::payloads::Pool;
use crate::load::poison::Corpus;
use crate::load::schedule::Schedule;
use crate::observe::latency::new_histogram;

/// Shortest sleep: records that become due within it leave together. Shorter ones would cost more wake-ups than they
/// save latency.
const SLEEP_MIN: Duration = Duration::from_micros(100);
/// Longest sleep, so that deliveries are served and a stop is seen.
const SLEEP_MAX: Duration = Duration::from_millis(5);
/// Records sent without serving deliveries between.
const BURST_MAX: usize = 1_000;
/// How long to serve deliveries when the client's queue is full.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// What sender, verifier and onlookers share during a run.
#[derive(Debug, Default)]
pub struct Shared {
    /// Records handed to the client: their sequences are all below this.
    pub sent: AtomicU64,
    /// Nothing more will be sent, and everything sent is acknowledged.
    pub sending_done: AtomicBool,
    /// Stop sending: the run was interrupted, or it failed elsewhere.
    pub stop: AtomicBool,
    /// The run is lost: leave without waiting for outcomes.
    pub abandon: AtomicBool,
}

/// What is to be sent, when.
pub struct Job<'a> {
    pub run: u64,
    pub clock: RunClock,
    /// When the schedule starts, nanoseconds of the clock.
    pub start_ns: u64,
    pub schedule: Schedule,
    /// Records due before this count as warm-up, nanoseconds of the schedule.
    pub measure_from_ns: u64,
    /// The first record due at or after this is not sent any more.
    pub until_ns: u64,
    /// Nor is a record with this number.
    pub count_max: u64,
    /// Nor a row of the pool with this number, where the source is sent once.
    pub rows_max: u64,
    /// The row to be sent next.
    pub row: u64,
    pub partitions: i32,
    pub pool: &'a mut Pool,
    pub corpus: Corpus,
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub records: u64,
    pub warm_up: u64,
    pub poison: u64,
    /// From the first measured record's due time to the end of the sending, nanoseconds.
    pub measured_ns: u64,
    /// How late the generator handed measured records to the client, microseconds.
    pub delay_us: Histogram<u64>,
}

impl Job<'_> {
    /// Sends everything, and returns when the broker has acknowledged it.
    ///
    /// # Errors
    /// Those of the producer: a record that could not be delivered ends the run.
    pub fn send_all(mut self, producer: &LoadProducer, shared: &Shared) -> Result<Sent, Fatal> {
        let mut sent = Sent { records: 0, warm_up: 0, poison: 0, measured_ns: 0, delay_us: new_histogram() };
        let mut first_measured_ns = None;
        loop {
            let now_ns = self.clock.now_ns().saturating_sub(self.start_ns);
            for _ in 0..BURST_MAX {
                let Some((sequence, due_ns)) = self.due(now_ns) else { break };
                let measured = due_ns >= self.measure_from_ns;
                sent.poison += u64::from(self.send(producer, shared, sequence, due_ns, measured)?);
                sent.records += 1;
                shared.sent.store(sent.records, Ordering::Release);
                if measured {
                    first_measured_ns.get_or_insert(due_ns);
                    let delay_ns = self.clock.now_ns().saturating_sub(self.start_ns + due_ns);
                    sent.delay_us.saturating_record(delay_ns / 1_000);
                } else {
                    sent.warm_up += 1;
                }
            }
            producer.poll(Duration::ZERO);
            if let Some(failure) = producer.failure() {
                return Err(failure);
            }
            if self.over() || shared.stop.load(Ordering::Relaxed) {
                break;
            }
            let now_ns = self.clock.now_ns().saturating_sub(self.start_ns);
            std::thread::sleep(self.schedule.wait(now_ns).clamp(SLEEP_MIN, SLEEP_MAX));
        }
        if !shared.abandon.load(Ordering::Relaxed) {
            producer.drain()?;
        }
        let end_ns = match first_measured_ns {
            // The schedule's own end, where it has one: the last gap belongs to the span.
            Some(_) if self.until_ns != u64::MAX && self.schedule.next_due_ns() >= self.until_ns => self.until_ns,
            _ => self.clock.now_ns().saturating_sub(self.start_ns),
        };
        sent.measured_ns = first_measured_ns.map_or(0, |first| end_ns.saturating_sub(first));
        Ok(sent)
    }

    /// The next record, when it is due.
    fn due(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        if self.over() { None } else { self.schedule.take(now_ns) }
    }

    fn over(&self) -> bool {
        let counted = self.schedule.next_sequence() >= self.count_max || self.row >= self.rows_max;
        counted || self.schedule.next_due_ns() >= self.until_ns
    }

    /// Sends one record; answers whether it was poison.
    fn send(
        &mut self,
        producer: &LoadProducer,
        shared: &Shared,
        sequence: u64,
        due_ns: u64,
        measured: bool,
    ) -> Result<bool, Fatal> {
        // Poison comes between the rows, with the next one's key: no row is left out for it.
        let payload = self.pool.record(self.row);
        let poison = self.corpus.at(sequence);
        self.row += u64::from(poison.is_none());
        let partition = match payload.key {
            Some(_) => partition_of(payload.key_hash, self.partitions),
            None => (sequence % self.partitions as u64) as i32,
        };
        let due_us = self.clock.wall_us(self.start_ns + due_ns);
        let marker = Marker {
            run: self.run,
            sequence,
            due_us,
            key_hash: payload.key_hash,
            partition: partition as u16,
            poison: poison.map_or(0, |poison| poison.kind + 1),
            measured: u8::from(measured),
        };
        let header = marker.to_bytes();
        let record = LoadRecord {
            partition,
            key: payload.key,
            value: poison.map_or(Some(payload.value), |poison| poison.value.as_deref()),
            timestamp_ms: due_us / 1_000,
            header: (MARKER, &header),
        };
        while !producer.send(&record)? {
            // A full queue delays the record, and all that become due meanwhile; nothing is left out.
            producer.poll(FULL_WAIT);
            if let Some(failure) = producer.failure() {
                return Err(failure);
            }
            if shared.abandon.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        Ok(poison.is_some())
    }
}
