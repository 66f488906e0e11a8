//! The challenger's side: copies of records come in, are decoded and scored, and leave as rows.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Emptying;
use super::sampled::{Entry, Sampled};
use super::tap::Emptied;
use crate::avro::encode::{Digits, id_text};
use crate::avro::encode_challenge::ChallengeEncoder;
use crate::compare;
use crate::doors::{Challenges, Clock, Delivered, Scorer, SendError};
use crate::error::{Fatal, exit};
use crate::failpoint::{self, Hang};
use crate::lane::scoring::{Answer, Given, Scoring};
use crate::observe::cells::held;
use crate::observe::challengers::ChallengerStats;
use crate::values::challenge::{Challenged, NoScore};
use crate::values::record::Decision;

/// How long it waits for records at a time while rows are under way, and how long without.
const REPORTS_WAIT: Duration = Duration::from_millis(10);
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// How often schemas that nobody knew are asked for again.
const SCHEMA_RETRY_NS: u64 = 1_000_000_000;
/// How long a full sink is waited for at a time, and at most for the last rows of all.
const SINK_WAIT: Duration = Duration::from_millis(10);
const LAST_ROWS_WAIT: Duration = Duration::from_secs(10);

/// What a challenger works with.
pub struct ChallengerPackage<M> {
    /// Made so that no number of failures in a row ends it.
    pub scoring: Scoring<M>,
    pub encoder: ChallengeEncoder,
    /// Partitions of the input: where the topic of challenges has as many, rows keep theirs.
    pub input_partitions: i32,
}

/// One challenger of one lane. Owned by its thread.
pub struct Challenger<M, K, C> {
    package: ChallengerPackage<M>,
    queue: Emptying,
    sink: K,
    clock: C,
    stats: Arc<ChallengerStats>,
    answers: Vec<Answer>,
    value: Vec<u8>,
    keeps_partition: bool,
    schemas_again_ns: u64,
}

impl<M: Scorer, K: Challenges, C: Clock> Challenger<M, K, C> {
    pub fn new(
        package: ChallengerPackage<M>,
        emptied: Emptied,
        (sink, clock): (K, C),
        stats: Arc<ChallengerStats>,
    ) -> Self {
        let keeps_partition = sink.partitions() == package.input_partitions;
        let (answers, value) = (Vec::new(), Vec::with_capacity(1_024));
        let (queue, schemas_again_ns) = (emptied.0, 0);
        Challenger { package, queue, sink, clock, stats, answers, value, keeps_partition, schemas_again_ns }
    }

    /// Serves until the lane is gone and every row is delivered.
    ///
    /// # Errors
    /// Why it cannot go on; the lane goes on without it.
    pub fn serve(mut self) -> Result<(), Fatal> {
        self.queue.wake_me();
        loop {
            let is_closed = self.queue.is_closed();
            if self.serve_one()? {
                continue;
            }
            if is_closed {
                return self.finish();
            }
            let is_under_way = self.sink.in_flight() > 0;
            std::thread::park_timeout(if is_under_way { REPORTS_WAIT } else { IDLE_WAIT });
            self.hear(Duration::ZERO)?;
        }
    }

    /// Answers the first block that waits. Returns whether one did.
    ///
    /// # Errors
    /// Those of [`Challenger::serve`].
    pub fn serve_one(&mut self) -> Result<bool, Fatal> {
        let Some(block) = self.queue.take() else { return Ok(false) };
        self.stats.busy_since_ms.set((self.clock.now_ns() / 1_000_000).max(1));
        failpoint::hang(Hang::Challenger);
        let rows = self.package.scoring.batch_rows();
        for entries in block.entries.chunks(rows) {
            self.answer(&block, entries)?;
        }
        self.hear(Duration::ZERO)?;
        self.stats.busy_since_ms.set(0);
        self.stats.blocks.add(1);
        self.queue.give_back(block);
        Ok(true)
    }

    fn answer(&mut self, block: &Sampled, entries: &[Entry]) -> Result<(), Fatal> {
        let (scoring, now_ns) = (&mut self.package.scoring, self.clock.now_ns());
        scoring.decoder().take_news();
        if now_ns >= self.schemas_again_ns {
            self.schemas_again_ns = now_ns + SCHEMA_RETRY_NS;
            scoring.decoder().retry_unknown();
        }
        let given = entries.iter().map(|entry| Given { header: block.header(entry), value: Some(block.value(entry)) });
        // It has no number of failures at which it breaks.
        let scored = scoring.score(given, &mut self.answers, &self.clock);
        debug_assert!(scored.is_ok(), "a challenger's model never breaks");
        if let Some(error) = scoring.error() {
            tracing::debug!(error = error.text, "the challenger's model failed");
        }
        while let Some(note) = scoring.decoder().take_note() {
            tracing::debug!(text = note.text, "a schema of the challenger's records");
        }
        let challenged_us = self.clock.wall_us();
        self.count(block, entries);
        for (at, entry) in entries.iter().enumerate() {
            self.write(block, entry, self.answers[at], challenged_us)?;
        }
        Ok(())
    }

    fn count(&mut self, block: &Sampled, entries: &[Entry]) {
        let mut comparison = held(&self.stats.comparison);
        for (entry, answer) in entries.iter().zip(&self.answers) {
            let after = match said(*answer) {
                Ok((score, decision)) => compare::Answer { score, decision },
                Err(why) => {
                    let stats = &self.stats;
                    why.map_or(&stats.without_schema, |reject| &stats.failed[reject.index()]).add(1);
                    continue;
                }
            };
            let before = compare::Answer { score: entry.champion.score, decision: entry.champion.decision };
            let inputs = compare::Inputs::Unknown;
            let mut digits = Digits::default();
            let id = id_text(entry.id, block.value(entry), &mut digits);
            comparison.add(&compare::Pair { at: entry.position, id, before, after, inputs });
        }
    }

    /// Waits for the sink where that is full: whoever waits for this challenger is nobody.
    fn write(&mut self, block: &Sampled, entry: &Entry, answer: Answer, challenged_us: i64) -> Result<(), Fatal> {
        let row = Challenged {
            position: entry.position,
            source_timestamp_ms: entry.source_timestamp_ms,
            payload: block.value(entry),
            id: entry.id,
            answer: said(answer),
            champion: entry.champion,
            epoch: entry.epoch,
            received_us: entry.received_us,
            scored_us: entry.scored_us,
            challenged_us,
        };
        self.package.encoder.encode(&row, &mut self.value);
        let partition = self.keeps_partition.then_some(entry.position.partition);
        loop {
            match self.sink.send(partition, block.key(entry), &self.value, challenged_us / 1_000) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => self.hear(SINK_WAIT)?,
                Err(SendError::TooLarge) => {
                    self.stats.lost.add(1);
                    return Ok(());
                }
                Err(SendError::Fatal(fatal)) => return Err(fatal),
                Err(SendError::Aborted) => unreachable!("rows of challengers are in no transaction"),
            }
        }
    }

    fn hear(&mut self, wait: Duration) -> Result<(), Fatal> {
        let Delivered { acknowledged, failed } = self.sink.poll(wait)?;
        self.stats.written.add(acknowledged);
        self.stats.lost.add(failed);
        Ok(())
    }

    /// What is under way is delivered, or its time is over.
    fn finish(mut self) -> Result<(), Fatal> {
        let since_ns = self.clock.now_ns();
        while self.sink.in_flight() > 0 {
            if self.clock.now_ns().saturating_sub(since_ns) > LAST_ROWS_WAIT.as_nanos() as u64 {
                let rows = self.sink.in_flight();
                self.stats.lost.add(rows as u64);
                let what = format!("{rows} rows of a challenger were not delivered within {LAST_ROWS_WAIT:?}");
                return Err(Fatal::new(exit::DELIVERY, what, "the champion's outcomes are not concerned"));
            }
            self.hear(SINK_WAIT)?;
        }
        Ok(())
    }
}

/// The score and what follows from it, or why there is none.
fn said(answer: Answer) -> Result<(f64, Decision), NoScore> {
    match answer {
        Answer::Scored { score, decision, .. } => Ok((score, decision)),
        Answer::Rejected(reject, _) => Err(Some(reject)),
        Answer::Waits(_) => Err(None),
    }
}
