//! Outcomes that are neither a score nor a dead letter of its own. The story: a node puts records off, or an operator passes some
//! over, and the verifier calls them lost; or what `scorewire retry` makes of a letter is called a second outcome.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use scorewire::error::exit;
use scorewire::load::{LoadPlan, run};
use scorewire::values::topics::Destination;

use std::sync::atomic::AtomicBool;

use crate::support::{Cluster, Misbehaviour, OUTPUT_SCHEMA};

fn with(headers: OwnedHeaders, named: &[(&str, &str)]) -> OwnedHeaders {
    named.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }))
}

fn by(headers: OwnedHeaders, node: &str, reason: &str) -> OwnedHeaders {
    with(headers, &[("__scorewire.errors.reason", reason), ("__scorewire.errors.node", node)])
}

/// A sound record's letter and, of some, what the job for letters makes of it: an output, twice of every second one; a second
/// letter; a dead letter.
pub fn of_put_off(headers: OwnedHeaders, sequence: u64) -> Vec<(Destination, OwnedHeaders)> {
    let letter = by(headers, "node-1", "model_failed");
    let again = |reason| by(letter.clone(), "node-1.retry", reason);
    let amends = || with(letter.clone(), &[("scorewire.amendment", "model_failed")]);
    let mut all = vec![(Destination::RetryLater, letter.clone())];
    match sequence % 20 {
        0 => all.extend([(Destination::Outputs, amends()), (Destination::Outputs, amends())]),
        10 => all.push((Destination::Outputs, amends())),
        1 | 11 => all.push((Destination::RetryLater, again("model_failed"))),
        2 | 12 => all.push((Destination::DeadLetters, again("retry_expired"))),
        _ => {}
    }
    all
}

/// What an operator passes over with one command, and alone.
const STRETCH: (i32, std::ops::RangeInclusive<i64>) = (1, 100..=149);
const ALONE: (i32, i64) = (0, 50);

/// Records that the pipeline itself leaves alone: those passed over, and every second poison.
pub fn is_left(partition: i32, offset: i64, sound: bool) -> bool {
    let passed_over = partition == STRETCH.0 && STRETCH.1.contains(&offset) || (partition, offset) == ALONE;
    passed_over || !sound && offset % 2 == 0
}

/// The dead letters of a record that is left alone, and which of them is a stub, without a header of the record.
pub fn of_left(message: &BorrowedMessage<'_>, poison: Option<&str>) -> Vec<(OwnedHeaders, bool)> {
    let (partition, offset) = (message.partition(), message.offset());
    let stub = |topic: &str, reason: &str, first: i64, more: &[(&str, &str)]| {
        let place = [
            ("__scorewire.errors.topic", topic),
            ("__scorewire.errors.partition", &partition.to_string()),
            ("__scorewire.errors.offset", &first.to_string()),
            ("__scorewire.errors.payload", "stub"),
        ];
        (with(with(by(OwnedHeaders::new(), "node-1", reason), &place), more), true)
    };
    if partition == STRETCH.0 && STRETCH.1.contains(&offset) {
        let (first, last) = (*STRETCH.1.start(), *STRETCH.1.end());
        let up_to = last.to_string();
        let of_all = || stub(message.topic(), "skipped", first, &[("__scorewire.errors.last_offset", &up_to)]);
        return if offset == last { vec![of_all(), stub("of-another-job", "skipped", first, &[])] } else { vec![] };
    }
    if (partition, offset) == ALONE {
        let headers = message.headers().expect("the marker travels").detach();
        return vec![(by(headers, "node-1", "skipped"), false)];
    }
    vec![stub(message.topic(), poison.unwrap_or("late"), offset, &[])]
}

fn putting_off(cluster: &Cluster) -> LoadPlan {
    LoadPlan { retry_later: true, ..cluster.plan() }
}

#[test]
fn a_letter_is_an_outcome_and_what_comes_of_it_is_beside_it() {
    let cluster = Cluster::new();
    let plan = putting_off(&cluster);
    let summary = cluster.run(&plan, Misbehaviour::PutsOff);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!((summary.sent, summary.scored, summary.lost), (4_000, 0, 0));
    assert_eq!((summary.put_off, summary.dead_lettered), (summary.sent - summary.poison_sent, summary.poison_sent));
    let corpus = cluster.corpus(&plan);
    let count = |of: &dyn Fn(u64) -> bool| (0..4_000).filter(|at| corpus.at(*at).is_none() && of(*at)).count() as u64;
    let doubled = count(&|at| at % 20 == 0);
    assert_eq!(summary.amended, count(&|at| at % 10 == 0 || at % 10 == 2) + doubled);
    assert_eq!((summary.amended_duplicated, summary.put_off_again), (doubled, count(&|at| at % 10 == 1)));
    assert!(!summary.latency_ms.is_none(), "a letter is timed as every outcome is");
    // Nobody broke a promise, and nothing is decided.
    assert_eq!(summary.exit_code(), exit::FAILED);
    assert!(summary.verdict().starts_with("EVERY RECORD WAS PUT OFF"), "{}", summary.verdict());
}

#[test]
fn a_letter_that_is_lost_doubled_or_overtaken_is_found() {
    let cluster = Cluster::new();
    let mut plan = putting_off(&cluster);
    plan.poison_per_million = 0;
    plan.inject = ["suppress@704", "double@1235", "swap@2003"].map(|text| text.parse().unwrap()).to_vec();
    let summary = cluster.run(&plan, Misbehaviour::PutsOff);
    assert_eq!((summary.lost, summary.duplicated, summary.out_of_order), (1, 1, 1), "{}", summary.verdict());
    assert_eq!((summary.first_lost.as_slice(), summary.put_off), (&[704][..], 3_999));
}

#[test]
fn the_topic_of_letters_is_asked_for_only_where_records_are_put_off() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.topics[Destination::RetryLater] = "nobody-made-this".to_owned();
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    plan.retry_later = true;
    let error = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::UNAVAILABLE);
    assert!(error.what.contains("nobody-made-this"), "{error}");
}

#[test]
fn records_without_a_letter_of_their_own_are_found_by_the_offsets_that_stubs_name() {
    let cluster = Cluster::new();
    let plan = cluster.plan();
    let summary = cluster.run(&plan, Misbehaviour::PassesOver);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!((summary.exit_code(), summary.lost), (exit::DONE, 0));
    assert_eq!(summary.skipped, 51, "{}", summary.table());
    let rest = summary.sent - summary.skipped;
    assert_eq!(summary.scored + summary.dead_lettered, rest);
    assert!(summary.dead_lettered > 20 && summary.dead_lettered <= summary.poison_sent, "{}", summary.table());
    assert_eq!(summary.foreign, 1, "the stub of another topic");
}
