//! Where promises were broken: the first few records of each kind, by number, and where they stand in the input.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::error::Fatal;
use crate::kafka::load_consumer::LoadConsumer;
use crate::load::simulate::marker::{MARKER, Marker};

/// Records named of each kind; the counts tell the rest.
const NAMED_MAX: usize = 5;
/// How long to wait for a record of the input before the rest counts as gone from it (retention, compaction).
pub(super) const INPUT_WAIT: Duration = Duration::from_secs(3);

/// How a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Lost,
    Duplicated,
    OutOfOrder,
    WrongScore,
    Misplaced,
    Malformed,
}

impl FaultKind {
    fn words(self) -> &'static str {
        match self {
            FaultKind::Lost => "lost",
            FaultKind::Duplicated => "doubled",
            FaultKind::OutOfOrder => "out of order",
            FaultKind::WrongScore => "wrong score",
            FaultKind::Misplaced => "misplaced",
            FaultKind::Malformed => "malformed",
        }
    }
}

/// The first few of each kind, in the order in which they were noticed.
#[derive(Clone, Debug, Default)]
pub struct FirstFaults(Vec<(FaultKind, u64)>);

impl FirstFaults {
    pub fn note(&mut self, kind: FaultKind, sequence: u64) {
        if self.0.iter().filter(|(known, _)| *known == kind).count() < NAMED_MAX {
            self.0.push((kind, sequence));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &(FaultKind, u64)> {
        self.0.iter()
    }
}

/// One broken promise and the record it was made to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// Number of the record in the run, from 0.
    pub sequence: u64,
    /// Where it stands in the input; `null` where it is not there any more.
    pub position: Option<FaultPosition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultPosition {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl Fault {
    /// For people: `lost: record 700, enriched-context-2@1234`.
    pub fn line(&self) -> String {
        let place = match &self.position {
            Some(at) => format!("{}-{}@{}", at.topic, at.partition, at.offset),
            None => "no longer in the input".to_owned(),
        };
        format!("{}: record {}, {place}", self.kind.words(), self.sequence)
    }
}

/// The input as it is read again.
pub struct Input<'a> {
    pub bootstrap: &'a str,
    /// Of the reading client.
    pub properties: &'a BTreeMap<String, String>,
    pub topic: &'a str,
    /// Where its partitions ended before the run.
    pub start: &'a [i64],
}

/// Finds the records in the input, by reading it again from where it ended before the run. Only a run with faults pays
/// for that, and nothing that the pipeline wrote is believed.
///
/// # Errors
/// Those of [`LoadConsumer`].
pub fn locate(input: &Input<'_>, run: u64, firsts: &FirstFaults) -> Result<Vec<Fault>, Fatal> {
    let mut places: BTreeMap<u64, Option<FaultPosition>> =
        firsts.iter().map(|(_, sequence)| (*sequence, None)).collect();
    let mut open = places.len();
    if open > 0 {
        let Input { bootstrap, properties, topic, start } = *input;
        let from: Vec<(i32, i64)> = (0..).zip(start.iter().copied()).collect();
        let mut consumer = LoadConsumer::read_from(bootstrap, properties, topic, &from, MARKER)?;
        let mut more = true;
        while more && open > 0 {
            more = consumer.poll(INPUT_WAIT, &mut |record| {
                let marker = record.marker.and_then(Marker::from_bytes).filter(|marker| marker.run == run);
                let place = marker.and_then(|marker| places.get_mut(&marker.sequence));
                if let Some(place @ None) = place {
                    let (partition, offset) = (record.partition, record.offset);
                    *place = Some(FaultPosition { topic: topic.to_owned(), partition, offset });
                    open -= 1;
                }
            })?;
        }
    }
    let named = |(kind, sequence): &(FaultKind, u64)| Fault {
        kind: *kind,
        sequence: *sequence,
        position: places.get(sequence).cloned().flatten(),
    };
    let mut faults: Vec<Fault> = firsts.iter().map(named).collect();
    faults.sort_by_key(|fault| (fault.kind, fault.sequence));
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_each_kind_are_named() {
        let mut firsts = FirstFaults::default();
        assert_eq!(firsts.iter().count(), 0);
        for sequence in 0..100 {
            firsts.note(FaultKind::Duplicated, sequence);
        }
        firsts.note(FaultKind::Lost, 7);
        let noted: Vec<_> = firsts.iter().copied().collect();
        assert_eq!(noted.len(), NAMED_MAX + 1);
        assert_eq!((noted[0], noted[5]), ((FaultKind::Duplicated, 0), (FaultKind::Lost, 7)));
    }

    #[test]
    fn a_fault_says_where_its_record_stands() {
        let position = FaultPosition { topic: "in".into(), partition: 2, offset: 41 };
        let fault = Fault { kind: FaultKind::OutOfOrder, sequence: 9, position: Some(position) };
        assert_eq!(fault.line(), "out of order: record 9, in-2@41");
        let json = serde_json::to_value(&fault).unwrap();
        assert_eq!(json["kind"], "out_of_order");
        assert_eq!((&json["sequence"], &json["position"]["offset"]), (&9.into(), &41.into()));
        let gone = Fault { position: None, ..fault };
        assert!(gone.line().ends_with("no longer in the input"));
    }
}
