//! The records of a point, and the scores that they must get.

use scorewire::avro::schemas::AvroSchema;
use scorewire::load::simulate::avro_write::WireForm;
use scorewire::load::simulate::random::Random;

use super::contract::draw;
use super::memory::records::Records;
use super::package::Made;
use super::point::Point;

const SEED: u64 = 11;
/// Fresh rows: the same ones again would be found in caches, and teach the branch predictor.
const RECORDS_MAX: usize = 32_768;
const BYTES_MAX: usize = 96 << 20;
/// What is not read takes so much at least, in every point.
const UNREAD_MIN: usize = 60;
/// Records whose scores are computed by hand, at least.
const CHECKED: usize = 256;

pub struct Pool {
    pub records: &'static Records,
    /// Of the first records, in order.
    pub scores: Vec<f64>,
}

pub fn fill(point: &Point, made: &Made) -> Pool {
    let prefixes: Vec<WireForm> = made
        .schemas
        .iter()
        .map(|text| AvroSchema::parse(text, "a writer's schema").unwrap())
        .map(|schema| WireForm::SingleObject(schema.fingerprint()))
        .collect();
    let mut random = Random::new(SEED);
    let (mut value, mut row, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let mut one = |index: usize, size: usize, value: &mut Vec<u8>, row: &mut Vec<f32>| {
        value.clear();
        row.clear();
        let writer = index % prefixes.len();
        prefixes[writer].put_prefix(value);
        let id = format!("{index:012}");
        draw((point.features, writer), &id, (point.unread, size), &mut random, (value, row));
        id
    };
    one(0, 0, &mut value, &mut row);
    let read = value.len();
    let size = point.payload.saturating_sub(read).max(UNREAD_MIN);
    let count = (BYTES_MAX / (read + size)).min(RECORDS_MAX) / point.rows * point.rows;
    // A record is a little longer than the first one at times.
    let mut records = Records::new(count, count * (read + size + read / 4 + 40));
    for index in 0..count {
        let id = one(index, size, &mut value, &mut row);
        if scores.len() < CHECKED.max(point.rows) {
            scores.push(f64::from(made.forest.score(&row)));
        }
        records.push(id.as_bytes(), &value);
    }
    Pool { records: records.leak(), scores }
}
