//! What is sent: distinct rows, encoded before the run starts, so that sending costs next to nothing.

mod file;

use std::path::PathBuf;

use crate::avro::schemas::AvroSchema;
use crate::error::Fatal;
use crate::load::simulate::avro_write::WireForm;
use crate::load::simulate::marker::murmur2;
use crate::load::simulate::poison::{Poison, of_transaction};
use crate::load::simulate::population::World;
use crate::load::simulate::simulator::Simulator;
use crate::load::simulate::transaction::{ID_LENGTH, SCHEMA, id_of, id_text};

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
    /// No more than `rows_max` rows: a run that sends fewer than the source has need not wait for the others.
    ///
    /// # Errors
    /// [`crate::error::exit::FAILED`] when the file cannot be read or has no records, [`crate::error::exit::USAGE`] when it
    /// lacks the key's field or holds more than memory takes.
    pub fn load(source: &PayloadSource, framing: Framing, seed: u64, rows_max: u64) -> Result<Pool, Fatal> {
        match source {
            PayloadSource::Simulator { rows, world } => {
                let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
                Ok(Pool::simulated((*rows).min(rows_max), framing, seed, world))
            }
            PayloadSource::File { path, key, repeat } => {
                Pool::from_file(path, key.as_deref(), *repeat, framing, rows_max)
            }
        }
    }

    pub fn simulated(rows: usize, framing: Framing, seed: u64, world: &World) -> Pool {
        let schema = AvroSchema::parse(SCHEMA, "the simulator's schema").expect("the package's schema is Avro");
        let wire = wire_form(framing, &schema);
        let mut pool = Pool::empty(true);
        pool.seed = seed;
        (pool.schema, pool.prefix) = (SCHEMA.to_owned(), wire.prefix_length());
        pool.id_at = Some(wire.prefix_length() + 1);
        let mut value = Vec::new();
        for transaction in Simulator::with_world(seed, world).take(rows.max(POOL_ROWS)) {
            let is_wanted = pool.rows.len() < rows.max(1);
            if is_wanted {
                value.clear();
                wire.put_prefix(&mut value);
                transaction.encode(&mut value);
                pool.push(Some(&transaction.key()), &value);
            }
            // Poison is made of the first customer who paid before, however few rows are wanted.
            if pool.poisons.is_empty() && transaction.customer_history.mean[0].is_some() {
                pool.poisons = of_transaction(&transaction, wire);
            }
            if !is_wanted && !pool.poisons.is_empty() {
                break;
            }
        }
        pool
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

fn wire_form(framing: Framing, schema: &AvroSchema) -> WireForm {
    match framing {
        Framing::Registry(id) => WireForm::Registry(id),
        Framing::SingleObject => WireForm::SingleObject(schema.fingerprint()),
        Framing::Raw => WireForm::Raw,
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
