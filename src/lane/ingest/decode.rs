//! From a received record to a row of the batch, a reject, or a wait for its schema.

use std::collections::VecDeque;

use super::in_work::{InWork, Marking};
use crate::avro::decoder::{Decoder, Stop};
use crate::avro::planner::{Grade, SchemaNote};
use crate::avro::wire::SCHEMA_ID_HEADER;
use crate::doors::{SourceRecord, Waker};
use crate::error::Reject;
use crate::lane::ledger::{Flow, Held};
use crate::lane::letter::Letter;
use crate::lane::score::{Batch, Item, Verdict};
use crate::observe::stats::LaneStats;
use crate::values::record::{Decoded, Position, Receipt, SchemaKey};

/// Schemas that `/status` names at most.
const SCHEMA_ALARMS_MAX: usize = 64;

/// Records behind one that waits whose schemas are asked for with its own, each time what waits is tried again.
const AHEAD_MAX: usize = 512;

/// A record whose schema is not there yet, or that stands behind one. It counts as received.
struct Parked<R> {
    record: R,
    assignment: u32,
    sequence: u64,
    receipt: Receipt,
    /// Of the first of an assignment: what it waits for.
    waits: Option<Waits>,
}

/// What a record waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Schema(SchemaKey),
    /// A letter whose time comes then: wall clock, milliseconds.
    Due(i64),
}

/// Why a record is no row yet, or never will be.
enum NoRow {
    Rejected(Reject),
    Waits(Waits),
}

impl From<Stop> for NoRow {
    fn from(stop: Stop) -> NoRow {
        match stop {
            Stop::Reject(reject) => NoRow::Rejected(reject),
            Stop::Wait(schema) => NoRow::Waits(Waits::Schema(schema)),
        }
    }
}

pub struct Intake<R> {
    decoder: Decoder,
    payload_bytes_max: usize,
    /// In the order received. They count as in flight, and their partition is paused soon.
    parked: VecDeque<Parked<R>>,
    /// Records are letters about records of this topic.
    letters_about: Option<String>,
    /// Wall clock, milliseconds: letters are due by it.
    now_ms: i64,
    /// Where the node has a state directory.
    in_work: Option<InWork>,
}

impl<R: SourceRecord> Intake<R> {
    /// `letters_about`: where records are letters, the topic whose records they are about.
    pub fn new(decoder: Decoder, payload_bytes_max: usize, letters_about: Option<String>) -> Intake<R> {
        Intake { decoder, payload_bytes_max, parked: VecDeque::new(), letters_about, now_ms: 0, in_work: None }
    }

    /// From now on records are marked while they are in work.
    pub(super) fn mark(&mut self, marking: Marking) {
        self.in_work = Some(InWork::new(marking));
    }

    pub(super) fn in_work(&mut self) -> Option<&mut InWork> {
        self.in_work.as_mut()
    }

    /// It is so late now: wall clock, microseconds.
    pub(super) fn set_time(&mut self, now_us: i64) {
        self.now_ms = now_us / 1_000;
    }

    /// Takes a fresh record in, polled at `receipt`. Where the plan of its schema is not there its assignment begins to park.
    pub(super) fn admit(&mut self, record: R, to: &mut Held<'_>, receipt: Receipt, batch: &mut Batch<R>) {
        let sequence = to.receive(record.position(), record.size());
        let arrived = Parked { record, assignment: to.id(), sequence, receipt, waits: None };
        if !matches!(to.flow(), Flow::Flowing) {
            self.ask_ahead(&arrived.record);
            self.parked.push_back(arrived);
        } else if let Some(waits) = self.decode(arrived, batch) {
            to.park(receipt.ns);
            self.parked.push_back(waits);
        }
    }

    /// What an assignment waits for, and whether that is on its way.
    pub(super) fn waits_for(&self, assignment: u32) -> Option<(Waits, bool)> {
        let first = self.parked.iter().find(|parked| parked.assignment == assignment)?;
        let waits = first.waits?;
        Some((waits, matches!(waits, Waits::Schema(schema) if self.decoder.is_coming(schema))))
    }

    /// Why records wait for this schema, for the log.
    pub(super) fn why_waiting(&self, schema: SchemaKey) -> String {
        self.decoder.why_waiting(schema)
    }

    /// Takes in what was answered. Returns whether records that wait may have a plan now.
    pub(super) fn take_news(&mut self) -> bool {
        self.decoder.take_news()
    }

    /// Ends the lane's wait when there is something to take in.
    pub(super) fn set_waker(&mut self, waker: Waker) {
        self.decoder.set_waker(waker);
    }

    /// Tells what there is to tell of schemas, each once.
    pub(super) fn tell(&mut self, stats: &LaneStats) {
        while let Some(note) = self.decoder.take_note() {
            log(&note);
            show(stats, note);
        }
        stats.incomplete_records.set(self.decoder.incomplete_records());
    }

    /// Tries again what waits for a schema, at most `room` records. Returns the assignments that wait no longer.
    pub(super) fn retry(&mut self, room: usize, batch: &mut Batch<R>) -> Vec<u32> {
        let mut waiting: Vec<u32> = Vec::new();
        let mut tried: Vec<u32> = Vec::new();
        let mut still = VecDeque::new();
        let (mut left, mut ahead) = (room, AHEAD_MAX);
        while let Some(parked) = self.parked.pop_front() {
            let assignment = parked.assignment;
            let is_behind = waiting.contains(&assignment);
            if left > 0 && !is_behind && !self.may_begin(parked.record.position()) {
                left = 0;
            }
            if left == 0 || is_behind {
                if !is_behind {
                    waiting.push(assignment);
                }
                // Those that were asked for with an earlier one have their answers: the next ones' are asked for.
                if ahead > 0 && self.decoder.has_room_ahead() {
                    ahead -= 1;
                    self.ask_ahead(&parked.record);
                }
                still.push_back(parked);
                continue;
            }
            left -= 1;
            if tried.last() != Some(&assignment) {
                tried.push(assignment);
            }
            if let Some(waits) = self.decode(parked, batch) {
                waiting.push(assignment);
                still.push_back(waits);
            }
        }
        self.parked = still;
        tried.retain(|assignment| !waiting.contains(assignment));
        tried
    }

    /// Whether a record may be in work now, beside what is.
    fn may_begin(&mut self, at: Position) -> bool {
        self.in_work.as_mut().is_none_or(|in_work| in_work.room(1, std::iter::once(at)) == 1)
    }

    /// Lets schemas that nobody knew be asked for once more.
    pub(super) fn ask_again(&mut self) {
        self.decoder.retry_unknown();
    }

    pub(super) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Forgets what waits of an assignment. Returns the sequence number of its first record.
    pub(super) fn drop_parked(&mut self, assignment: u32) -> Option<u64> {
        let first = self.parked.iter().find(|parked| parked.assignment == assignment).map(|parked| parked.sequence);
        self.parked.retain(|parked| parked.assignment != assignment);
        first
    }

    /// Decodes into the next free row. Gives the record back when its schema is not there yet, or its time has not come.
    fn decode(&mut self, arrived: Parked<R>, batch: &mut Batch<R>) -> Option<Parked<R>> {
        let (letter, may_decode) = match self.letter(&arrived.record) {
            Ok(letter) => (letter, Ok(())),
            Err((letter, no_row)) => (letter, Err(no_row)),
        };
        let (decoded, verdict) = match may_decode.and_then(|()| self.judge(&arrived, batch)) {
            Ok(decoded) => {
                batch.rows.poison.note(arrived.record.key());
                batch.rows.filled += 1;
                (Some(decoded), Verdict::Row(batch.rows.filled - 1))
            }
            Err(NoRow::Rejected(reject)) => (None, Verdict::Rejected(reject)),
            Err(NoRow::Waits(waits)) => return Some(Parked { waits: Some(waits), ..arrived }),
        };
        let Parked { record, assignment, sequence, receipt, .. } = arrived;
        batch.items.push(Item { record, assignment, sequence, receipt, decoded, verdict, late: false, letter });
        None
    }

    /// What the record says as a letter, where it is one.
    fn letter(&self, record: &R) -> Result<Option<Letter>, (Option<Letter>, NoRow)> {
        let Some(input) = &self.letters_about else { return Ok(None) };
        let due = Letter::of(record, input).map_err(|reject| (None, NoRow::Rejected(reject)))?;
        if self.now_ms >= due.expires_at_ms {
            Err((Some(due.letter), NoRow::Rejected(Reject::RetryExpired)))
        } else if self.now_ms < due.not_before_ms {
            Err((Some(due.letter), NoRow::Waits(Waits::Due(due.not_before_ms))))
        } else {
            Ok(Some(due.letter))
        }
    }

    /// The record stands behind another one: its schema is asked for with that one's.
    fn ask_ahead(&mut self, record: &R) {
        let Some(value) = record.value().filter(|value| value.len() <= self.payload_bytes_max) else { return };
        let header = if self.decoder.needs_header() { record.header(SCHEMA_ID_HEADER) } else { None };
        self.decoder.ask_ahead(header, value);
    }

    /// Decodes it, with its mark where there are marks.
    fn judge(&mut self, arrived: &Parked<R>, batch: &mut Batch<R>) -> Result<Decoded, NoRow> {
        let (at, assignment) = (arrived.record.position(), arrived.assignment);
        if let Some(in_work) = &mut self.in_work {
            if in_work.is_killer(at) {
                return Err(NoRow::Rejected(Reject::CrashedProcess));
            }
            in_work.enter(assignment, at);
        }
        let judged = self.judge_payload(&arrived.record, batch);
        if matches!(judged, Err(NoRow::Waits(_)))
            && let Some(in_work) = &mut self.in_work
        {
            in_work.withdraw(assignment, at);
        }
        judged
    }

    fn judge_payload(&mut self, record: &R, batch: &mut Batch<R>) -> Result<Decoded, NoRow> {
        let value = record.value().ok_or(NoRow::Rejected(Reject::Tombstone))?;
        if value.len() > self.payload_bytes_max {
            return Err(NoRow::Rejected(Reject::Oversized));
        }
        let header = if self.decoder.needs_header() { record.header(SCHEMA_ID_HEADER) } else { None };
        let row = batch.rows.features.row_mut(batch.rows.filled);
        Ok(self.decoder.decode(header, value, row)?)
    }
}

/// One line for the log.
pub fn log(note: &SchemaNote) {
    let (key, text) = (&note.key, sentence(note));
    match note.grade {
        Grade::Refused => tracing::error!(schema = %key, "{text}"),
        Grade::Unknown | Grade::OtherRecord | Grade::Incomplete | Grade::Remark => {
            tracing::warn!(schema = %key, "{text}")
        }
    }
}

/// The same for whoever keeps no log.
pub fn sentence(note: &SchemaNote) -> String {
    match note.grade {
        Grade::Refused | Grade::Unknown | Grade::OtherRecord => {
            format!("records of this schema are dead letters: {}", note.text)
        }
        Grade::Incomplete | Grade::Remark => note.text.clone(),
    }
}

/// Keeps what an operator should look at for `/status`.
pub fn show(stats: &LaneStats, note: SchemaNote) {
    let alarm = match note.grade {
        Grade::Refused => format!("records are dead letters: {}", note.text),
        Grade::Incomplete => note.text,
        Grade::Unknown | Grade::OtherRecord | Grade::Remark => return,
    };
    if let Ok(mut alarms) = stats.schema_alarms.lock()
        && alarms.len() < SCHEMA_ALARMS_MAX
        && !alarms.contains(&alarm)
    {
        alarms.push(alarm);
    }
}
