//! A second answer: values that are decoded, scored and decided as a lane does it, with neither source nor sink. What shows
//! records without Kafka uses it, and what compares a package with another one on the same records.

use crate::avro::decoder::{Decoder, Stop};
use crate::doors::{Clock, ScoreError, Scorer};
use crate::error::Reject;
use crate::lane::package::LanePackage;
use crate::lane::policy::DecisionPolicy;
use crate::lane::score::{Model, Patience, RowBatch, Rows};
use crate::values::record::{Decision, Decoded, score_of};
use crate::values::settings::{PayloadPolicy, ReviewSettings, Thresholds};

/// A value as it stood on its topic, and what its record said of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Of the header that may name the schema ([`crate::avro::wire::SCHEMA_ID_HEADER`]).
    pub header: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// The row in the batch, the score and what follows from it.
    Scored { row: usize, decoded: Decoded, score: f64, decision: Decision },
    /// Why it has no score; what was decoded, where the model had its row.
    Rejected(Reject, Option<Decoded>),
    /// The plan of its schema is not there yet; why, [`Scoring::why`] says.
    Waits(usize),
}

/// The model failed too often in a row: nothing of the batch is an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken(pub Option<ScoreError>);

/// A package at work, a batch at a time. Owned by one thread. Allocates while the first batch grows, and not later.
pub struct Scoring<M> {
    decoder: Decoder,
    model: Model<M>,
    rows: RowBatch,
    policy: DecisionPolicy,
    payload_bytes_max: usize,
    /// How far each value of the batch is: its row, or why it has none.
    steps: Vec<Result<(usize, Decoded), Stopped>>,
    /// Why those wait that do, as it was said when they were decoded: the source of schemas knows of the last key alone.
    whys: Vec<String>,
}

/// Why a value has no row.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    Rejected(Reject),
    /// Its place in `whys`.
    Waits(usize),
}

impl<M: Scorer> Scoring<M> {
    pub fn new(package: LanePackage<M>, payload_bytes_max: usize, patience: Patience) -> Scoring<M> {
        let cap = package.batch_rows.max(1);
        let model = Model::new(package.scorer, patience);
        let rows = RowBatch { features: Rows::new(model.width(), cap), scores: vec![0.0; cap], ..RowBatch::default() };
        Scoring {
            decoder: package.decoder,
            model,
            rows,
            policy: policy(package.thresholds),
            payload_bytes_max,
            steps: Vec::with_capacity(cap),
            whys: Vec::new(),
        }
    }

    /// Values of one batch at most.
    pub fn batch_rows(&self) -> usize {
        self.rows.features.cap()
    }

    /// Whether [`Given::header`] is looked at.
    pub fn needs_header(&self) -> bool {
        self.decoder.needs_header()
    }

    pub fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// The rows of the last batch, in order: those of [`Answer::Scored`], and those that the model answered with no score.
    pub fn rows(&self) -> ndarray::ArrayView2<'_, f32> {
        self.rows.features.view(0, self.rows.filled)
    }

    /// The features of a row of the last batch.
    pub fn row(&self, row: usize) -> &[f32] {
        self.rows.features.row(row)
    }

    /// Replaces `answers` by one for each of `values`, of which there are at most [`Scoring::batch_rows`].
    ///
    /// # Errors
    /// [`Broken`] once the model has failed too often in a row, and from then on.
    pub fn score<'v>(
        &mut self,
        values: impl IntoIterator<Item = Given<'v>>,
        answers: &mut Vec<Answer>,
        clock: &impl Clock,
    ) -> Result<(), Broken> {
        answers.clear();
        self.steps.clear();
        self.whys.clear();
        self.rows.filled = 0;
        for given in values {
            let step = self.decode(given).map_err(|stop| self.stopped(stop));
            self.rows.filled += usize::from(step.is_ok());
            self.steps.push(step);
        }
        self.model.run(&mut self.rows, clock);
        if self.rows.calls.broken {
            return Err(Broken(self.rows.calls.error.take()));
        }
        answers.extend(self.steps.iter().map(|step| self.answer(*step)));
        Ok(())
    }

    /// Why a value of the last batch waits.
    pub fn why(&self, at: usize) -> &str {
        self.whys.get(at).map_or("", String::as_str)
    }

    /// What the model said when it failed in the last batch, if it did.
    pub fn error(&self) -> Option<&ScoreError> {
        self.rows.calls.error.as_ref()
    }

    fn decode(&mut self, given: Given<'_>) -> Result<(usize, Decoded), Stop> {
        let value = given.value.ok_or(Reject::Tombstone)?;
        if value.len() > self.payload_bytes_max {
            return Err(Reject::Oversized.into());
        }
        let row = self.rows.filled;
        Ok((row, self.decoder.decode(given.header, value, self.rows.features.row_mut(row))?))
    }

    fn stopped(&mut self, stop: Stop) -> Stopped {
        match stop {
            Stop::Reject(reject) => Stopped::Rejected(reject),
            Stop::Wait(key) => {
                self.whys.push(self.decoder.why_waiting(key));
                Stopped::Waits(self.whys.len() - 1)
            }
        }
    }

    fn answer(&self, step: Result<(usize, Decoded), Stopped>) -> Answer {
        let (row, decoded) = match step {
            Ok(step) => step,
            Err(Stopped::Rejected(reject)) => return Answer::Rejected(reject, None),
            Err(Stopped::Waits(at)) => return Answer::Waits(at),
        };
        if let Some(class) = self.rows.failure_of(row) {
            return Answer::Rejected(class.reject(), Some(decoded));
        }
        match score_of(self.rows.scores[row]) {
            Ok(score) => Answer::Scored { row, decoded, score, decision: self.policy.decide(score) },
            Err(reject) => Answer::Rejected(reject, Some(decoded)),
        }
    }
}

/// Nobody looks at copies of a second answer, and none is late.
fn policy(thresholds: Thresholds) -> DecisionPolicy {
    DecisionPolicy::new(thresholds, &ReviewSettings { sample_per_million: 0, payload: PayloadPolicy::Omit }, None)
}
