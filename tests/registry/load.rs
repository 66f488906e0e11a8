//! A node under load with 300 schemas of a real registry: what a new one costs, what an outage and a restart in it hold up,
//! and what a flood of ids that nobody knows does to the good records beside it.
//!
//! `scripts/test --long` runs it. Alone, with a Kafka and a registry that are up:
//! `cargo test --all-features --locked --test registry load:: -- --ignored --nocapture`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use scorewire::load::simulate::payloads::Framing;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::common::registry::{Door, RealRegistry};
use crate::common::{Job, Node, STEP, TestRecord, Transactions, wait_for, wait_until};
use crate::flow::{Flow, Outcomes, Producing};
use crate::node::{parts, settings, start, transaction_schema, with_reference};

const SCHEMAS: u32 = 300;
const NEW_SCHEMAS: u32 = 10;
const PARTITIONS: i32 = 4;
/// Where unknown schemas come; what holds it up must hold up none of the others.
const STRUCK: i32 = PARTITIONS - 1;
const OTHERS: [i32; 3] = [0, 1, 2];
const RECORDS_PER_SECOND: u32 = 400;
const OUTAGE: Duration = Duration::from_secs(60);
const CALM: Duration = Duration::from_secs(10);
const FLOOD: u32 = 2_000;
/// Ids that no registry gives.
const UNKNOWN: u32 = 4_000_000_000;
/// A node that stopped for less has not stopped: share of the rate before.
const GOES_ON: f64 = 0.9;

/// The package, whose reader's schema knows `local_hour` by the name that a producer gives it later.
fn package(folder: &TempDir) -> PathBuf {
    for entry in std::fs::read_dir(crate::common::job::package()).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut schema = transaction_schema();
    field(&mut schema, "local_hour")["aliases"] = json!(["hour_at_terminal"]);
    std::fs::write(folder.path().join("transaction.avsc"), schema.to_string()).unwrap();
    folder.path().to_owned()
}

fn field<'a>(schema: &'a mut Json, name: &str) -> &'a mut Json {
    schema["fields"].as_array_mut().unwrap().iter_mut().find(|field| field["name"] == name).unwrap()
}

/// The producers' schema with one more field, which has a default.
fn grown(name: &str) -> String {
    let mut schema = transaction_schema();
    let field = json!({ "name": name, "type": ["null", "long"], "default": null });
    schema["fields"].as_array_mut().unwrap().push(field);
    schema.to_string()
}

/// Writes transactions under ids of the registry.
struct Writer {
    transactions: Transactions,
}

impl Writer {
    fn new() -> Writer {
        Writer { transactions: Transactions::new(Framing::Raw) }
    }

    /// With so many null fields behind the package's.
    fn record(&mut self, id: u32, partition: i32, fields: usize) -> TestRecord {
        let mut record = self.transactions.next(partition);
        let datum = record.value.take().unwrap();
        record.value([&[0][..], &id.to_be_bytes(), &datum, &vec![0; fields]].concat())
    }
}

/// Everything that the steps share.
struct Bench {
    registry: RealRegistry,
    door: Door,
    job: Job,
    subject: String,
    producing: Arc<Producing>,
    outcomes: Outcomes,
    writer: Writer,
    table: String,
}

impl Bench {
    fn note(&mut self, what: &str, figure: &str) {
        println!("{what}: {figure}");
        writeln!(self.table, "| {what} | {figure} |").unwrap();
    }

    fn register(&self, name: &str) -> u32 {
        self.registry.register(&self.subject, &grown(name), &[])
    }

    /// A node that scores.
    fn start(&self, settings: &[String]) -> Node {
        let mut node = start(&self.job, settings);
        node.wait_until_assigned(PARTITIONS as u64);
        node
    }

    fn rate(&self, from: Instant) -> f64 {
        self.outcomes.rate(&OTHERS, from, Instant::now())
    }

    /// From a producer's hand to the outcome in its topic, for the first record of a schema that was registered just now.
    fn new_schemas(&mut self) {
        let mut took: Vec<f64> = (0..NEW_SCHEMAS)
            .map(|at| {
                let id = self.register(&format!("new_{at}"));
                let record = self.writer.record(id, at as i32 % PARTITIONS, 1);
                let (number, sent) = self.producing.send(&record);
                let arrived = self.outcomes.wait_for(self.producing.place_of(number));
                assert_eq!(arrived.reason, None);
                (arrived.at - sent).as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let figure = format!("{:.0} ms median, {:.0} ms worst", took[took.len() / 2], took[took.len() - 1]);
        self.note(&format!("first record of a new schema, sent to outcome ({NEW_SCHEMAS} schemas)"), &figure);
    }

    /// The outage, with a restart in its middle.
    fn outage(&mut self, node: &mut Node, settings: &[String], (before, good): (f64, u32)) {
        self.door.close();
        let from = Instant::now();
        let id = self.register("registered_in_the_outage");
        let (number, _) = self.producing.send(&self.writer.record(id, STRUCK, 1));
        let waiting = self.producing.place_of(number);
        wait_until("one partition waits", STEP, || node.sum("partitions.paused") == 1);
        sleep((OUTAGE / 2).saturating_sub(from.elapsed()));
        let rate = self.rate(from);
        self.note("registry away, 30 s: rate of the other partitions", &of(rate, before));
        assert!(rate > before * GOES_ON && self.outcomes.of(waiting).is_none());

        let restart = Instant::now();
        node.stop();
        *node = self.start(settings);
        let scores = wait_for("it scores", STEP, || (node.sum("records.scored") > 0).then(Instant::now));
        self.note("restart while it is away: SIGTERM to the next score", &seconds(scores - restart));
        let from = Instant::now() + CALM / 2;
        sleep((OUTAGE / 2).saturating_sub(restart.elapsed()));
        let rate = self.rate(from);
        self.note("after the restart, registry still away: rate of the other partitions", &of(rate, before));
        assert!(rate > before * GOES_ON && self.outcomes.of(waiting).is_none());
        assert_eq!((self.outcomes.dead_letters(), node.sum("partitions.paused")), (0, 1));

        let opened = Instant::now();
        self.door.open();
        let arrived = self.outcomes.wait_for(waiting);
        assert_eq!(arrived.reason, None);
        self.note("registry back: until the record that waited has its outcome", &seconds(arrived.at - opened));
        // What came behind it meanwhile is scored too before anything else is measured.
        let (number, _) = self.producing.send(&self.writer.record(good, STRUCK, 1));
        self.outcomes.wait_for(self.producing.place_of(number));
    }

    fn flood(&mut self, before: f64, good: u32) {
        let from = Instant::now();
        let flood: Vec<u64> =
            (0..FLOOD).map(|at| self.producing.send(&self.writer.record(UNKNOWN + at, STRUCK, 1)).0).collect();
        let (behind, sent) = self.producing.send(&self.writer.record(good, STRUCK, 1));
        let last = self.producing.place_of(flood[flood.len() - 1]);
        let first_out = self.outcomes.wait_for(last).at;
        let rate = self.outcomes.rate(&OTHERS, from, first_out);
        let arrived = self.outcomes.wait_for(self.producing.place_of(behind));
        self.note(&format!("flood of {FLOOD} unknown ids: rate of the other partitions"), &of(rate, before));
        let each = f64::from(FLOOD) / (first_out - from).as_secs_f64();
        let figure = format!("{} ({each:.0} ids/s)", seconds(arrived.at - sent));
        self.note("the flood's own partition: a good record behind it waits", &figure);
        assert!(arrived.reason.is_none() && rate > before * GOES_ON);
    }

    fn evolution(&mut self) {
        let mut renamed = transaction_schema();
        field(&mut renamed, "local_hour")["name"] = "hour_at_terminal".into();
        let renamed = self.registry.register(&self.subject, &renamed.to_string(), &[]);
        let referring = with_reference(&self.registry, &self.subject);
        let with_default = self.register("one_more");
        for (id, fields) in [(renamed, 0), (referring, 0), (with_default, 1)] {
            for partition in 0..PARTITIONS {
                let (number, _) = self.producing.send(&self.writer.record(id, partition, fields));
                assert_eq!(self.outcomes.wait_for(self.producing.place_of(number)).reason, None, "{id}");
            }
        }
        self.note("evolution (a field more, a renamed one, a type of another subject)", "scored");
    }
}

fn of(rate: f64, before: f64) -> String {
    format!("{rate:.0} records/s, {before:.0} before")
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

#[test]
#[ignore = "takes minutes, of which a registry is away for one: scripts/test --long"]
fn three_hundred_schemas_under_load_with_an_outage_a_restart_and_a_flood() {
    let Some((registry, job)) = parts("registry-load", PARTITIONS) else { return };
    let folder = tempfile::tempdir().unwrap();
    let door = registry.behind_a_door();
    let mut settings = settings(&door.url(), &job);
    settings.push(format!("model.package={}", package(&folder).display()));
    let subject = format!("{}-value", job.input);
    let ids: Vec<u32> = (0..SCHEMAS).map(|at| registry.register(&subject, &grown(&format!("v{at}")), &[])).collect();
    let (good, producing) = (ids[0], Arc::new(Producing::new(&job)));
    let outcomes = Outcomes::watch(&job);
    let (writer, table) = (Writer::new(), String::new());
    let mut bench = Bench { registry, door, job, subject, producing, outcomes, writer, table };

    let mut node = bench.start(&settings);
    let (mut flowing, mut number) = (Writer::new(), 0_u64);
    let flow = Flow::start(&bench.producing, RECORDS_PER_SECOND, move || {
        number += 1;
        // 300 and 4 have a common divisor: every schema comes to every partition all the same.
        let partition = (number + number / u64::from(SCHEMAS)) % PARTITIONS as u64;
        flowing.record(ids[(number % u64::from(SCHEMAS)) as usize], partition as i32, 1)
    });
    wait_until("every schema is there", STEP, || {
        node.status()["schema_registry"]["schemas"].as_u64() >= Some(SCHEMAS.into())
    });
    bench.new_schemas();
    let from = Instant::now();
    sleep(CALM);
    let before = bench.rate(from);
    bench.evolution();
    bench.outage(&mut node, &settings, (before, good));
    bench.flood(before, good);

    flow.stop();
    let sent = bench.producing.finish();
    wait_until("everything has its outcome", STEP, || bench.outcomes.count() as u64 >= sent);
    assert_eq!(node.sum("records.incomplete"), 0, "a renamed field is found by its alias");
    node.stop();
    bench.job.assert_all_committed();
    let all = bench.outcomes.all();
    assert!(all.values().all(|arrived| arrived.times == 1), "exactly one outcome each");
    let ends: i64 = bench.job.input_ends().iter().map(|(_, end)| end).sum();
    assert_eq!((all.len() as u64, ends.cast_unsigned()), (sent, sent));
    let reasons: Vec<&str> = all.values().filter_map(|arrived| arrived.reason.as_deref()).collect();
    assert_eq!(reasons.len(), FLOOD as usize);
    assert!(reasons.iter().all(|reason| *reason == "unknown_schema"));
    bench.note("records sent, each with exactly one outcome", &sent.to_string());
    bench.note("dead letters, all of the flood", &reasons.len().to_string());
    println!("\n| what | figure |\n|---|---|\n{}", bench.table);
}
