//! What the index keeps of outputs, and what it counts.

use super::*;

const BY: Answerer<'static> = Answerer {
    name: b"m",
    version: b"1",
    sha256: b"aa",
    review: 0.25,
    decline: 0.75,
    thresholds_version: b"t",
    fallback: false,
    is_challenger: false,
};

fn output(partition: i32, offset: i64, score: f64) -> Output<'static> {
    let at = Position { partition, offset };
    Output { topic: b"in", at, id: None, score, decision: Decision::Review, by: BY, fingerprint: None }
}

fn index() -> Index {
    let range = |partition, from, until| Range { partition, from, until };
    Index::new("in", &[range(0, 10, 20), range(2, 0, 5)], 15 * (OFFSET_BYTES + FINGERPRINT_BYTES))
}

fn get(index: &Index, partition: i32, offset: i64) -> Option<f64> {
    index.get(Position { partition, offset }).map(|recorded| recorded.score)
}

#[test]
fn outputs_are_found_by_their_source() {
    let mut index = index();
    for output in [output(0, 10, 0.5), output(0, 19, -0.0), output(2, 4, 1.0)] {
        index.add(Some(&output)).unwrap();
    }
    assert_eq!([(0, 10), (0, 19), (2, 4)].map(|(p, o)| get(&index, p, o)), [Some(0.5), Some(-0.0), Some(1.0)]);
    for (partition, offset) in [(0, 9), (0, 11), (0, 20), (1, 10), (2, 5), (3, 0), (-1, 0), (0, -1)] {
        assert_eq!(get(&index, partition, offset), None, "{partition} {offset}");
    }
    assert_eq!(index.counts(), OutputCounts { read: 3, recorded: 3, ..OutputCounts::default() });
}

#[test]
fn the_first_of_several_counts_and_what_differs_is_named() {
    let mut index = index();
    for (offset, score) in [(12, 0.5), (12, 0.5), (15, 0.25), (15, 0.75), (11, 0.0), (11, -0.0), (15, 0.25)] {
        index.add(Some(&output(0, offset, score))).unwrap();
    }
    let expected = OutputCounts { read: 7, recorded: 3, doubled: 4, doubled_otherwise: 2, ..OutputCounts::default() };
    assert_eq!((index.counts(), get(&index, 0, 15)), (expected, Some(0.25)));
    let first =
        DoubledOtherwise { at: Position { partition: 0, offset: 11 }, first_bits: 0, later_bits: (-0.0_f64).to_bits() };
    assert_eq!(index.doubled_otherwise(), Some(first));
    assert_eq!(index.answerers()[0].outputs, 3, "a double is no further output");
}

#[test]
fn what_is_not_of_the_ranges_is_counted_apart() {
    let mut index = index();
    index.add(None).unwrap();
    index.add(Some(&Output { topic: b"in2", ..output(0, 12, 0.5) })).unwrap();
    for (partition, offset) in [(0, 7), (0, 20), (1, 10), (9, 0), (-1, 0)] {
        index.add(Some(&output(partition, offset, 0.5))).unwrap();
    }
    let expected = OutputCounts { read: 7, foreign: 1, other_topic: 1, outside: 5, ..OutputCounts::default() };
    assert_eq!(index.counts(), expected);
    assert_eq!((index.lowest(0), index.lowest(1), index.lowest(2)), (Some(7), None, None));
}

#[test]
fn answerers_are_told_apart_and_fingerprints_stay_with_their_outputs() {
    let mut index = index();
    index.add(Some(&output(0, 10, 0.5))).unwrap();
    let other = Answerer { sha256: b"bb", ..BY };
    let with = Output { by: other, fingerprint: Some(Fingerprint([7; 16])), ..output(0, 11, 0.5) };
    index.add(Some(&Output { decision: Decision::Decline, ..with })).unwrap();
    index.add(Some(&Output { by: Answerer { fallback: true, ..BY }, ..output(0, 12, 0.5) })).unwrap();
    index.add(Some(&output(0, 13, 0.5))).unwrap();
    let said = |offset| index.get(Position { partition: 0, offset }).map(|one| (one.by, one.fingerprint)).unwrap();
    assert_eq!([10, 11, 12, 13].map(said), [(0, None), (1, Some(Fingerprint([7; 16]))), (2, None), (0, None)]);
    let decision = |offset| index.get(Position { partition: 0, offset }).unwrap().decision;
    assert_eq!((decision(10), decision(11)), (Decision::Review, Decision::Decline));
    let told: Vec<_> = index.answerers().iter().map(|by| (by.sha256.as_str(), by.fallback, by.outputs)).collect();
    assert_eq!(told, [("aa", false, 2), ("bb", false, 1), ("aa", true, 1)]);
    assert!(!index.answerers()[2].is_a_models_answer());
}

#[test]
fn fingerprints_that_find_no_room_are_refused() {
    let mut index = Index::new("in", &[Range { partition: 0, from: 0, until: 10 }], 279);
    index.add(Some(&output(0, 1, 0.5))).unwrap();
    let with = Output { fingerprint: Some(Fingerprint([7; 16])), ..output(0, 2, 0.5) };
    assert_eq!(index.add(Some(&with)), Err(NoRoom::Fingerprints(280)));
    assert_eq!(get(&index, 0, 2), None);
}

#[test]
fn an_offset_takes_twelve_bytes() {
    assert_eq!(size_of::<f64>() + size_of::<Note>(), OFFSET_BYTES as usize);
    assert_eq!(Index::bytes(&[Range { partition: 0, from: 5, until: 105 }]), 1_200);
}
