//! Challengers. The story: the next model is to be seen on the stream before it decides; and whatever it does there (it is slow,
//! it hangs, it fails, it answers NaN), the champion's outcomes are those of a lane that has none.

use std::sync::Arc;
use std::time::Duration;

use ndarray::ArrayView2;
use scorewire::avro::encode::OutputForm;
use scorewire::avro::encode_challenge::{ChallengeEncoder, ChallengeIdentity};
use scorewire::doors::{Destination, ScoreError, Scorer, SourceEvent};
use scorewire::error::Fatal;
use scorewire::lane::challenge::{Challenger, ChallengerPackage, Taps, tap};
use scorewire::lane::score::Patience;
use scorewire::lane::scoring::Scoring;
use scorewire::observe::challengers::ChallengerStats;
use scorewire::values::challenge::Rival;
use scorewire::values::settings::Thresholds;
use serde_json::{Value as Json, json};

use crate::fakes::outcome::challenge;
use crate::fakes::scorer::{ScorerState, WIDTH};
use crate::fakes::{FakeChallenges, FakeScorer, ManualClock, Mode, Payment, Row, Setup, World, payload};

/// A challenger, and what the test sees of it.
struct Rig<M> {
    challenger: Option<Challenger<M, FakeChallenges, ManualClock>>,
    sink: FakeChallenges,
    stats: Arc<ChallengerStats>,
}

impl<M: Scorer> Rig<M> {
    /// It answers all that waits for it.
    fn serve(&mut self) {
        let challenger = self.challenger.as_mut().unwrap();
        while challenger.serve_one().unwrap() {}
    }

    fn rows(&self) -> Vec<Row> {
        self.sink.state().rows.clone()
    }

    fn read(&self) -> Vec<Json> {
        self.rows().iter().map(|row| challenge(&row.value)).collect()
    }

    fn numbers(&self) -> (u64, u64, u64) {
        let compared = self.stats.comparison.lock().unwrap().compared();
        (self.stats.sampled.get(), self.stats.shed.get(), compared)
    }
}

fn rival(version: &str) -> Rival {
    Rival {
        model_name: "fake".into(),
        model_version: version.into(),
        model_sha256: "0".repeat(64),
        thresholds: Thresholds { review: 0.5, decline: 0.75, version: "t".into() },
    }
}

/// Challengers of these models, each asked about such a share, on the lane of `world`.
fn challenge_with<M: Scorer>(world: &mut World, challengers: Vec<(&str, M, u32)>) -> Vec<Rig<M>> {
    let (mut rigs, mut taps) = (Vec::new(), Vec::new());
    for (name, scorer, share) in challengers {
        let stats = Arc::new(ChallengerStats::default());
        let (tap, emptied) = tap(share, true, Arc::clone(&stats));
        let mut package = world.setup.package(scorer, world.setup.decoder(&world.schemas));
        package.thresholds = rival("").thresholds;
        let identity = ChallengeIdentity {
            name: name.into(),
            challenger: rival("2"),
            champion: rival("1"),
            node: "node".into(),
            lane: 0,
            topic: "enriched-context".into(),
        };
        let package = ChallengerPackage {
            scoring: Scoring::new(package, 1 << 20, Patience::ends_after(u32::MAX)),
            encoder: ChallengeEncoder::new(&identity, OutputForm::SingleObject),
            input_partitions: world.setup.partitions,
        };
        let sink = FakeChallenges::new(world.setup.partitions);
        let doors = (sink.clone(), world.clock.clone());
        let challenger = Challenger::new(package, emptied, doors, Arc::clone(&stats));
        rigs.push(Rig { challenger: Some(challenger), sink, stats });
        taps.push(tap);
    }
    world.lane.challenge(Taps::new(taps));
    rigs
}

fn setup() -> Setup {
    Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() }
}

/// What a lane sends of these payments, with whatever challengers.
fn outcomes(world: &World) -> Vec<(Destination, Option<Vec<u8>>)> {
    let of =
        |to: Destination| -> Vec<_> { world.sink.state().to(to).iter().map(|sent| (to, sent.value.clone())).collect() };
    [of(Destination::Outputs), of(Destination::DeadLetters), of(Destination::Timeouts)].concat()
}

fn put(world: &World, count: usize) {
    for number in 0..count {
        let payment = Payment::new(format!("tx-{number}"), (number % 10) as f64 / 10.0);
        world.source.put(number as i32 % 2, payment.encode());
    }
}

/// Adds to what the fake answers, at most 1.
struct Shifted(f64);

impl Scorer for Shifted {
    fn width(&self) -> usize {
        WIDTH
    }

    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError> {
        rows.column(0).iter().zip(scores).for_each(|(risk, score)| *score = (f64::from(*risk) + self.0).min(1.0));
        Ok(())
    }
}

/// Answers with what is no number.
struct Never;

impl Scorer for Never {
    fn width(&self) -> usize {
        WIDTH
    }

    fn score(&mut self, _: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError> {
        scores.fill(f64::NAN);
        Ok(())
    }
}

#[test]
fn every_scored_record_has_one_row_with_both_answers_where_it_came_from() {
    let mut world = setup().build();
    let mut rigs =
        challenge_with(&mut world, vec![("next", Shifted(0.25), 1_000_000), ("same", Shifted(0.0), 1_000_000)]);
    world.source.put_at(0, 0, Some("key"), Some(Payment::new("tx-a", 0.5).encode()), Vec::new());
    world.source.put_at(0, 1, None, Some(Payment::new("tx-b", 0.25).encode()), Vec::new());
    world.source.put(1, b"poison".to_vec());
    world.source.put(1, Payment::new("nan", 0.5).mode(Mode::NotANumber).encode());
    world.cycles(10);
    world.settle();
    rigs.iter_mut().for_each(Rig::serve);
    let rows = rigs[0].rows();
    assert_eq!(rows.len(), 2, "dead letters are not challenged");
    assert_eq!((rows[0].key.as_deref(), rows[0].partition), (Some(&b"key"[..]), Some(0)));
    assert_eq!((rows[1].key.as_deref(), rows[1].partition), (None, Some(1)));
    let first = &rigs[0].read()[0];
    for (path, expected) in [
        ("/transaction_id", json!("tx-a")),
        ("/challenger", json!("next")),
        ("/score", json!(0.75)),
        ("/decision", json!("DECLINE")),
        ("/failure", Json::Null),
        ("/model/version", json!("2")),
        ("/thresholds/decline", json!(0.75)),
        ("/champion/score", json!(0.5)),
        ("/champion/decision", json!("REVIEW")),
        ("/champion/model/version", json!("1")),
        ("/champion/late", json!(false)),
        ("/node", json!("node")),
        ("/source/topic", json!("enriched-context")),
        ("/source/partition", json!(0)),
        ("/source/offset", json!(0)),
    ] {
        assert_eq!(first.pointer(path), Some(&expected), "{path} of {first}");
    }
    assert_eq!(rigs[0].numbers(), (2, 0, 2));
    let flipped = rigs[0].stats.comparison.lock().unwrap().clone();
    assert_eq!((flipped.flips(), flipped.stricter(), flipped.differing()), (2, 2, 2));
    let same = rigs[1].stats.comparison.lock().unwrap().clone();
    assert_eq!((same.flips(), same.differing(), same.compared()), (0, 0, 2));
    assert_eq!(rigs[0].stats.written.get(), 2);
}

#[test]
fn a_challenger_that_never_answers_changes_nothing_and_what_it_misses_is_counted() {
    const RECORDS: usize = 12_000;
    let mut alone = setup().build();
    let mut world = setup().build();
    let rigs = challenge_with(&mut world, vec![("hangs", Shifted(0.0), 1_000_000)]);
    for of in [&mut alone, &mut world] {
        of.sink.state().auto_ack = true;
        put(of, RECORDS);
        of.cycle_until("all are scored", |world| world.stats.scored.get() == RECORDS as u64);
    }
    assert_eq!(outcomes(&world), outcomes(&alone));
    let (sampled, shed, compared) = rigs[0].numbers();
    assert_eq!((sampled, compared), (RECORDS as u64, 0));
    assert!(shed > 0 && shed < sampled, "its queue holds some, and not all: {shed} of {sampled}");
    assert_eq!(world.stats.backpressure_stalls.get(), alone.stats.backpressure_stalls.get());
}

#[test]
fn a_challenger_that_comes_back_gets_what_is_new() {
    let mut world = setup().build();
    let mut rigs = challenge_with(&mut world, vec![("slow", Shifted(0.0), 1_000_000)]);
    world.sink.state().auto_ack = true;
    put(&world, 12_000);
    world.cycle_until("all are scored", |world| world.stats.scored.get() == 12_000);
    rigs[0].serve();
    let (_, shed, compared) = rigs[0].numbers();
    assert_eq!(shed + compared, 12_000, "each was answered or left out");
    put(&world, 100);
    world.cycle_until("all are scored", |world| world.stats.scored.get() == 12_100);
    world.clock.advance(Duration::from_millis(10));
    world.cycle();
    rigs[0].serve();
    assert_eq!(rigs[0].numbers(), (12_100, shed, compared + 100));
    let mut positions: Vec<String> = rigs[0].read().iter().map(|row| row["source"].to_string()).collect();
    let rows = positions.len();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(rows, positions.len(), "one row for a position");
}

#[test]
fn one_that_fails_or_answers_nan_has_rows_that_say_so() {
    let (mut world, broken) = (setup().build(), ScorerState::default());
    broken.set_broken(true);
    let mut rigs = challenge_with(&mut world, vec![("broken", FakeScorer(broken), 1_000_000)]);
    put(&world, 100);
    world.cycles(40);
    world.settle();
    rigs[0].serve();
    assert_eq!(world.outputs().len(), 100, "more failures in a row than end a lane");
    assert_eq!(rigs[0].numbers(), (100, 0, 0));
    let failed: u64 = rigs[0].stats.failed_total();
    assert_eq!(failed, 100);
    for row in rigs[0].read() {
        assert_eq!(
            (&row["failure"], &row["score"], &row["decision"]),
            (&json!("model_failed"), &Json::Null, &Json::Null)
        );
    }
    let mut nan = setup().build();
    let mut rigs = challenge_with(&mut nan, vec![("nan", Never, 1_000_000)]);
    put(&nan, 3);
    nan.cycles(10);
    nan.settle();
    rigs[0].serve();
    assert_eq!(nan.outputs().len(), 3);
    let failures: Vec<Json> = rigs[0].read().iter().map(|row| row["failure"].clone()).collect();
    assert_eq!(failures, vec![json!("non_finite_score"); 3]);
}

#[test]
fn the_sample_is_by_position_and_the_same_for_every_challenger() {
    let mut world = setup().build();
    let mut rigs = challenge_with(
        &mut world,
        vec![
            ("a", Shifted(0.0), 250_000),
            ("b", Shifted(0.5), 250_000),
            ("c", Shifted(0.0), 1_000_000),
            ("d", Shifted(0.0), 0),
        ],
    );
    put(&world, 2_000);
    world.sink.state().auto_ack = true;
    world.cycle_until("all are scored", |world| world.stats.scored.get() == 2_000);
    world.clock.advance(Duration::from_millis(10));
    world.cycle();
    rigs.iter_mut().for_each(Rig::serve);
    let sources = |rig: &Rig<Shifted>| rig.read().iter().map(|row| row["source"].to_string()).collect::<Vec<_>>();
    assert_eq!(sources(&rigs[0]), sources(&rigs[1]));
    assert!((400..600).contains(&sources(&rigs[0]).len()), "{}", sources(&rigs[0]).len());
    assert_eq!((sources(&rigs[2]).len(), rigs[3].numbers()), (2_000, (0, 0, 0)));
}

#[test]
fn a_full_topic_is_waited_for_and_one_that_is_gone_ends_the_challenger_alone() {
    let mut world = setup().build();
    let mut rigs =
        challenge_with(&mut world, vec![("full", Shifted(0.0), 1_000_000), ("gone", Shifted(0.0), 1_000_000)]);
    rigs[0].sink.state().full_times = 5;
    rigs[1].sink.state().fatal = Some(Fatal::new(74, "the topic is gone", ""));
    put(&world, 10);
    world.cycles(10);
    world.settle();
    rigs[0].serve();
    assert_eq!(rigs[0].rows().len(), 10);
    let mut gone = rigs[1].challenger.take().unwrap();
    assert_eq!(gone.serve_one().unwrap_err().code, 74);
    drop(gone);
    put(&world, 10);
    world.cycles(10);
    world.settle();
    assert_eq!(world.outputs().len(), 20);
    assert_eq!(rigs[1].numbers().1, 10, "nobody is there: all are left out");
}

#[test]
fn a_record_that_is_scored_again_is_challenged_again_under_another_epoch() {
    let mut world = setup().build();
    let mut rigs = challenge_with(&mut world, vec![("next", Shifted(0.0), 1_000_000)]);
    put(&world, 1);
    world.cycles(5);
    world.source.tell(SourceEvent::Lost(vec![0, 1]));
    world.cycles(2);
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycles(10);
    world.settle();
    rigs[0].serve();
    let read = rigs[0].read();
    let epochs: Vec<&Json> = read.iter().map(|row| &row["epoch"]).collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0]["source"], read[1]["source"]);
    assert_ne!(epochs[0], epochs[1]);
}

#[test]
fn a_challenger_ends_with_its_lane_when_it_has_answered_all_it_got() {
    let mut world = setup().build();
    let mut rigs = challenge_with(&mut world, vec![("next", Shifted(0.0), 1_000_000)]);
    put(&world, 50);
    world.cycles(20);
    world.settle();
    let challenger = rigs[0].challenger.take().unwrap();
    drop(world);
    assert_eq!(challenger.serve(), Ok(()));
    assert_eq!((rigs[0].rows().len(), rigs[0].stats.written.get()), (50, 50));
}

#[test]
fn records_whose_schema_only_the_header_names_are_decoded() {
    let mut world = setup().build();
    let mut rigs = challenge_with(&mut world, vec![("next", Shifted(0.0), 1_000_000)]);
    let id = [&[0][..], &payload::KNOWN_ID.to_be_bytes()].concat();
    let bare = Payment::new("tx", 0.5).encode()[10..].to_vec();
    world.source.put_at(0, 0, None, Some(bare), vec![("__value_schema_id".to_owned(), Some(id))]);
    world.cycles(10);
    world.settle();
    rigs[0].serve();
    assert_eq!(rigs[0].read()[0]["score"], json!(0.5));
}
