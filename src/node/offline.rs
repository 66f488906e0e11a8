//! A record's way from its bytes to a decision without Kafka: the decoder, the model and the thresholds of a lane, for
//! whoever wants to see what a record becomes.

use std::sync::Arc;

use super::decoding::{self, Decoding};
use super::prepared::Prepared;
use crate::avro::decoder::{Decoder, Stop};
use crate::avro::locate::{Place, locate};
use crate::avro::planner::SchemaNote;
use crate::avro::schemas::AvroSchema;
use crate::avro::wire::detect;
use crate::config::Config;
use crate::error::{Fatal, Reject, exit};
use crate::lane::clock::SystemClock;
use crate::lane::decide::DecisionPolicy;
use crate::lane::ingest;
use crate::lane::score::{Model as LaneModel, RowBatch, Rows};
use crate::model::{Package, Session};
use crate::values::record::{Decision, Decoded, score_of};
use crate::values::schemas::WireForms;

/// Scores records, a batch at a time.
pub struct Offline {
    pub package: Arc<Package>,
    decoder: Decoder,
    accept: WireForms,
    model: LaneModel<Session>,
    rows: RowBatch,
    policy: DecisionPolicy,
    payload_bytes_max: usize,
    clock: SystemClock,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub decoded: Option<Decoded>,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// The row in the batch, the score and what follows from it.
    Scored { row: usize, score: f64, decision: Decision },
    /// It would be a dead letter; the place in its value, where that shows it.
    Rejected { reject: Reject, place: Option<Place> },
    /// Its partition would wait for a schema, and why.
    Waits(String),
}

/// How far a record is before its batch went to the model.
enum Step {
    Row(usize, Decoded),
    Stopped(Fate),
}

impl Offline {
    /// For whole values as they stand on the topic; or, with the schema of a `writer`, for its bare data.
    ///
    /// # Errors
    /// Those of a lane's start.
    pub fn new(config: &Config, prepared: Prepared, writer: Option<Arc<AvroSchema>>) -> Result<Offline, Fatal> {
        let Prepared { model, schemas } = prepared;
        let Decoding { decoder, accept } = decoding::offline(config, &model.package, schemas, writer)?;
        let session = model.session()?;
        let width = model.package.wanted.features.len();
        let cap = model.report.batch_rows_cap.max(1);
        let rows = RowBatch { features: Rows::new(width, cap), scores: vec![0.0; cap], ..RowBatch::default() };
        let thresholds = config.effective_thresholds(&model.package.thresholds).clone();
        Ok(Offline {
            decoder,
            accept,
            model: LaneModel::new(session, config.limits.model_failures_max),
            rows,
            policy: DecisionPolicy::new(thresholds, &config.review, config.deadline),
            payload_bytes_max: config.limits.payload_bytes_max,
            clock: SystemClock::new(),
            package: model.package,
        })
    }

    /// Records of one batch at most.
    pub fn batch_rows(&self) -> usize {
        self.rows.features.cap()
    }

    /// The features of a row of the last batch.
    pub fn features(&self, row: usize) -> Vec<f32> {
        self.rows.features.view(row, row + 1).iter().copied().collect()
    }

    /// What there is to tell of schemas since the last batch.
    pub fn notes(&mut self) -> Vec<String> {
        let told = |note: SchemaNote| ingest::sentence(&note);
        std::iter::from_fn(|| self.decoder.take_note()).map(told).collect()
    }

    /// Scores at most [`Offline::batch_rows`] values.
    ///
    /// # Errors
    /// [`exit::MODEL`] when the model fails on row after row.
    pub fn score(&mut self, values: &[Vec<u8>]) -> Result<Vec<Outcome>, Fatal> {
        self.rows.filled = 0;
        let steps: Vec<Step> = values.iter().map(|value| self.decode(value)).collect();
        self.model.run(&mut self.rows, &self.clock);
        if self.rows.broken {
            let why = self.rows.error.as_ref().map(ToString::to_string).unwrap_or_default();
            let what = format!("model package {}: the model fails on row after row: {why}", self.package.dir.display());
            return Err(Fatal::new(
                exit::MODEL,
                what,
                "export the model anew; a plain runtime should score these rows too",
            ));
        }
        Ok(steps.into_iter().map(|step| self.decide(step)).collect())
    }

    fn decode(&mut self, value: &[u8]) -> Step {
        let row = self.rows.filled;
        let stop = match value.len() > self.payload_bytes_max {
            true => Stop::Reject(Reject::Oversized),
            false => match self.decoder.decode(None, value, self.rows.features.row_mut(row)) {
                Ok(decoded) => {
                    self.rows.filled += 1;
                    return Step::Row(row, decoded);
                }
                Err(stop) => stop,
            },
        };
        Step::Stopped(match stop {
            Stop::Reject(reject) => Fate::Rejected { reject, place: self.place(value, reject) },
            Stop::Wait(key) => Fate::Waits(self.decoder.why_waiting(key)),
        })
    }

    fn place(&mut self, value: &[u8], reject: Reject) -> Option<Place> {
        let (key, start) = detect(None, value, self.accept).ok()?;
        let writer = self.decoder.writer(key)?;
        locate(&writer, &self.package.reader, &self.package.wanted, (value, start), reject)
    }

    fn decide(&self, step: Step) -> Outcome {
        let (row, decoded) = match step {
            Step::Stopped(fate) => return Outcome { decoded: None, fate },
            Step::Row(row, decoded) => (row, decoded),
        };
        let answer = match self.rows.failed.binary_search(&row) {
            Ok(_) => Err(Reject::ModelFailed),
            Err(_) => score_of(self.rows.scores[row]),
        };
        let fate = match answer {
            Ok(score) => Fate::Scored { row, score, decision: self.policy.decide(score) },
            Err(reject) => Fate::Rejected { reject, place: None },
        };
        Outcome { decoded: Some(decoded), fate }
    }
}
