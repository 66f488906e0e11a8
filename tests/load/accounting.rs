//! The accounting decides whether a run kept its promises. Each of its counts is held here against outcomes made by hand:
//! a count that never moves would let every regression through.

use scorewire::avro::encode::{OutcomeEncoder, OutcomeIdentity};
use scorewire::avro::written::Written;
use scorewire::load::simulate::marker::Marker;
use scorewire::load::simulate::poison::KINDS;
use scorewire::load::verify::accounting::{Accounting, Layout, Tally};
use scorewire::load::verify::faults::FaultKind;
use scorewire::load::verify::inject::{Injector, Tap};
use scorewire::load::verify::outcome::{Fate, Outcome};
use scorewire::load::verify::projection::{Field, Projection, without_prefix};
use scorewire::values::fingerprint::Fingerprint;
use scorewire::values::model::Provider;
use scorewire::values::record::{Decision, Decoded, Position, SchemaKey, Scored, TransactionId};

const LAYOUT: Layout = Layout { input: 2, destinations: [2; 4] };

/// Record `sequence`, scored; even ones are in partition 0, odd ones in partition 1.
fn scored(sequence: u64) -> Outcome {
    let partition = (sequence % 2) as u16;
    Outcome {
        marker: Marker { run: 1, sequence, due_us: 1_000, key_hash: 5, partition, poison: 0, measured: 1 },
        fate: Fate::Scored { decision: 1, score: 0.25 },
        partition: i32::from(partition),
        key_hash: 5,
        is_stub: false,
        by_fallback: false,
        claimed_partition: Some(i64::from(partition)),
        read_us: 3_000,
        stamps: None,
    }
}

fn rejected(sequence: u64, poison: &str) -> Outcome {
    let kind = KINDS.iter().position(|kind| kind.name == poison).map_or(0, |place| place as u8 + 1);
    let mut outcome = scored(sequence);
    outcome.marker.poison = kind;
    outcome.fate = Fate::DeadLettered { reason: 0 };
    outcome.claimed_partition = None;
    outcome
}

/// Counts outcomes of a run in which the only reason heard is `truncated`.
fn account(outcomes: &[Outcome]) -> Accounting {
    let mut accounting = Accounting::new(LAYOUT, 10);
    for outcome in outcomes {
        accounting.count(outcome, &|index, name| index == 0 && name == "truncated");
    }
    accounting
}

fn tally(outcomes: &[Outcome]) -> Tally {
    account(outcomes).tally
}

#[test]
fn what_the_fallback_decided_is_counted_among_the_scored() {
    let outcomes = (0..10).map(|sequence| Outcome { by_fallback: sequence < 3, ..scored(sequence) });
    let tally = tally(&outcomes.collect::<Vec<_>>());
    assert_eq!((tally.scored, tally.fallback, tally.malformed), (10, 3, 0));
}

#[test]
fn a_complete_run_has_nothing_to_complain_about() {
    let outcomes: Vec<Outcome> = (0..100).map(scored).collect();
    let accounting = account(&outcomes);
    let expected = Tally { scored: 100, measured: 100, decisions: [0, 100, 0], ..Tally::default() };
    assert_eq!(accounting.tally, expected);
    assert_eq!(accounting.lost(100), (0, vec![]));
    assert_eq!(accounting.interval.latency.us.max(), 2_000);
    assert_eq!(accounting.accounted(), 100);
}

#[test]
fn records_that_promises_were_broken_to_are_named() {
    let mut elsewhere = scored(8);
    elsewhere.key_hash = 6;
    let mut strange = scored(10);
    strange.fate = Fate::Scored { decision: 1, score: 2.0 };
    let accounting = account(&[scored(0), scored(0), scored(6), scored(4), elsewhere, strange]);
    let named: Vec<_> = accounting.firsts.iter().copied().collect();
    let expected =
        [(FaultKind::Duplicated, 0), (FaultKind::OutOfOrder, 4), (FaultKind::Misplaced, 8), (FaultKind::Malformed, 10)];
    assert_eq!(named, expected);
}

#[test]
fn what_nobody_looked_at_counts_as_scored_and_nothing_else() {
    let unread = |sequence| Outcome { fate: Fate::Unread, claimed_partition: None, ..scored(sequence) };
    let mut poison = unread(2);
    poison.marker.poison = 1;
    let expected = Tally { scored: 2, measured: 2, ..Tally::default() };
    assert_eq!(tally(&[unread(0), poison]), expected);
}

#[test]
fn lost_records_are_counted_and_named() {
    let outcomes: Vec<Outcome> = (0..100).filter(|i| ![3, 50, 99].contains(i)).map(scored).collect();
    assert_eq!(account(&outcomes).lost(100), (3, vec![3, 50, 99]));
    assert_eq!(account(&[]).lost(1_000).0, 1_000);
    assert_eq!(account(&[]).lost(1_000).1.len(), 10);
}

#[test]
fn a_second_outcome_is_a_duplicate_and_nothing_else() {
    let tally = tally(&[scored(0), scored(2), scored(0), rejected(2, "last byte missing")]);
    assert_eq!((tally.duplicated, tally.scored, tally.dead_lettered, tally.out_of_order), (2, 2, 0, 0));
}

#[test]
fn order_holds_within_a_partition_and_a_topic_only() {
    assert_eq!(tally(&[scored(4), scored(1), scored(6), scored(3)]).out_of_order, 0);
    assert_eq!(tally(&[scored(4), rejected(2, "")]).out_of_order, 0);
    assert_eq!(tally(&[scored(4), scored(2), scored(6)]).out_of_order, 1);
    // One that overtakes two.
    assert_eq!(tally(&[scored(6), scored(2), scored(4)]).out_of_order, 2);
}

#[test]
fn keys_and_partitions_must_be_kept() {
    let mut other_key = scored(0);
    other_key.key_hash = 6;
    let mut other_partition = scored(2);
    other_partition.partition = 1;
    assert_eq!(tally(&[other_key, other_partition]).misplaced, 2);
    // Where counts differ, the partition may; the key may not.
    let mut accounting = Accounting::new(Layout { input: 2, destinations: [3, 2, 2, 2] }, 10);
    accounting.count(&other_partition, &|_, _| true);
    assert_eq!(accounting.tally.misplaced, 0);
}

#[test]
fn poison_must_come_back_for_its_own_reason() {
    let right = tally(&[rejected(0, "last byte missing")]);
    assert_eq!((right.dead_lettered, right.wrong_reason, right.sound_rejected), (1, 0, 0));
    assert_eq!(right.reasons, [1]);
    assert_eq!(tally(&[rejected(0, "tombstone")]).wrong_reason, 1);
    assert_eq!(tally(&[rejected(0, "")]).sound_rejected, 1);
    let mut poison = rejected(0, "tombstone");
    poison.fate = Fate::Scored { decision: 0, score: 0.1 };
    assert_eq!(tally(&[poison]).poison_scored, 1);
    let mut timed_out = rejected(0, "");
    timed_out.fate = Fate::TimedOut { reason: 0 };
    let tally = tally(&[timed_out]);
    assert_eq!((tally.dead_lettered, tally.timed_out), (1, 1));
}

#[test]
fn outputs_that_say_nonsense_are_malformed() {
    let with = |fate: Fate| {
        let mut outcome = scored(0);
        outcome.fate = fate;
        tally(&[outcome])
    };
    for score in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert_eq!(with(Fate::Scored { decision: 0, score }).malformed, 1, "{score}");
    }
    assert_eq!(with(Fate::Scored { decision: 3, score: 0.5 }).malformed, 1);
    assert_eq!(with(Fate::Unreadable).malformed, 1);
    let mut elsewhere = scored(0);
    elsewhere.claimed_partition = Some(1);
    assert_eq!(tally(&[elsewhere]).malformed, 1);
}

#[test]
fn reviews_are_extra_and_the_warm_up_counts_for_no_latency() {
    let mut review = scored(0);
    review.fate = Fate::Review;
    let mut early = scored(0);
    early.marker.measured = 0;
    let accounting = account(&[review, early, review]);
    let tally = &accounting.tally;
    assert_eq!((tally.review, tally.review_duplicated, tally.scored, tally.duplicated), (2, 1, 1, 0));
    assert_eq!((tally.measured, accounting.interval.latency.us.len()), (0, 0));
}

fn with(sequence: u64, fate: Fate) -> Outcome {
    Outcome { fate, claimed_partition: None, ..scored(sequence) }
}

#[test]
fn a_letter_that_is_scored_again_later_is_its_record_s_one_outcome() {
    let put_off = |sequence| with(sequence, Fate::PutOff);
    let accounting = account(&[put_off(0), put_off(1), put_off(2)]);
    let expected = Tally { put_off: 3, measured: 3, ..Tally::default() };
    assert_eq!((&accounting.tally, accounting.accounted()), (&expected, 3));
    assert_eq!((accounting.lost(3).0, accounting.interval.latency.us.len()), (0, 3));
    // It keeps every promise that an output keeps.
    assert_eq!(tally(&[put_off(0), put_off(0), scored(2), put_off(2)]).duplicated, 2);
    assert_eq!(tally(&[put_off(4), put_off(2)]).out_of_order, 1);
    assert_eq!(tally(&[put_off(4), scored(2), rejected(0, "")]).out_of_order, 0, "topics have no common order");
    assert_eq!(tally(&[Outcome { key_hash: 6, ..put_off(0) }, Outcome { partition: 1, ..put_off(2) }]).misplaced, 2);
    let mut poison = put_off(0);
    poison.marker.poison = 1;
    assert_eq!(tally(&[poison]).poison_scored, 1, "a model can fail only at what can be decoded");
}

#[test]
fn what_takes_a_letter_s_place_is_no_second_outcome() {
    let amended = |sequence| with(sequence, Fate::Amended);
    let again = with(0, Fate::PutOffAgain);
    // Late, in no order, under any key: nothing is promised of it. Before the letter is read, or behind it.
    let elsewhere = Outcome { key_hash: 6, partition: 1, ..amended(0) };
    let tally = tally(&[amended(4), with(0, Fate::PutOff), again, again, elsewhere, with(4, Fate::PutOff)]);
    let expected = Tally { put_off: 2, put_off_again: 2, amended: 2, measured: 2, ..Tally::default() };
    assert_eq!(tally, expected);
    let accounting = account(&[amended(0), amended(2), amended(0), again]);
    assert_eq!((accounting.tally.amended, accounting.tally.amended_duplicated), (3, 1));
    assert_eq!((accounting.accounted(), accounting.lost(1)), (0, (1, vec![0])), "without its letter it is lost");
}

#[test]
fn what_an_operator_passed_over_is_accounted_for_in_any_order_and_under_any_key() {
    let skipped = |sequence| Outcome { is_stub: true, key_hash: 9, ..with(sequence, Fate::Skipped) };
    let mut poison = skipped(2);
    poison.marker.poison = 1;
    // Looked up at the end: dead letters of later records were read before.
    let accounting = account(&[rejected(6, "last byte missing"), skipped(0), poison, scored(4)]);
    let tally = &accounting.tally;
    let broken = [tally.duplicated, tally.out_of_order, tally.misplaced, tally.poison_scored, tally.wrong_reason];
    assert_eq!((tally.skipped, tally.dead_lettered, tally.scored, broken), (2, 1, 1, [0; 5]));
    assert_eq!(accounting.accounted(), 4);
    assert_eq!(self::tally(&[scored(0), skipped(0)]).duplicated, 1, "it was answered, and passed over");
    assert_eq!(self::tally(&[Outcome { partition: 1, ..skipped(0) }]).misplaced, 1);
}

#[test]
fn injections_are_carried_out_once() {
    let mut injector = Injector::new(&["suppress@2", "double@4", "swap@6"].map(|text| text.parse().unwrap()));
    let mut passed = Vec::new();
    for outcome in (0..12).map(scored).chain((0..12).map(scored)) {
        injector.on_output(outcome, &mut |outcome| passed.push(outcome.marker.sequence));
    }
    // 7 is of another partition: 8 is the next after 6.
    let first = [0, 1, 3, 4, 4, 5, 7, 8, 6, 9, 10, 11];
    let expected: Vec<u64> = first.into_iter().chain(0..12).collect();
    assert_eq!(passed, expected);
    assert!("drop@1".parse::<scorewire::load::verify::inject::Injection>().is_err());
    assert!("double@x".parse::<scorewire::load::verify::inject::Injection>().is_err());
    assert_eq!("swap@7".parse::<scorewire::load::verify::inject::Injection>().unwrap().to_string(), "swap@7");
}

fn an_output(fingerprint: Option<Fingerprint>) -> Vec<u8> {
    let mut encoder = OutcomeEncoder::new(&OutcomeIdentity {
        review_threshold: 0.1,
        decline_threshold: 0.9,
        thresholds_version: "v".into(),
        node: "node".into(),
        lane: 1,
        model_name: "m".into(),
        model_version: "1".into(),
        model_sha256: "00".into(),
        provider: Provider::Cpu,
        topic: "enriched-context".into(),
        fallback_step: None,
    });
    let scored = Scored {
        payload: b"\0\0\0\0\x07an-id",
        position: Position { partition: 11, offset: 1 << 40 },
        source_timestamp_ms: 1_700_000_000_000,
        decoded: Decoded {
            id: TransactionId::Text { start: 5, len: 5 },
            event_time_ms: Some(-5),
            schema: SchemaKey::Fingerprint(77),
        },
        score: 0.625,
        decision: Decision::Review,
        late: true,
        epoch: 0,
        fingerprint,
        amends: None,
        received_us: 1,
        scored_us: 2,
    };
    let mut out = Vec::new();
    encoder.encode_output(&scored, &mut out);
    out
}

#[test]
fn the_projection_reads_what_the_product_writes() {
    let wanted = ["decision", "score", "source.partition", "source.offset"];
    let projection = Projection::new(Written::Outputs.text(), &wanted).unwrap();
    for fingerprint in [None, Some(Fingerprint([0xff; 16]))] {
        let output = an_output(fingerprint);
        let datum = without_prefix(&output);
        let mut fields = [Field::Absent; 4];
        assert!(projection.read(datum, &mut fields));
        assert_eq!(fields, [Field::Long(1), Field::Double(0.625), Field::Long(11), Field::Long(1 << 40)]);
        for end in 0..datum.len() {
            assert!(!projection.read(&datum[..end], &mut fields), "cut at {end}");
        }
        assert!(!projection.read(&[datum, &[0]].concat(), &mut fields));
    }
    assert!(Projection::new(Written::Review.text(), &["decision", "score"]).is_ok());
}

#[test]
fn the_projection_reads_along_every_kind_of_schema() {
    let schema = r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
        {"name": "list", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "x", "type": "float"}]}}},
        {"name": "table", "type": {"type": "map", "values": ["null", "long"]}},
        {"name": "fix", "type": {"type": "fixed", "name": "F", "size": 3}},
        {"name": "again", "type": "Item"},
        {"name": "flag", "type": {"type": "boolean"}},
        {"name": "perhaps", "type": ["null", "int"]}
    ]}"#;
    let projection = Projection::new(schema, &["perhaps"]).unwrap();
    let mut fields = [Field::Absent];
    // Two items in one block, a map block with its size in bytes, three bytes, a float, a boolean, branch 1, 21.
    let list = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let table = [1, 6, 2, b'k', 0, 0];
    let rest = [9, 9, 9, 0, 0, 0, 0, 1, 2, 42];
    let datum = [&list[..], &table, &rest].concat();
    assert!(projection.read(&datum, &mut fields));
    assert_eq!(fields, [Field::Long(21)]);
    // The same map block without its size.
    let datum = [&list[..], &[2, 2, b'k', 0, 0], &rest[..8], &[0]].concat();
    assert!(projection.read(&datum, &mut fields));
    assert_eq!(fields, [Field::Absent]);
    // Counts and lengths that promise more than there is.
    assert!(!projection.read(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &mut fields));
    assert!(!projection.read(&[0xff; 20], &mut fields));
}

#[test]
fn a_schema_that_cannot_be_read_along_is_refused_with_its_reason() {
    let node = r#"{"type": "record", "name": "Node", "fields": [
        {"name": "next", "type": ["null", "Node"]}, {"name": "score", "type": "double"}]}"#;
    assert!(Projection::new(node, &["score"]).unwrap_err().contains("recursive"));
    assert!(Projection::new(Written::Outputs.text(), &["no.such"]).unwrap_err().contains("no.such"));
    assert!(Projection::new("[", &[]).is_err());
    assert!(Projection::new(r#"{"type": "record", "fields": [{"name": "a", "type": "B"}]}"#, &[]).is_err());
}
