//! What all ways work on: distinct encoded transactions.

use scorewire::load::simulate::payloads::{Framing, Pool};
use scorewire::load::simulate::population::World;

use super::memory::records::Records;

pub fn simulated(count: usize, world: &World) -> &'static Records {
    let mut pool = Pool::simulated(count, Framing::SingleObject, 41, world);
    let mut records = Records::new(count, 0);
    for sequence in 0..count as u64 {
        let payload = pool.record(sequence);
        records.push(payload.key.unwrap_or_default(), payload.value);
    }
    records.leak()
}
