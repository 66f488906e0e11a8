//! Encoded records, the order in which they are taken, and what came out.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use scorewire::avro::written::Written;
use scorewire::doors::Destination;

/// Bytes of single-object encoding before the datum.
pub const PREFIX: usize = 10;

#[derive(Clone, Copy)]
struct Place {
    start: usize,
    key: usize,
    value: usize,
}

/// Encoded records one after the other, key before value, as fetched batches lie in memory.
pub struct Records {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Records {
    /// Each record `(key, value)` is written behind the one before.
    pub fn new(count: usize, bytes: usize) -> Records {
        Records { bytes: Vec::with_capacity(bytes), places: Vec::with_capacity(count) }
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.places.push(Place { start: self.bytes.len(), key: key.len(), value: value.len() });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Lives as long as the process: records are handed out by reference.
    pub fn leak(self) -> &'static Records {
        Box::leak(Box::new(self))
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn key(&self, index: usize) -> &[u8] {
        let place = self.places[index];
        &self.bytes[place.start..place.start + place.key]
    }

    pub fn value(&self, index: usize) -> &[u8] {
        let place = self.places[index];
        let start = place.start + place.key;
        &self.bytes[start..start + place.value]
    }
}

/// Walks the records batch by batch; every way walks alike, so that in each round all meet the same rows.
#[derive(Clone, Copy)]
pub struct Cursor {
    at: usize,
    len: usize,
}

impl Cursor {
    pub fn new(len: usize) -> Cursor {
        Cursor { at: 0, len }
    }

    /// The next `rows` records; the rest of the pool is left out where it does not fill a batch.
    pub fn take(&mut self, rows: usize) -> std::ops::Range<usize> {
        if self.at + rows > self.len {
            self.at = 0;
        }
        self.at += rows;
        self.at - rows..self.at
    }
}

/// Key and value of each outcome of one batch, copied as a producer copies them.
#[derive(Default)]
pub struct Outcomes {
    bytes: Vec<u8>,
    /// Destination, end of the key and end of the value.
    ends: Vec<(Destination, usize, usize)>,
}

impl Outcomes {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn push(&mut self, destination: Destination, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((destination, key_end, self.bytes.len()));
    }

    /// Id and score of every output, read back by apache-avro. Panics on anything but outputs and review copies.
    pub fn answers(&self) -> Vec<(String, f64)> {
        let schema = apache_avro::Schema::parse_str(Written::Outputs.schema().text()).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let mut answers = Vec::new();
        for &(destination, start, end) in &self.ends {
            match destination {
                Destination::Review => continue,
                Destination::Outputs => {}
                other => panic!("an outcome for {other:?}"),
            }
            let Value::Record(fields) = reader.read_value(&mut &self.bytes[start + PREFIX..end]).unwrap() else {
                panic!("an output is a record");
            };
            match (&fields[0].1, &fields[2].1) {
                (Value::Union(1, id), Value::Double(score)) => match &**id {
                    Value::String(id) => answers.push((id.clone(), *score)),
                    other => panic!("an id is text: {other:?}"),
                },
                other => panic!("id and score: {other:?}"),
            }
        }
        answers
    }
}
