//! The way of a straightforward program: apache-avro's values in and out, the `ort` crate between. It leaves out what
//! it can: constants of the outcome are made once, and what is written is not validated again.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use scorewire::avro::encode::OutcomeIdentity;
use scorewire::avro::wire::SINGLE_OBJECT_MAGIC;
use scorewire::avro::written::Written;
use scorewire::doors::Destination;
use scorewire::lane::policy::DecisionPolicy;
use scorewire::lane::score::Rows;
use scorewire::model::Model;
use scorewire::values::record::score_of;

use super::bare::BareSession;
use super::memory::TIMESTAMP_MS;
use super::transaction::value_row;
use super::ways::{BATCH_MAX, Way, identity, policy};
use super::{Cursor, Outcomes, PREFIX, Records};

/// Places in the output record.
mod place {
    pub const ID: usize = 0;
    pub const EVENT_TIME: usize = 1;
    pub const SCORE: usize = 2;
    pub const DECISION: usize = 3;
    pub const SOURCE: usize = 9;
    pub const OFFSET_IN_SOURCE: usize = 2;
}

pub struct Generic {
    records: &'static Records,
    cursor: Cursor,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
    prefix: Vec<u8>,
    rows: Rows,
    session: BareSession,
    policy: DecisionPolicy,
    /// The output record; what differs from record to record is replaced in it.
    output: Value,
    /// Index, id and event time of each record of the batch.
    decoded: Vec<(usize, Value, Value)>,
    scores: Vec<f64>,
    value: Vec<u8>,
    outcomes: Outcomes,
}

impl Generic {
    pub fn new(model: &Model, records: &'static Records) -> Generic {
        let apache = |text: &str| -> &'static Schema { Box::leak(Box::new(Schema::parse_str(text).unwrap())) };
        let input = &model.package.reader;
        let output = Written::Outputs.schema();
        Generic {
            records,
            cursor: Cursor::new(records.len()),
            reader: GenericDatumReader::builder(apache(input.text())).build().unwrap(),
            writer: GenericDatumWriter::builder(apache(output.text())).validate(false).build().unwrap(),
            prefix: [&SINGLE_OBJECT_MAGIC[..], &output.fingerprint().to_le_bytes()].concat(),
            rows: Rows::new(model.package.wanted.features.len(), BATCH_MAX),
            session: BareSession::new(model),
            policy: policy(model),
            output: output_record(&identity(model), input.fingerprint()),
            decoded: Vec::with_capacity(BATCH_MAX),
            scores: Vec::new(),
            value: Vec::new(),
            outcomes: Outcomes::default(),
        }
    }

    fn decode(&mut self, row: usize, index: usize) {
        let value = self.reader.read_value(&mut &self.records.value(index)[PREFIX..]).unwrap();
        value_row(&value, self.rows.row_mut(row));
        let Value::Record(mut top) = value else { panic!("a transaction is a record") };
        let (event_time, id) = (top.swap_remove(1).1, top.swap_remove(0).1);
        self.decoded.push((index, id, event_time));
    }

    fn encode(&mut self, index: usize, id: Value, event_time: Value, score: f64) {
        let score = score_of(score).unwrap();
        let decision = self.policy.decide(score);
        let Value::Record(output) = &mut self.output else { unreachable!("made as a record") };
        output[place::ID].1 = Value::Union(1, Box::new(id));
        output[place::EVENT_TIME].1 = Value::Union(1, Box::new(event_time));
        output[place::SCORE].1 = Value::Double(score);
        output[place::DECISION].1 = Value::Enum(decision.index() as u32, decision.name().into());
        let Value::Record(source) = &mut output[place::SOURCE].1 else { unreachable!("made as a record") };
        source[place::OFFSET_IN_SOURCE].1 = Value::Long(index as i64);
        self.value.clear();
        self.value.extend_from_slice(&self.prefix);
        self.writer.write_value_ref(&mut self.value, &self.output).unwrap();
        self.outcomes.push(Destination::Outputs, self.records.key(index), &self.value);
    }
}

impl Way for Generic {
    fn batch(&mut self, rows: usize) {
        for (row, index) in self.cursor.take(rows).enumerate() {
            self.decode(row, index);
        }
        self.scores.resize(rows, 0.0);
        self.session.score(self.rows.view(0, rows), &mut self.scores);
        self.outcomes.clear();
        let mut decoded = std::mem::take(&mut self.decoded);
        for (row, (index, id, event_time)) in decoded.drain(..).enumerate() {
            self.encode(index, id, event_time, self.scores[row]);
        }
        self.decoded = decoded;
    }

    fn scores(&self) -> Vec<f64> {
        self.scores.clone()
    }

    fn answers(&self) -> Vec<(String, f64)> {
        self.outcomes.answers()
    }
}

fn output_record(identity: &OutcomeIdentity, fingerprint: u64) -> Value {
    let record = |fields: Vec<(&str, Value)>| {
        Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let text = |text: &str| Value::String(text.to_owned());
    let null = || Value::Union(0, Box::new(Value::Null));
    let present = |value: Value| Value::Union(1, Box::new(value));
    let thresholds = record(vec![
        ("review", Value::Double(identity.review_threshold)),
        ("decline", Value::Double(identity.decline_threshold)),
        ("version", text(&identity.thresholds_version)),
    ]);
    let model = record(vec![
        ("name", text(&identity.model_name)),
        ("version", text(&identity.model_version)),
        ("sha256", text(&identity.model_sha256)),
    ]);
    let source = record(vec![
        ("topic", text(&identity.topic)),
        ("partition", Value::Int(0)),
        ("offset", Value::Long(0)),
        ("timestamp", present(Value::TimestampMillis(TIMESTAMP_MS))),
    ]);
    let schema =
        record(vec![("id", null()), ("fingerprint", present(text(&format!("{fingerprint:016x}")))), ("guid", null())]);
    record(vec![
        ("transaction_id", null()),
        ("event_time", null()),
        ("score", Value::Double(0.0)),
        ("decision", Value::Enum(0, "APPROVE".into())),
        ("thresholds", thresholds),
        ("node", text(&identity.node)),
        ("lane", Value::Int(identity.lane as i32)),
        ("model", model),
        ("provider", Value::Enum(identity.provider as u32, identity.provider.name().into())),
        ("source", source),
        ("schema", schema),
        ("received_at", Value::TimestampMicros(TIMESTAMP_MS * 1_000)),
        ("scored_at", Value::TimestampMicros(TIMESTAMP_MS * 1_000)),
        ("fallback", Value::Boolean(identity.fallback_step.is_some())),
        ("late", Value::Boolean(false)),
        ("epoch", Value::Long(0)),
        ("fingerprint", null()),
        ("reasons", null()),
        ("fallback_step", null()),
        ("amendment", null()),
        ("remote", null()),
        ("challenger", null()),
    ])
}
