//! Copies of records, many in one block of memory: made by the lane, read by a challenger, and given back to be filled anew.

use std::ops::Range;

use crate::avro::wire::SCHEMA_ID_HEADER;
use crate::doors::SourceRecord;
use crate::lane::score::{Decided, Item};
use crate::values::challenge::Ruling;
use crate::values::record::{Position, TransactionId};

/// Records of one block at most.
pub(super) const ROWS_MAX: usize = 128;
/// A block with so many bytes takes no more; a record that is larger alone has a block of its own.
pub(super) const BYTES_MAX: usize = 256 << 10;

/// Made for so many from the start: those of usual records.
const BYTES_USUAL: usize = 64 << 10;

/// One record, and what the champion decided.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub position: Position,
    pub source_timestamp_ms: i64,
    pub id: TransactionId,
    pub champion: Ruling,
    pub epoch: u32,
    pub received_us: i64,
    pub scored_us: i64,
    key: Option<Range<usize>>,
    value: Range<usize>,
    header: Option<Range<usize>>,
}

/// A block of copies.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Monotonic clock when its first record came in.
    pub since_ns: u64,
}

impl Sampled {
    pub fn new() -> Sampled {
        Sampled { entries: Vec::with_capacity(ROWS_MAX), bytes: Vec::with_capacity(BYTES_USUAL), since_ns: 0 }
    }

    pub fn is_full(&self) -> bool {
        self.entries.len() >= ROWS_MAX || self.bytes.len() >= BYTES_MAX
    }

    pub fn push<R: SourceRecord>(&mut self, item: &Item<R>, decided: &Decided, scored_us: i64, needs_header: bool) {
        let Some(decoded) = item.decoded else { return };
        let record = &item.record;
        let header = if needs_header { record.header(SCHEMA_ID_HEADER) } else { None };
        self.entries.push(Entry {
            position: record.position(),
            source_timestamp_ms: record.timestamp_ms(),
            id: decoded.id,
            champion: Ruling {
                score: decided.score,
                decision: decided.decision,
                late: item.late,
                fingerprint: decided.fingerprint,
            },
            epoch: item.assignment,
            received_us: item.receipt.us,
            scored_us,
            key: record.key().map(|key| append(&mut self.bytes, key)),
            value: append(&mut self.bytes, record.value().unwrap_or_default()),
            header: header.map(|header| append(&mut self.bytes, header)),
        });
    }

    pub fn key(&self, entry: &Entry) -> Option<&[u8]> {
        entry.key.clone().map(|at| &self.bytes[at])
    }

    pub fn value(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.value.clone()]
    }

    pub fn header(&self, entry: &Entry) -> Option<&[u8]> {
        entry.header.clone().map(|at| &self.bytes[at])
    }

    /// Keeps its memory, but for what one large record took.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(2 * BYTES_MAX);
    }
}

fn append(bytes: &mut Vec<u8>, more: &[u8]) -> Range<usize> {
    let start = bytes.len();
    bytes.extend_from_slice(more);
    start..bytes.len()
}
