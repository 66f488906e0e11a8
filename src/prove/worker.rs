//! One thread of a replay: takes pieces of the input, scores their records as a lane does, and counts them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::index::{Index, Recorded};
use super::tally::{Now, Rules, Tally};
use super::work::Work;
use crate::avro::encode::{Digits, id_text};
use crate::avro::wire::SCHEMA_ID_HEADER;
use crate::compare::{FeatureDrift, Inputs, LabelledScores, Labels};
use crate::doors::SourceRecord;
use crate::error::Fatal;
use crate::kafka::consumer::RangeSource;
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::lane::scoring::{Answer, Broken, Given, Scoring};
use crate::model::Session;
use crate::node::{SecondAnswers, model_broken, schema_notes};
use crate::piece::ranges::Range;
use crate::piece::reader::{Reader, Record};
use crate::values::fingerprint::Fingerprinter;

/// What all threads look at, and none changes but the counters.
pub struct Job<'a> {
    pub settings: &'a KafkaSettings,
    pub topic: &'a str,
    pub answers: &'a SecondAnswers,
    pub index: &'a Index,
    pub rules: &'a Rules,
    /// What turned out to be fraud.
    pub labels: Option<&'a Labels>,
    /// Counts nothing yet.
    pub drift: &'a FeatureDrift,
    pub work: Work,
    /// Offsets that are behind the threads.
    pub done: AtomicU64,
    /// Set when one of them has failed.
    pub stop: AtomicBool,
    pub clock: SystemClock,
}

/// What a thread has found.
pub struct Found {
    pub tally: Tally,
    /// Of the rows that reached the model.
    pub drift: FeatureDrift,
    /// Of the pairs that have a label.
    pub labelled: LabelledScores,
    /// What there is to tell of schemas.
    pub notes: Vec<String>,
}

impl Found {
    pub fn nothing(drift: &FeatureDrift) -> Found {
        Found { tally: Tally::default(), drift: drift.clone(), labelled: LabelledScores::new(), notes: Vec::new() }
    }

    pub fn merge(&mut self, other: Found) {
        self.tally.merge(other.tally);
        self.drift.merge(other.drift);
        self.labelled.merge(other.labelled);
        // Threads ask for the same schemas.
        let is_new = |note: &String| !self.notes.contains(note);
        let new: Vec<String> = other.notes.into_iter().filter(is_new).collect();
        self.notes.extend(new);
    }
}

/// Works until nothing is left.
///
/// # Errors
/// Those of [`Reader::poll`]; [`crate::error::exit::MODEL`] when the model fails on row after row.
pub fn run(job: &Job<'_>) -> Result<Found, Fatal> {
    let mut worker = Worker {
        job,
        scoring: job.answers.scoring()?,
        answers: Vec::new(),
        fingerprinters: Vec::new(),
        found: Found::nothing(job.drift),
    };
    let Some(mut piece) = job.work.take(None) else { return Ok(worker.found) };
    let mut reader = Reader::new(RangeSource::open(job.settings, job.topic)?, job.topic, job.clock);
    reader.begin(piece)?;
    let (mut ended, mut behind) = (Vec::new(), piece.from);
    let room = worker.scoring.batch_rows();
    while !job.stop.load(Ordering::Relaxed) {
        let records = reader.poll(room, &mut ended)?;
        worker.answer(records)?;
        let reached = match (ended.is_empty(), records.last()) {
            (false, _) => piece.until,
            (true, Some(last)) => last.position().offset + 1,
            (true, None) => behind,
        };
        job.done.fetch_add((reached - behind).unsigned_abs(), Ordering::Relaxed);
        behind = reached;
        if ended.is_empty() {
            continue;
        }
        let Some(next) = job.work.take(Some(piece)) else { break };
        go_on(&mut reader, piece, next)?;
        (piece, behind) = (next, next.from);
    }
    worker.found.notes = schema_notes(&mut worker.scoring);
    Ok(worker.found)
}

fn go_on(reader: &mut Reader<SystemClock>, last: Range, next: Range) -> Result<(), Fatal> {
    if (last.partition, last.until) == (next.partition, next.from) {
        reader.extend(next);
        return Ok(());
    }
    reader.end(last.partition)?;
    reader.begin(next)
}

struct Worker<'a> {
    job: &'a Job<'a>,
    scoring: Scoring<Session>,
    answers: Vec<Answer>,
    /// By place in [`Index::answerers`].
    fingerprinters: Vec<Option<Fingerprinter>>,
    found: Found,
}

impl Worker<'_> {
    fn answer(&mut self, records: &[Record]) -> Result<(), Fatal> {
        for batch in records.chunks(self.scoring.batch_rows()) {
            let needs_header = self.scoring.needs_header();
            let given = batch.iter().map(|record| Given {
                header: if needs_header { record.header(SCHEMA_ID_HEADER) } else { None },
                value: record.value(),
            });
            let scored = self.scoring.score(given, &mut self.answers, &self.job.clock);
            scored.map_err(|Broken(error)| model_broken(self.job.answers.package(), error))?;
            for (answer, record) in self.answers.iter().zip(batch) {
                let mut digits = Digits::default();
                let id = match answer {
                    Answer::Scored { decoded, .. } => {
                        id_text(decoded.id, record.value().unwrap_or_default(), &mut digits)
                    }
                    Answer::Rejected(..) | Answer::Waits(_) => None,
                };
                let now = match answer {
                    Answer::Scored { score, decision, .. } => Now::Scored { score: *score, decision: *decision, id },
                    Answer::Rejected(reject, _) => Now::Rejected(*reject),
                    Answer::Waits(_) => Now::Waits,
                };
                let of = (self.job.index, self.job.rules);
                let rows = (&self.scoring, answer);
                let inputs = |before: &Recorded| inputs(&mut self.fingerprinters, self.job.index, before, rows);
                let before = self.found.tally.add(of, record.position(), now, inputs);
                if let (Some(before), Now::Scored { score, .. }, Some(id)) = (before, now, id)
                    && let Some(is_fraud) = self.job.labels.and_then(|labels| labels.of(id))
                {
                    self.found.labelled.add(before.score, score, is_fraud);
                }
            }
            self.found.drift.add_rows(self.scoring.rows());
        }
        Ok(())
    }
}

/// Whether the row that was scored now is the one that was scored then: its fingerprint under the recorded model and thresholds
/// is the recorded one.
fn inputs(
    known: &mut Vec<Option<Fingerprinter>>,
    index: &Index,
    before: &Recorded,
    (scoring, answer): (&Scoring<Session>, &Answer),
) -> Inputs {
    let (Some(fingerprint), Answer::Scored { row, .. }) = (before.fingerprint, answer) else { return Inputs::Unknown };
    let Some(by) = index.answerers().get(before.by) else { return Inputs::Unknown };
    if known.len() <= before.by {
        known.resize(before.by + 1, None);
    }
    let make = || Fingerprinter::new(&by.sha256, &by.thresholds_version);
    match known[before.by].get_or_insert_with(make).of(scoring.row(*row)) == fingerprint {
        true => Inputs::Same,
        false => Inputs::Other,
    }
}
