//! Sends records when they are due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::Fatal;
use crate::kafka::load_producer::{LoadProducer, LoadRecord};
use crate::load::send::clock::RunClock;
use crate::load::send::held::Held;
use crate::load::send::schedule::Schedule;
use crate::load::send::threads;
use crate::load::simulate::marker::{MARKER, Marker, partition_of};
use crate::load::simulate::payloads::Pool;
use crate::load::simulate::poison::Corpus;
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
    /// Records handed to the clients; when the sending is done, their sequences are all below this.
    pub sent: AtomicU64,
    /// Nothing more will be sent, and everything sent is acknowledged.
    pub sending_done: AtomicBool,
    /// Stop sending: the run was interrupted, or it failed elsewhere.
    pub stop: AtomicBool,
    /// The run is lost: leave without waiting for outcomes.
    pub abandon: AtomicBool,
    claims: Mutex<Claims>,
}

/// Several senders stop at the same record, whichever of them sees the stop first.
#[derive(Debug, Default)]
struct Claims {
    /// Some sender is about to send, or has sent, records up to this.
    claimed: u64,
    /// After a stop: none at or behind this is sent any more.
    until: Option<u64>,
}

impl Shared {
    /// Asks to go on until before record `next`; answers until before which one may.
    fn claim(&self, next: u64) -> u64 {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stop.load(Ordering::Relaxed) && claims.until.is_none() {
            claims.until = Some(claims.claimed);
        }
        claims.until.unwrap_or_else(|| {
            claims.claimed = claims.claimed.max(next);
            next
        })
    }

    /// Where the sending ends after a stop.
    fn until(&self) -> Option<u64> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).until
    }
}

/// What is to be sent, when.
#[derive(Clone)]
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
    /// Shortest time between two requests to a partition, nanoseconds: what becomes due meanwhile leaves together.
    pub gather_ns: u64,
    pub pool: &'a Pool,
    pub corpus: Corpus,
}

/// One record of the schedule.
#[derive(Clone, Copy)]
struct Due {
    sequence: u64,
    due_ns: u64,
    row: u64,
    partition: i32,
}

/// One sending thread: walks the whole schedule, whose due times do not depend on the number of threads, and sends the
/// records of its own partitions. So each partition has one producer, and keeps its order.
struct Sender<'a> {
    job: Job<'a>,
    producer: LoadProducer,
    index: i32,
    senders: i32,
    /// By partition; those of other senders stay empty.
    held: Vec<Held<Due>>,
    burst: Vec<Due>,
    value: Vec<u8>,
    sent: Sent,
}

/// All of them.
pub struct Senders<'a>(Vec<Sender<'a>>);

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

impl Sent {
    fn nothing() -> Sent {
        Sent { records: 0, warm_up: 0, poison: 0, measured_ns: 0, delay_us: new_histogram() }
    }

    fn add(&mut self, other: &Sent) {
        self.records += other.records;
        self.warm_up += other.warm_up;
        self.poison += other.poison;
        self.measured_ns = self.measured_ns.max(other.measured_ns);
        // Both were made alike.
        let _ = self.delay_us.add(&other.delay_us);
    }
}

impl<'a> Senders<'a> {
    /// One thread for each producer.
    pub fn new(job: &Job<'a>, producers: Vec<LoadProducer>) -> Senders<'a> {
        let senders = producers.len() as i32;
        let sender = |(index, producer)| Sender {
            job: job.clone(),
            producer,
            index,
            senders,
            held: (0..job.partitions).map(|_| Held::nothing()).collect(),
            burst: Vec::with_capacity(BURST_MAX),
            value: Vec::new(),
            sent: Sent::nothing(),
        };
        Senders((0..).zip(producers).map(sender).collect())
    }

    /// Moves the start of the schedule, nanoseconds of the clock.
    pub fn start_at(&mut self, start_ns: u64) {
        self.0.iter_mut().for_each(|sender| sender.job.start_ns = start_ns);
    }

    /// Sends everything, and returns when the broker has acknowledged it.
    ///
    /// # Errors
    /// Those of the producers: a record that could not be delivered ends the run.
    pub fn send_all(self, shared: &Shared) -> Result<Sent, Fatal> {
        let send = |sender: Sender<'_>| {
            let sent = sender.send_all(shared);
            if sent.is_err() {
                shared.abandon.store(true, Ordering::Relaxed);
                shared.stop.store(true, Ordering::Relaxed);
            }
            sent
        };
        let mut rest = self.0;
        // The caller's thread is the last one's: most often the only one's.
        let Some(last) = rest.pop() else { return Ok(Sent::nothing()) };
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(rest.len());
            for sender in rest {
                let name = format!("load-send-{}", sender.index);
                let spawned = thread::Builder::new().name(name).spawn_scoped(scope, move || send(sender));
                // Those that run already must not wait for the schedule's end.
                threads.push(spawned.map_err(|error| {
                    shared.abandon.store(true, Ordering::Relaxed);
                    shared.stop.store(true, Ordering::Relaxed);
                    threads::no_thread(error)
                })?);
            }
            let mut all = send(last)?;
            for thread in threads {
                all.add(&thread.join().map_err(|_| threads::panicked("load-send"))??);
            }
            Ok(all)
        })
    }
}

impl Sender<'_> {
    fn send_all(mut self, shared: &Shared) -> Result<Sent, Fatal> {
        let mut first_measured_ns = None;
        loop {
            let over = self.gather(shared, &mut first_measured_ns);
            let before = self.sent.records;
            let burst = std::mem::take(&mut self.burst);
            for due in &burst {
                self.send(shared, *due)?;
            }
            self.burst = burst;
            shared.sent.fetch_add(self.sent.records - before, Ordering::Release);
            self.producer.poll(Duration::ZERO);
            if let Some(failure) = self.producer.failure() {
                return Err(failure);
            }
            if over {
                break;
            }
            thread::sleep(self.wait().clamp(SLEEP_MIN, SLEEP_MAX));
        }
        if !shared.abandon.load(Ordering::Relaxed) {
            self.producer.drain()?;
        }
        let job = &self.job;
        let end_ns = match job.until_ns {
            // As fast as it goes.
            u64::MAX => self.elapsed_ns(),
            // The gap behind the last record belongs to the span, whether time or a file ended it.
            until_ns => job.schedule.next_due_ns().min(until_ns),
        };
        self.sent.measured_ns = first_measured_ns.map_or(0, |first| end_ns.saturating_sub(first));
        Ok(self.sent)
    }

    fn elapsed_ns(&self) -> u64 {
        self.job.clock.now_ns().saturating_sub(self.job.start_ns)
    }

    /// Takes what is due from the schedule, as far as all senders go, and puts what may leave now into the burst.
    /// Answers whether that is the last of it.
    fn gather(&mut self, shared: &Shared, first_measured_ns: &mut Option<u64>) -> bool {
        let now_ns = self.elapsed_ns();
        self.burst.clear();
        while self.burst.len() < BURST_MAX && !self.job.over() {
            let Some((sequence, due_ns)) = self.job.schedule.take(now_ns) else { break };
            let partition = self.job.partition_of(sequence);
            self.burst.push(Due { sequence, due_ns, row: self.job.row, partition });
            // Poison comes between the rows, with the next one's key: no row is left out for it.
            self.job.row += u64::from(self.job.corpus.at(sequence).is_none());
        }
        let limit = shared.claim(self.job.schedule.next_sequence());
        for due in self.burst.drain(..).filter(|due| due.sequence < limit) {
            if due.due_ns >= self.job.measure_from_ns {
                first_measured_ns.get_or_insert(due.due_ns);
            }
            if due.partition % self.senders == self.index {
                self.held[due.partition as usize].records.push_back(due);
            }
        }
        let over = self.is_over(shared);
        for held in &mut self.held {
            if over {
                self.burst.extend(held.records.drain(..));
            } else {
                self.burst.extend(held.leave(now_ns, self.job.gather_ns));
            }
        }
        over
    }

    /// Until the next record is due. While anything is held, until that may leave: what becomes due for other partitions
    /// meanwhile leaves with it.
    fn wait(&self) -> Duration {
        let now_ns = self.elapsed_ns();
        let held = self.held.iter().filter(|held| !held.records.is_empty()).map(|held| held.from_ns);
        match held.min() {
            Some(from_ns) => Duration::from_nanos(from_ns.saturating_sub(now_ns)),
            None => self.job.schedule.wait(now_ns),
        }
    }

    fn is_over(&self, shared: &Shared) -> bool {
        let stopped = || shared.until().is_some_and(|until| self.job.schedule.next_sequence() >= until);
        self.job.over() || shared.abandon.load(Ordering::Relaxed) || stopped()
    }

    /// Sends one record.
    fn send(&mut self, shared: &Shared, due: Due) -> Result<(), Fatal> {
        let (job, partition) = (&self.job, due.partition);
        let measured = due.due_ns >= job.measure_from_ns;
        let payload = job.pool.copy_record(due.row, &mut self.value);
        let poison = job.corpus.at(due.sequence);
        let due_us = job.clock.wall_us(job.start_ns + due.due_ns);
        let marker = Marker {
            run: job.run,
            sequence: due.sequence,
            due_us,
            key_hash: payload.key_hash,
            partition: partition as u16,
            poison: poison.map_or(0, |poison| poison.kind + 1),
            measured: u8::from(measured),
        };
        let record = LoadRecord {
            partition,
            key: payload.key,
            value: poison.map_or(Some(payload.value), |poison| poison.value.as_deref()),
            timestamp_ms: due_us / 1_000,
            header: (MARKER, &marker.to_bytes()),
        };
        while !self.producer.send(&record)? {
            // A full queue delays the record, and all that become due meanwhile; nothing is left out.
            self.producer.poll(FULL_WAIT);
            if let Some(failure) = self.producer.failure() {
                return Err(failure);
            }
            if shared.abandon.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        self.sent.records += 1;
        self.sent.poison += u64::from(poison.is_some());
        if measured {
            let delay_ns = job.clock.now_ns().saturating_sub(job.start_ns + due.due_ns);
            self.sent.delay_us.saturating_record(delay_ns / 1_000);
        } else {
            self.sent.warm_up += 1;
        }
        Ok(())
    }
}

impl Job<'_> {
    /// The partition of record `sequence`, which is made of the row that is next: by its key, or else in turn.
    fn partition_of(&self, sequence: u64) -> i32 {
        match self.pool.key_hash(self.row) {
            Some(key_hash) => partition_of(key_hash, self.partitions),
            None => (sequence % self.partitions as u64) as i32,
        }
    }

    /// The schedule's own end.
    fn over(&self) -> bool {
        let counted = self.schedule.next_sequence() >= self.count_max || self.row >= self.rows_max;
        counted || self.schedule.next_due_ns() >= self.until_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_stop_at_the_same_record_whoever_sees_the_stop() {
        let shared = Shared::default();
        assert_eq!((shared.claim(10), shared.claim(7), shared.until()), (10, 7, None));
        shared.stop.store(true, Ordering::Relaxed);
        // The slower one must still send up to 10, the faster one nothing more.
        assert_eq!((shared.claim(9), shared.claim(20), shared.until()), (10, 10, Some(10)));
    }
}
