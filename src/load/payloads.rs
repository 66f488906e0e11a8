//! What is sent: distinct rows, encoded before the run starts, so that sending costs next to nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use apache_avro::Reader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::avro::schemas::AvroSchema;
use crate::error::{Fatal, exit};
use crate::load::avro_write::WireForm;
use crate::load::marker::murmur2;
use crate::load::poison::{Poison, of_any_schema, of_transaction};
use crate::load::population::World;
use crate::load::simulator::Simulator;
use crate::load::transaction::{ID_LENGTH, SCHEMA, id_of, id_text};

/// How values name their schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `00` + this id.
    Registry(u32),
    /// `C3 01` + the schema's own fingerprint.
    SingleObject,
    /// No prefix.
    Raw,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadSource {
    /// Simulated transactions, this many different ones; each record gets an id of its own.
    Simulator { rows: usize, world: World },
    /// An Avro object container file.
    File {
        path: PathBuf,
        /// Dotted path of the field that becomes the message key, as text; `None` sends no keys.
        key: Option<String>,
        /// Start again at the end; otherwise the run ends with the file.
        repeat: bool,
    },
}

impl Default for PayloadSource {
    fn default() -> PayloadSource {
        PayloadSource::Simulator { rows: POOL_ROWS, world: World::default() }
    }
}

/// Rows of the pool that are enough for branch predictors and caches not to learn it by heart.
pub const POOL_ROWS: usize = 131_072;

#[derive(Clone, Copy, Debug)]
struct Row {
    start: usize,
    key_length: u32,
    value_length: u32,
    key_hash: u32,
}

/// Encoded rows, one after the other: key, then value.
pub struct Pool {
    bytes: Vec<u8>,
    rows: Vec<Row>,
    /// Where in a value the id stands that is to be replaced for each record, if one is.
    id_at: Option<usize>,
    seed: u64,
    /// The Avro schema that values were written with.
    pub schema: String,
    /// Bytes before the datum in each value.
    pub prefix: usize,
    pub poisons: Vec<Poison>,
    /// How often the rows may be sent: for ever, or once.
    pub repeat: bool,
}

/// One record, ready to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
    /// 0 without a key.
    pub key_hash: u32,
}

impl Pool {
    /// # Errors
    /// [`exit::FAILED`] when the file cannot be read or has no records, [`exit::USAGE`] when it lacks the key's field.
    pub fn load(source: &PayloadSource, framing: Framing, seed: u64) -> Result<Pool, Fatal> {
        match source {
            PayloadSource::Simulator { rows, world } => Ok(Pool::simulated(*rows, framing, seed, world)),
            PayloadSource::File { path, key, repeat } => Pool::from_file(path, key.as_deref(), *repeat, framing),
        }
    }

    pub fn simulated(rows: usize, framing: Framing, seed: u64, world: &World) -> Pool {
        let wire = wire_form(framing, SCHEMA).expect("the package's schema is Avro");
        let mut pool = Pool::empty(true);
        pool.seed = seed;
        (pool.schema, pool.prefix) = (SCHEMA.to_owned(), wire.prefix_length());
        pool.id_at = Some(wire.prefix_length() + 1);
        let mut value = Vec::new();
        for transaction in Simulator::with_world(seed, world).take(rows.max(1)) {
            value.clear();
            wire.put_prefix(&mut value);
            transaction.encode(&mut value);
            pool.push(Some(&transaction.key()), &value);
            if pool.poisons.is_empty() && transaction.customer_history.mean[0].is_some() {
                pool.poisons = of_transaction(&transaction, wire);
            }
        }
        pool
    }

    fn from_file(path: &Path, key: Option<&str>, repeat: bool, framing: Framing) -> Result<Pool, Fatal> {
        let problem = |what: String| {
            Fatal::new(exit::FAILED, format!("{}: {what}", path.display()), "give an Avro object container file")
        };
        let file = File::open(path).map_err(|error| problem(error.to_string()))?;
        let reader = Reader::new(BufReader::new(file)).map_err(|error| problem(error.to_string()))?;
        let schema = reader.writer_schema().clone();
        let writer = GenericDatumWriter::builder(&schema).build().map_err(|error| problem(error.to_string()))?;
        let mut pool = Pool::empty(repeat);
        pool.schema = serde_json::to_string(&schema).map_err(|error| problem(error.to_string()))?;
        let wire = wire_form(framing, &pool.schema).map_err(problem)?;
        pool.prefix = wire.prefix_length();
        let mut buffer = Vec::new();
        for (index, value) in reader.enumerate() {
            let value = value.map_err(|error| problem(format!("record {index}: {error}")))?;
            let key = match key {
                None => None,
                Some(field) => key_text(&value, field).map_err(|what| no_key(path, &what))?,
            };
            buffer.clear();
            wire.put_prefix(&mut buffer);
            writer.write_value_ref(&mut buffer, &value).map_err(|error| problem(format!("record {index}: {error}")))?;
            pool.push(key.as_deref().map(str::as_bytes), &buffer);
        }
        if pool.rows.is_empty() {
            return Err(problem("no records".to_owned()));
        }
        pool.poisons = of_any_schema(pool.value(0), wire);
        Ok(pool)
    }

    fn empty(repeat: bool) -> Pool {
        Pool {
            bytes: Vec::new(),
            rows: Vec::new(),
            id_at: None,
            seed: 0,
            schema: String::new(),
            prefix: 0,
            poisons: Vec::new(),
            repeat,
        }
    }

    fn push(&mut self, key: Option<&[u8]>, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key.unwrap_or_default());
        self.bytes.extend_from_slice(value);
        self.rows.push(Row {
            start,
            key_length: key.map_or(u32::MAX, |key| key.len() as u32),
            value_length: value.len() as u32,
            key_hash: key.map_or(0, murmur2),
        });
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn value(&self, row: usize) -> &[u8] {
        let row = self.rows[row];
        let start = row.start + row.key().unwrap_or(0);
        &self.bytes[start..start + row.value_length as usize]
    }

    /// The hash of a row's key, if it has one.
    pub fn key_hash(&self, row: u64) -> Option<u32> {
        let row = self.rows[(row % self.rows.len() as u64) as usize];
        row.key().map(|_| row.key_hash)
    }

    /// The same as [`Pool::record`] for a pool that several threads send from: the value is put together in `value`.
    pub fn copy_record<'p>(&'p self, sequence: u64, value: &'p mut Vec<u8>) -> Payload<'p> {
        let row = self.rows[(sequence % self.rows.len() as u64) as usize];
        let key = row.key();
        let start = row.start + key.unwrap_or(0);
        value.clear();
        value.extend_from_slice(&self.bytes[start..start + row.value_length as usize]);
        if let Some(at) = self.id_at {
            value[at..at + ID_LENGTH].copy_from_slice(&id_text(id_of(self.seed, sequence)));
        }
        Payload { key: key.map(|length| &self.bytes[row.start..row.start + length]), value, key_hash: row.key_hash }
    }

    /// The key and the value of record `sequence`.
    pub fn record(&mut self, sequence: u64) -> Payload<'_> {
        let row = self.rows[(sequence % self.rows.len() as u64) as usize];
        let key = row.key();
        let start = row.start + key.unwrap_or(0);
        let end = start + row.value_length as usize;
        if let Some(at) = self.id_at {
            self.bytes[start + at..start + at + ID_LENGTH].copy_from_slice(&id_text(id_of(self.seed, sequence)));
        }
        Payload {
            key: key.map(|length| &self.bytes[row.start..row.start + length]),
            value: &self.bytes[start..end],
            key_hash: row.key_hash,
        }
    }
}

impl Row {
    fn key(&self) -> Option<usize> {
        (self.key_length != u32::MAX).then_some(self.key_length as usize)
    }
}

fn no_key(path: &Path, what: &str) -> Fatal {
    let fix = "name a field of the file's schema by its dotted path, or send no keys";
    Fatal::new(exit::USAGE, format!("{}: {what}", path.display()), fix)
}

fn wire_form(framing: Framing, schema: &str) -> Result<WireForm, String> {
    Ok(match framing {
        Framing::Registry(id) => WireForm::Registry(id),
        Framing::SingleObject => {
            let schema = AvroSchema::parse(schema, "the schema").map_err(|error| error.to_string())?;
            WireForm::SingleObject(schema.fingerprint())
        }
        Framing::Raw => WireForm::Raw,
    })
}

/// The text of the field at a dotted path, `None` where it is null.
fn key_text(value: &Value, path: &str) -> Result<Option<String>, String> {
    let mut value = value;
    for name in path.split('.') {
        let Value::Record(fields) = unwrapped(value) else { return Ok(None) };
        let found = fields.iter().find(|(field, _)| field == name);
        value = &found.ok_or_else(|| format!("no field `{name}` for the key `{path}`"))?.1;
    }
    match unwrapped(value) {
        Value::Null => Ok(None),
        Value::String(text) | Value::Enum(_, text) => Ok(Some(text.clone())),
        Value::Int(number) => Ok(Some(number.to_string())),
        Value::Long(number) => Ok(Some(number.to_string())),
        Value::Uuid(uuid) => Ok(Some(uuid.to_string())),
        _ => Err(format!("the key `{path}` is neither text nor a whole number")),
    }
}

fn unwrapped(value: &Value) -> &Value {
    match value {
        Value::Union(_, inner) => inner,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_gets_an_id_of_its_own() {
        let world = World { customers: 60, terminals: 60, warm_up_days: 1 };
        let mut pool = Pool::simulated(100, Framing::Registry(7), 3, &world);
        let first = pool.record(0).value.to_vec();
        let again = pool.record(100).value.to_vec();
        assert_eq!(first[..6], [0, 0, 0, 0, 7, 32]);
        assert_ne!(first[6..22], again[6..22]);
        assert_eq!(first[22..], again[22..]);
        assert_eq!(pool.record(0).value, first);
        let mut copy = Vec::new();
        for row in [0, 5, 100] {
            let key_hash = pool.key_hash(row);
            let own = pool.record(row).value.to_vec();
            let copied = pool.copy_record(row, &mut copy);
            assert_eq!((copied.value, Some(copied.key_hash)), (own.as_slice(), key_hash));
        }
        let payload = pool.record(5);
        assert_eq!(payload.key_hash, murmur2(payload.key.unwrap()));
    }
}
