//! Golden rows the whole way: each is put back into an encoded transaction, which the lane decodes, batches, scores with
//! the package's own model, judges and encodes. The story: a contract whose features come in another order than the
//! model's, or a transform that training did differently. The golden rows alone cannot tell, since they are features
//! already.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fakes::{self, FakeSink, FakeSource, Journal, ManualClock, Outcome, Setup};
use crate::model_support::{SteppingClock, settings};
use crate::packages;
use scorewire::avro::decoder::Decoder;
use scorewire::avro::schemas::SchemaDirectory;
use scorewire::doors::{Destination, SourceEvent};
use scorewire::lane::commit::AtLeastOnce;
use scorewire::lane::{Lane, LaneDoors, LanePackage, Types};
use scorewire::load::simulate::transaction::id_text;
use scorewire::model::{Model, Session, prepare};
use scorewire::node;
use scorewire::observe::stats::LaneStats;
use scorewire::values::schemas::{OnUnknown, WireForms};
use scorewire::values::settings::Layout;

const PARTITIONS: i32 = 2;

type PackageLane = Lane<Types<FakeSource, Session, FakeSink, AtLeastOnce, ManualClock>>;

/// As `run` makes it for a package: single-object encoding of its own schema.
fn decoder(model: &Model) -> (Decoder, u64) {
    let reader = Arc::clone(&model.package.reader);
    let fingerprint = reader.fingerprint();
    let mut directory = SchemaDirectory::without_folder(OnUnknown::DeadLetter);
    directory.add(Arc::clone(&reader));
    let wanted = model.package.wanted.clone();
    (Decoder::new(reader, wanted, Box::new(directory), WireForms::default()).unwrap(), fingerprint)
}

struct Journey {
    source: FakeSource,
    sink: FakeSink,
    clock: ManualClock,
    lane: PackageLane,
    /// Of the package's schema.
    fingerprint: u64,
    next: u64,
}

impl Journey {
    fn new(model: &Model, batch_rows: usize) -> Journey {
        let (journal, clock) = (Journal::default(), ManualClock::default());
        let (source, sink) = (FakeSource::new(journal.clone()), FakeSink::new(journal, PARTITIONS));
        for partition in 0..PARTITIONS {
            source.state().logs.entry(partition).or_default();
        }
        source.tell(SourceEvent::Assigned((0..PARTITIONS).collect()));
        let (decoder, fingerprint) = decoder(model);
        let package = node::package(model, decoder, &model.package.thresholds).unwrap();
        let settings = Setup { partitions: PARTITIONS, layout: Layout::Inline, ..Setup::default() }.settings();
        let doors = LaneDoors {
            source: source.clone(),
            sink: sink.clone(),
            commit: AtLeastOnce::new(&settings.limits),
            clock: clock.clone(),
            stats: Arc::new(LaneStats::default()),
        };
        let lane = Lane::build(LanePackage { batch_rows, ..package }, settings, doors);
        Journey { source, sink, clock, lane, fingerprint, next: 0 }
    }

    /// Puts the row on the input as a transaction and says its id.
    fn put(&mut self, row: &[f32]) -> String {
        let transaction = packages::transaction(self.next, row);
        let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(&transaction.features()), bits(row), "the transaction is this row's");
        let mut value = [&[0xC3, 0x01][..], &self.fingerprint.to_le_bytes()].concat();
        transaction.encode(&mut value);
        self.source.put((self.next % PARTITIONS as u64) as i32, value);
        self.next += 1;
        String::from_utf8(id_text(transaction.id).to_vec()).unwrap()
    }

    /// Cycles until every record has an outcome; those scored, by transaction id.
    fn outcomes(&mut self) -> BTreeMap<String, Outcome> {
        for _ in 0..10_000 {
            self.clock.advance(fakes::world::CYCLE);
            self.lane.duty_cycle().unwrap();
            let state = self.sink.state();
            let sent = state.to(Destination::Outputs).len() + state.to(Destination::DeadLetters).len();
            if sent as u64 == self.next {
                break;
            }
        }
        let state = self.sink.state();
        assert!(state.to(Destination::DeadLetters).is_empty(), "golden rows are good records");
        let outcomes = state.to(Destination::Outputs).into_iter().map(Outcome::of_output);
        outcomes.map(|outcome| (outcome.transaction_id.clone().unwrap(), outcome)).collect()
    }
}

#[test]
fn golden_rows_hold_from_payload_to_outcome_in_small_batches_and_in_large_ones() {
    for folder in packages::all() {
        let model = prepare(&folder, &settings(), &SteppingClock::new(1_000)).unwrap();
        let (golden, thresholds) = (&model.package.golden, &model.package.thresholds);
        for batch_rows in [1, 7, 40] {
            let mut journey = Journey::new(&model, batch_rows);
            let ids: Vec<String> =
                golden.rows.rows().into_iter().map(|row| journey.put(row.as_slice().unwrap())).collect();
            let outcomes = journey.outcomes();
            assert_eq!(outcomes.len(), ids.len(), "{}: every row has its own outcome", model.package.name);
            for (id, expected) in ids.iter().zip(&golden.scores) {
                let outcome = &outcomes[id];
                let about = format!("{} {id}: {outcome:?}, expected {expected}", model.package.name);
                assert!((outcome.score - expected).abs() <= golden.tolerance, "{about}");
                let decision = match outcome.score {
                    score if score >= thresholds.decline => "DECLINE",
                    score if score >= thresholds.review => "REVIEW",
                    _ => "APPROVE",
                };
                assert_eq!(outcome.decision, decision, "{about}");
                assert_eq!(outcome.model_version, model.package.version, "{about}");
            }
        }
    }
}
