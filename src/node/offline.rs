//! A record's way from its bytes to a decision without Kafka: the decoder, the model and the thresholds of a lane, for
//! whoever wants to see what a record becomes.

use std::sync::Arc;

use super::decoding::{self, Decoding};
use super::lane_package::package;
use super::prepared::Prepared;
use super::second_answers;
use crate::avro::locate::{Place, locate};
use crate::avro::schemas::AvroSchema;
use crate::avro::wire::detect;
use crate::config::Config;
use crate::error::{Fatal, Reject};
use crate::lane::clock::SystemClock;
use crate::lane::score::Patience;
use crate::lane::scoring::{Answer, Broken, Given, Scoring};
use crate::model::{Package, Session};
use crate::values::record::{Decision, Decoded};
use crate::values::schemas::WireForms;

/// Scores records, a batch at a time.
pub struct Offline {
    pub package: Arc<Package>,
    scoring: Scoring<Session>,
    accept: WireForms,
    answers: Vec<Answer>,
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

impl Offline {
    /// For whole values as they stand on the topic; or, with the schema of a `writer`, for its bare data.
    ///
    /// # Errors
    /// Those of a lane's start.
    pub fn new(config: &Config, prepared: Prepared, writer: Option<Arc<AvroSchema>>) -> Result<Offline, Fatal> {
        let Prepared { model, schemas } = prepared;
        let Decoding { decoder, accept } = decoding::offline(config, &model.package, schemas, writer)?;
        let package = package(&model, decoder, config.effective_thresholds(&model.package.thresholds))?;
        let limits = &config.limits;
        let scoring = Scoring::new(package, limits.payload_bytes_max, Patience::ends_after(limits.model_failures_max));
        Ok(Offline { scoring, accept, answers: Vec::new(), clock: SystemClock::new(), package: model.package })
    }

    /// Records of one batch at most.
    pub fn batch_rows(&self) -> usize {
        self.scoring.batch_rows()
    }

    /// The features of a row of the last batch.
    pub fn features(&self, row: usize) -> Vec<f32> {
        self.scoring.row(row).to_vec()
    }

    /// What there is to tell of schemas since the last batch.
    pub fn notes(&mut self) -> Vec<String> {
        second_answers::notes(&mut self.scoring)
    }

    /// Scores at most [`Offline::batch_rows`] values.
    ///
    /// # Errors
    /// [`crate::error::exit::MODEL`] when the model fails on row after row.
    pub fn score(&mut self, values: &[Vec<u8>]) -> Result<Vec<Outcome>, Fatal> {
        let mut answers = std::mem::take(&mut self.answers);
        let given = values.iter().map(|value| Given { header: None, value: Some(value) });
        self.scoring
            .score(given, &mut answers, &self.clock)
            .map_err(|Broken(error)| second_answers::broken(&self.package, error))?;
        let outcomes = answers.iter().zip(values).map(|(answer, value)| self.outcome(*answer, value)).collect();
        self.answers = answers;
        Ok(outcomes)
    }

    fn outcome(&mut self, answer: Answer, value: &[u8]) -> Outcome {
        match answer {
            Answer::Scored { row, decoded, score, decision } => {
                Outcome { decoded: Some(decoded), fate: Fate::Scored { row, score, decision } }
            }
            Answer::Rejected(reject, decoded) => {
                // A whole record has no place to show.
                let place = decoded.is_none().then(|| self.place(value, reject)).flatten();
                Outcome { decoded, fate: Fate::Rejected { reject, place } }
            }
            Answer::Waits(at) => Outcome { decoded: None, fate: Fate::Waits(self.scoring.why(at).to_owned()) },
        }
    }

    fn place(&mut self, value: &[u8], reject: Reject) -> Option<Place> {
        let (key, start) = detect(None, value, self.accept).ok()?;
        let writer = self.scoring.decoder().writer(key)?;
        locate(&writer, &self.package.reader, &self.package.wanted, (value, start), reject)
    }
}
