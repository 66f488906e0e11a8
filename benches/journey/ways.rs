//! The ways from a record's bytes to its score that the lane is compared with, and what they share.

use std::sync::Arc;

use ndarray::{Array2, s};
use scorewire::avro::decoder::Decoder;
use scorewire::avro::encode::{OutcomeEncoder, OutcomeIdentity};
use scorewire::avro::planner::Planner;
use scorewire::avro::schemas::SchemaDirectory;
use scorewire::doors::{Destination, Scorer};
use scorewire::lane::policy::DecisionPolicy;
use scorewire::lane::score::Rows;
use scorewire::model::{Model, Session};
use scorewire::values::record::{Decoded, Position, SchemaKey, Scored, TransactionId, score_of};

use super::bare::BareSession;
use super::memory::{TIMESTAMP_MS, TOPIC, review};
use super::transaction::Transaction;
use super::{Cursor, Outcomes, PREFIX, Records};
use scorewire::values::model::Provider;
use scorewire::values::schemas::{OnUnknown, WireForms};

pub const BATCH_MAX: usize = 512;

/// One way to score batches of the records, in their order.
pub trait Way {
    /// Takes the next `rows` records.
    fn batch(&mut self, rows: usize);
    /// Makes a way that was not used for a while ready to be measured.
    fn ready(&mut self) {}
    /// The scores of the last batch.
    fn scores(&self) -> Vec<f64>;
    /// Ids and scores of the last batch, read out of its encoded outcomes; empty for a way that encodes none.
    fn answers(&self) -> Vec<(String, f64)> {
        Vec::new()
    }
}

/// As `run` makes it by default: single-object encoding of the package's own schema.
pub fn decoder(model: &Model) -> Decoder {
    let reader = Arc::clone(&model.package.reader);
    let mut directory = SchemaDirectory::without_folder(OnUnknown::DeadLetter);
    directory.add(Arc::clone(&reader));
    let mut planner = Planner::new(reader, model.package.wanted.clone(), Box::new(directory)).unwrap();
    assert_eq!(planner.preload().notes, []);
    Decoder::with(planner.known(), Box::new(planner), WireForms::default())
}

pub fn identity(model: &Model) -> OutcomeIdentity {
    let package = &model.package;
    OutcomeIdentity {
        review_threshold: package.thresholds.review,
        decline_threshold: package.thresholds.decline,
        thresholds_version: package.thresholds.version.clone(),
        node: "bench".into(),
        lane: 0,
        model_name: package.name.clone(),
        model_version: package.version.clone(),
        model_sha256: package.sha256.clone(),
        provider: Provider::Cpu,
        topic: TOPIC.into(),
        fallback_step: None,
    }
}

pub fn encoder(model: &Model) -> OutcomeEncoder {
    OutcomeEncoder::new(&identity(model))
}

pub fn policy(model: &Model) -> DecisionPolicy {
    DecisionPolicy::new(model.package.thresholds.clone(), &review(), None)
}

/// ONNX Runtime alone, on rows decoded before. They are copied into one reused buffer first, so that they lie as near
/// as decoding leaves them; `copy` does only that, to tell what of the time it is.
pub struct Bare {
    session: BareSession,
    rows: Array2<f32>,
    buffer: Array2<f32>,
    cursor: Cursor,
    scores: Vec<f64>,
}

impl Bare {
    pub fn new(model: &Model, records: &Records) -> Bare {
        let mut decoder = decoder(model);
        let mut rows = Array2::zeros((records.len(), model.package.wanted.features.len()));
        for (index, mut row) in rows.rows_mut().into_iter().enumerate() {
            decoder.decode(None, records.value(index), row.as_slice_mut().unwrap()).unwrap();
        }
        let buffer = Array2::zeros((BATCH_MAX, rows.ncols()));
        let cursor = Cursor::new(records.len());
        Bare { session: BareSession::new(model), rows, buffer, cursor, scores: Vec::new() }
    }

    pub fn copy(&mut self, rows: usize) {
        let range = self.cursor.take(rows);
        self.buffer.slice_mut(s![..rows, ..]).assign(&self.rows.slice(s![range, ..]));
    }
}

impl Way for Bare {
    fn batch(&mut self, rows: usize) {
        self.copy(rows);
        self.scores.resize(rows, 0.0);
        self.session.score(self.buffer.slice(s![..rows, ..]), &mut self.scores);
    }

    fn scores(&self) -> Vec<f64> {
        self.scores.clone()
    }
}

/// The lane's own stages as far as the score: decode, batch, score.
pub struct Stages {
    records: &'static Records,
    cursor: Cursor,
    decoder: Decoder,
    rows: Rows,
    session: Session,
    decoded: Vec<Decoded>,
    scores: Vec<f64>,
}

impl Stages {
    pub fn new(model: &Model, records: &'static Records) -> Stages {
        let session = model.session().unwrap_or_else(|fatal| panic!("{fatal}"));
        Stages {
            records,
            cursor: Cursor::new(records.len()),
            decoder: decoder(model),
            rows: Rows::new(session.width(), BATCH_MAX),
            session,
            decoded: Vec::with_capacity(BATCH_MAX),
            scores: Vec::new(),
        }
    }
}

impl Way for Stages {
    fn batch(&mut self, rows: usize) {
        self.decoded.clear();
        for (row, index) in self.cursor.take(rows).enumerate() {
            let decoded = self.decoder.decode(None, self.records.value(index), self.rows.row_mut(row));
            self.decoded.push(decoded.unwrap());
        }
        self.scores.resize(rows, 0.0);
        self.session.score(self.rows.view(0, rows), &mut self.scores).unwrap();
    }

    fn scores(&self) -> Vec<f64> {
        self.scores.clone()
    }
}

/// serde into a typed struct, the struct into a row; from there on scorewire's session and encoder, but no lane:
/// nothing is sequenced, judged for review, timed or counted.
pub struct Typed {
    records: &'static Records,
    cursor: Cursor,
    schema: serde_avro_fast::Schema,
    key: SchemaKey,
    rows: Rows,
    session: Session,
    policy: DecisionPolicy,
    encoder: OutcomeEncoder,
    decoded: Vec<(usize, Decoded)>,
    scores: Vec<f64>,
    value: Vec<u8>,
    outcomes: Outcomes,
}

impl Typed {
    pub fn new(model: &Model, records: &'static Records) -> Typed {
        let session = model.session().unwrap_or_else(|fatal| panic!("{fatal}"));
        let fingerprint = model.package.reader.fingerprint();
        Typed {
            records,
            cursor: Cursor::new(records.len()),
            schema: model.package.reader.text().parse().unwrap(),
            key: SchemaKey::Fingerprint(fingerprint),
            rows: Rows::new(session.width(), BATCH_MAX),
            session,
            policy: policy(model),
            encoder: encoder(model),
            decoded: Vec::with_capacity(BATCH_MAX),
            scores: Vec::new(),
            value: Vec::new(),
            outcomes: Outcomes::default(),
        }
    }

    fn decode(&mut self, row: usize, index: usize) {
        let payload = self.records.value(index);
        let transaction: Transaction<'_> = serde_avro_fast::from_datum_slice(&payload[PREFIX..], &self.schema).unwrap();
        transaction.write_row(self.rows.row_mut(row));
        let start = transaction.transaction_id.as_ptr() as usize - payload.as_ptr() as usize;
        let id = TransactionId::Text { start: start as u32, len: transaction.transaction_id.len() as u32 };
        let decoded = Decoded { id, event_time_ms: Some(transaction.event_time), schema: self.key };
        self.decoded.push((index, decoded));
    }
}

impl Way for Typed {
    fn batch(&mut self, rows: usize) {
        self.decoded.clear();
        for (row, index) in self.cursor.take(rows).enumerate() {
            self.decode(row, index);
        }
        self.scores.resize(rows, 0.0);
        self.session.score(self.rows.view(0, rows), &mut self.scores).unwrap();
        self.outcomes.clear();
        for (&(index, decoded), &score) in self.decoded.iter().zip(&self.scores) {
            let score = score_of(score).unwrap();
            let scored = Scored {
                payload: self.records.value(index),
                position: Position { partition: 0, offset: index as i64 },
                source_timestamp_ms: TIMESTAMP_MS,
                decoded,
                score,
                decision: self.policy.decide(score),
                late: false,
                epoch: 0,
                fingerprint: None,
                amends: None,
                received_us: TIMESTAMP_MS * 1_000,
                scored_us: TIMESTAMP_MS * 1_000,
            };
            self.encoder.encode_output(&scored, &mut self.value);
            self.outcomes.push(Destination::Outputs, self.records.key(index), &self.value);
        }
    }

    fn scores(&self) -> Vec<f64> {
        self.scores.clone()
    }

    fn answers(&self) -> Vec<(String, f64)> {
        self.outcomes.answers()
    }
}
