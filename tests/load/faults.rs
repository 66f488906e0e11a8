//! A verifier that says "nothing lost" proves nothing until it has found what was lost on purpose. Faults are planted
//! between the output topic and the verifier at seeded positions, and each must be named with the place of its record;
//! where none is planted, none may be named.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::support::{Cluster, Echo, Misbehaviour, OUTPUT_SCHEMA};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use scorewire::error::{Fatal, exit};
use scorewire::load::simulate::marker::{MARKER, Marker};
use scorewire::load::simulate::random;
use scorewire::load::verify::faults::{FaultKind, FaultPosition};
use scorewire::load::verify::oracle::Oracle;
use scorewire::load::verify::verifier::Check;
use scorewire::load::{LoadPlan, Summary, run_with};

/// Records of a run here.
const RECORDS: u64 = 2_000;

/// The trivial pipeline scores everything one half.
struct OneHalf;

impl Oracle for OneHalf {
    fn prepare(&mut self, _: &str) -> Result<(), Fatal> {
        Ok(())
    }

    fn score(&mut self, _: &[u8]) -> Option<f64> {
        Some(0.5)
    }
}

/// Every score is checked.
fn plan(cluster: &Cluster, seed: u64) -> LoadPlan {
    let mut plan = cluster.plan();
    plan.seed = seed;
    plan.rate = 5_000.0;
    plan.warm_up = Duration::from_millis(100);
    plan.duration = Duration::from_millis(300);
    plan.poison_per_million = 5_000;
    plan.check_scores = 2 * RECORDS;
    plan
}

fn run_checked(plan: &LoadPlan) -> Summary {
    run_with(plan, &[OUTPUT_SCHEMA], None, Some(&mut OneHalf), &AtomicBool::new(false)).expect("the run is carried out")
}

/// Four sequences far from each other and from both ends, not poison.
fn places(plan: &LoadPlan, cluster: &Cluster) -> [u64; 4] {
    let corpus = cluster.corpus(plan);
    std::array::from_fn(|i| {
        let from = 100 + i as u64 * 450;
        let start = from + random::at(plan.seed, 0xFA, i as u64) % 300;
        (start..).find(|sequence| corpus.at(*sequence).is_none()).expect("most records are sound")
    })
}

/// The number that the record at a place of the input carries.
fn sequence_at(cluster: &Cluster, at: &FaultPosition) -> u64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.mock.bootstrap_servers())
        .set("group.id", "looking")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&at.topic, at.partition, Offset::Offset(at.offset)).unwrap();
    consumer.assign(&assignment).unwrap();
    let message = consumer.poll(Duration::from_secs(20)).expect("the record is there").unwrap();
    assert_eq!((message.partition(), message.offset()), (at.partition, at.offset));
    let headers = message.headers().expect("headers");
    let marker = headers.iter().find(|header| header.key == MARKER).and_then(|header| header.value);
    Marker::from_bytes(marker.expect("a marker")).expect("a whole one").sequence
}

#[test]
fn planted_faults_are_named_with_their_places_and_ten_clean_runs_name_none() {
    let cluster = Cluster::new();
    let echo = Echo::start(&cluster, Misbehaviour::None);
    for seed in 1..=10 {
        let clean = run_checked(&plan(&cluster, seed));
        assert!(clean.kept_its_promises(), "seed {seed}: {}", clean.verdict());
        assert_eq!((clean.sent, clean.exit_code(), clean.faults.as_slice()), (RECORDS, exit::DONE, &[][..]));
        assert_eq!(clean.scores_checked, clean.scored);
    }
    for seed in 11..=13 {
        let mut plan = plan(&cluster, seed);
        let [lost, doubled, swapped, altered] = places(&plan, &cluster);
        let injections = [("suppress", lost), ("double", doubled), ("swap", swapped), ("alter", altered)];
        plan.inject = injections.map(|(action, at)| format!("{action}@{at}").parse().unwrap()).to_vec();
        let summary = run_checked(&plan);
        let counts = [summary.lost, summary.duplicated, summary.out_of_order, summary.wrong_scores];
        assert_eq!((counts, summary.exit_code()), ([1; 4], exit::FAILED), "seed {seed}: {}", summary.verdict());
        let named: Vec<_> = summary.faults.iter().map(|fault| (fault.kind, fault.sequence)).collect();
        let planted = [
            (FaultKind::Lost, lost),
            (FaultKind::Duplicated, doubled),
            (FaultKind::OutOfOrder, swapped),
            (FaultKind::WrongScore, altered),
        ];
        assert_eq!(named, planted, "seed {seed}");
        let table = summary.table();
        for fault in &summary.faults {
            let at = fault.position.as_ref().expect("the record is still in the input");
            assert_eq!(sequence_at(&cluster, at), fault.sequence, "{}", fault.line());
            assert!(table.contains(&fault.line()), "{table}");
        }
    }
    echo.stop();
}

#[test]
fn a_control_that_copies_bytes_passes_by_its_headers_alone() {
    let cluster = Cluster::new();
    let echo = Echo::start(&cluster, Misbehaviour::Copies);
    let mut plan = plan(&cluster, 1);
    let full = run_checked(&plan);
    assert_eq!((full.malformed, full.lost), (RECORDS, 0), "{}", full.verdict());
    plan.check = Check::Header;
    let header = run_checked(&plan);
    assert!(header.kept_its_promises(), "{}", header.verdict());
    assert_eq!((header.scored, header.scores_checked), (RECORDS, 0));
    plan.inject = ["suppress@30", "double@40", "swap@50"].map(|text| text.parse().unwrap()).to_vec();
    let faulty = run_checked(&plan);
    assert_eq!((faulty.lost, faulty.duplicated, faulty.out_of_order), (1, 1, 1), "{}", faulty.verdict());
    echo.stop();
}
