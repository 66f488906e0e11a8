//! Where a group begins. With `latest`, partitions that were added under traffic began at their end once they were seen
//! (120 of 120 records had no outcome), and a group whose offsets had expired skipped what had come meanwhile (200 of
//! 200); offsets were committed past both, and nobody was told.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::kafka::ANSWER;
use crate::common::process::Finished;
use crate::common::{self, Job, Outcome, ReadRecord, RealKafka, Running, STEP, TestRecord, Transactions, wait_until};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

const DELIVERIES: [&str; 2] = ["delivery=at_least_once", "delivery=exactly_once"];
const LATEST: &str = "kafka.start_at=latest";
const BEGINS: &str = "it begins at these";

fn transactions() -> Transactions {
    Transactions::new(Framing::SingleObject)
}

/// Sources of all outputs, in order; one that comes twice is there twice.
fn scored(job: &Job) -> Vec<(i32, i64)> {
    let outputs = job.kafka.read(&job.outputs);
    let mut sources: Vec<_> = outputs.into_iter().map(|record| Outcome::of_output(record).source()).collect();
    sources.sort_unstable();
    sources
}

fn offsets(partition: i32, offsets: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    offsets.map(|offset| (partition, offset)).collect()
}

#[track_caller]
fn assert_done(finished: &Finished) {
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

#[track_caller]
fn assert_refused(finished: &Finished, code: u8, says: &[&str]) {
    assert_eq!(finished.code(), Some(code.into()), "{}", finished.stderr);
    for part in says {
        assert!(finished.stderr.contains(part), "no {part:?} in:\n{}", finished.stderr);
    }
}

#[test]
fn a_new_group_at_latest_holds_the_offsets_of_all_partitions_before_it_scores() {
    let Some(kafka) = RealKafka::connect() else { return };
    for delivery in DELIVERIES {
        let job = Job::new(&kafka, "new-latest", 4);
        let mut more = transactions();
        kafka.produce(&job.input, &more.spread(9, 3));
        let mut node = job.start(&[delivery, LATEST, "lanes.count=2"]);
        node.process.wait_until_says("starting lanes", STEP);
        let said = node.process.stderr();
        let (fixed, lanes) = (said.find(BEGINS), said.find("starting lanes"));
        assert!(fixed.is_some() && fixed < lanes, "{said}");
        assert!(said.contains("0: 3, 1: 3, 2: 3, 3: 0"), "{said}");
        assert_eq!(job.committed(), [(0, 3), (1, 3), (2, 3), (3, 0)], "the empty one too");

        node.wait_until_assigned(4);
        kafka.produce(&job.input, &more.spread(8, 4));
        wait_until("what is new is scored", STEP, || node.sum("records.scored") == 8);
        node.stop();
        let new = [offsets(0, 3..5), offsets(1, 3..5), offsets(2, 3..5), offsets(3, 0..2)].concat();
        assert_eq!(scored(&job), new, "{delivery}");

        // Whoever starts the group again goes on, whatever is said.
        kafka.produce(&job.input, &more.spread(4, 4));
        let finished = job.run_until_end(&[delivery, LATEST, "kafka.without_offsets=begin"]);
        assert_done(&finished);
        assert!(finished.stderr.contains("the group goes on at its committed offsets"), "{}", finished.stderr);
        assert_eq!(scored(&job).len(), 12);
        job.assert_all_committed();
    }
}

/// Its records are older than the start, and readers see them only later.
#[test]
fn a_transaction_that_is_open_at_the_start_is_new() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "open-latest", 1);
    let mut more = transactions();
    kafka.produce(&job.input, &more.spread(2, 1));
    let open = kafka.produce_open(&job.input, &more.spread(3, 1));
    let mut node = job.start(&[LATEST]);
    node.wait_until_assigned(1);
    assert_eq!(job.committed(), [(0, 2)]);
    open.commit();
    wait_until("it is scored", STEP, || node.sum("records.scored") == 3);
    node.stop();
    assert_eq!(scored(&job), offsets(0, 2..5));
    job.assert_all_committed();
}

/// What others wrote behind it is there, and readers see it only when that has ended.
#[test]
fn a_run_to_the_end_waits_for_a_transaction_that_is_open_before_it() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "open-end", 1);
    let mut more = transactions();
    kafka.produce(&job.input, &more.spread(2, 1));
    let open = kafka.produce_open(&job.input, &more.spread(3, 1));
    kafka.produce(&job.input, &more.spread(4, 1));
    let mut running = Running::spawn(job.command(&[]).arg("--until-end"));
    wait_until("what stands before it is committed", STEP, || job.committed() == [(0, 2)]);
    open.commit();
    assert_done(&running.wait(STEP));
    assert_eq!(scored(&job), offsets(0, 0..9));
    job.assert_all_committed();
}

#[test]
fn partitions_added_under_latest_are_scored_from_their_first_record() {
    let Some(kafka) = RealKafka::connect() else { return };
    // Members of one kind look at the topic themselves, those of the other hear of it from the brokers.
    let kinds = DELIVERIES.map(|delivery| (delivery, "classic")).into_iter().chain([(DELIVERIES[0], "consumer")]);
    for (delivery, protocol) in kinds {
        let job = Job::new(&kafka, "added", 2);
        let mut more = transactions();
        let mut node = job.start(&[delivery, LATEST, &format!("kafka.group_protocol={protocol}")]);
        node.wait_until_assigned(2);
        kafka.add_partitions(&job.input, 4);
        // Long there when the group hears of their partitions.
        let records: Vec<TestRecord> = (0..120).map(|index| more.next(index % 4)).collect();
        kafka.produce(&job.input, &records);
        node.wait_until_assigned(4);
        wait_until("all of it is scored", STEP, || node.sum("records.scored") == 120);
        node.stop();
        let all: Vec<_> = (0..4).flat_map(|partition| offsets(partition, 0..30)).collect();
        assert_eq!(scored(&job), all, "{delivery}, {protocol}: each once");
        job.assert_all_committed();
        assert_keys_stay_in_order(&kafka.read(&job.outputs));
    }
}

/// The outputs have fewer partitions than the input has by now: the key says where to, and keeps its order.
#[track_caller]
fn assert_keys_stay_in_order(outputs: &[ReadRecord]) {
    let mut last: BTreeMap<(i32, Vec<u8>), i64> = BTreeMap::new();
    for record in outputs {
        let outcome = Outcome::of_output(record.clone());
        let (partition, offset) = outcome.source();
        if partition < 2 {
            assert_eq!(record.partition, partition, "those that were there keep theirs");
        }
        let before = last.insert((partition, record.key.clone().expect("a card")), offset);
        assert!(before < Some(offset), "{:?} after {before:?}", outcome.source());
    }
}

/// A group that has scored, has lost its offsets, and has new input waiting: 40 records scored, two of them dead letters
/// and the last one of a partition among them, then 20 more.
fn forgotten(kafka: &RealKafka, settings: &[&str]) -> Job {
    let job = Job::new(kafka, "forgotten", 2);
    let mut more = transactions();
    let mut records = more.spread(38, 2);
    records.insert(10, TestRecord::new(0).value("poison"));
    records.push(TestRecord::new(1).value("poison"));
    kafka.produce(&job.input, &records);
    assert_done(&job.run_until_end(settings));
    assert_eq!((scored(&job).len(), kafka.read(&job.dead_letters).len()), (38, 2));
    kafka.delete_group(&job.group);
    assert!(job.committed().is_empty());
    kafka.produce(&job.input, &more.spread(20, 2));
    job
}

#[test]
fn a_group_that_lost_its_offsets_asks_and_resumes_where_its_outcomes_end() {
    let Some(kafka) = RealKafka::connect() else { return };
    for delivery in DELIVERIES {
        let job = forgotten(&kafka, &[delivery]);
        let ends = job.input_ends();
        let position = |partition: usize| format!("{partition}: {}", ends[partition].1 - 10);
        let says =
            [&job.group, &job.outputs, &position(0), &position(1), "offsets.retention.minutes", "resume", "begin"];
        for settings in [&[delivery, LATEST][..], &[delivery], &[delivery, LATEST, "kafka.group=another"]] {
            let mut says = says.to_vec();
            let another = "another".to_owned();
            if settings.len() > 2 {
                says[0] = &another;
            }
            let says: Vec<&str> = says.into_iter().map(AsRef::as_ref).collect();
            assert_refused(&job.run_until_end(settings), exit::CONFIG, &says);
            assert!(job.committed().is_empty() && scored(&job).len() == 38, "nothing was touched");
        }

        let finished = job.run_until_end(&[delivery, LATEST, "kafka.without_offsets=resume"]);
        assert_done(&finished);
        assert!(finished.stderr.contains(BEGINS), "{}", finished.stderr);
        let distinct: BTreeSet<_> = scored(&job).into_iter().collect();
        assert_eq!((scored(&job).len(), distinct.len()), (58, 58), "the missing ones, each once");
        assert_eq!(kafka.read(&job.dead_letters).len(), 2, "no dead letter again");
        job.assert_all_committed();
    }
}

#[test]
fn a_group_that_lost_its_offsets_begins_anew_on_purpose() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = forgotten(&kafka, &[]);
    assert_done(&job.run_until_end(&[LATEST, "kafka.without_offsets=begin"]));
    assert_eq!(scored(&job).len(), 38, "what came meanwhile is skipped");
    job.assert_all_committed();
}

/// What a killed process leaves: records without an outcome below others that have theirs. And what may stand in an
/// outputs' topic beside ours.
#[test]
fn a_resume_goes_back_to_what_was_left_without_an_outcome() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = forgotten(&kafka, &[]);
    let copy = kafka.topic("copied-outputs", 2);
    let mut others = vec![TestRecord::new(0).value("junk"), TestRecord::new(1), TestRecord::new(1).value([0xC3, 1])];
    for record in kafka.read(&job.outputs) {
        let (partition, value) = (record.partition, record.value.clone().expect("a value"));
        if Outcome::of_output(record).source() != (1, 7) {
            others.push(TestRecord::new(partition).value(value));
        }
    }
    kafka.produce(&copy, &others);
    // The dead letter within partition 0 is no gap, the one at the end of partition 1 is after the one that is missing.
    kafka.delete_before(&job.input, 0, 25);
    let finished = job.run_until_end(&[LATEST, "kafka.without_offsets=resume", &format!("topics.outputs={copy}")]);
    assert_done(&finished);
    for part in ["records=3", "0: 25, 1: 7", "gone=5"] {
        assert!(finished.stderr.contains(part), "no {part:?} in:\n{}", finished.stderr);
    }
    job.assert_all_committed();
}

/// Copies for review leave later than outputs: a killed process has some of them with it.
#[test]
fn a_resume_goes_back_to_an_output_whose_copy_for_review_is_missing() {
    let Some(kafka) = RealKafka::connect() else { return };
    const ALL: &str = "review.sample_per_million=1000000";
    let job = forgotten(&kafka, &[ALL]);
    let copies = kafka.topic("copied-copies", 2);
    let mut others = vec![TestRecord::new(0).key("junk").value("junk")];
    for record in kafka.read(&job.review) {
        let copied =
            TestRecord::new(record.partition).key(record.key.clone().unwrap()).value(record.value.clone().unwrap());
        if Outcome::of_review(record).source() != (0, 12) {
            others.push(copied);
        }
    }
    assert_eq!(others.len(), 38, "one less, and the junk");
    kafka.produce(&copies, &others);
    let review = format!("topics.review={copies}");
    let refused = job.run_until_end(&[LATEST, ALL, &review]);
    assert_refused(&refused, exit::CONFIG, &["0: 12, 1: 20", "records=1", "have no copy for review"]);
    let finished = job.run_until_end(&[LATEST, ALL, "kafka.without_offsets=resume"]);
    assert_done(&finished);
    assert_eq!(scored(&job).len(), 58, "where all copies are there, nothing is scored again");
}

#[test]
fn nodes_that_start_at_once_agree_on_one_start() {
    let Some(kafka) = RealKafka::connect() else { return };
    for delivery in DELIVERIES {
        let job = Job::new(&kafka, "at-once", 4);
        let mut more = transactions();
        kafka.produce(&job.input, &more.spread(40, 4));
        let names = ["kafka.node=a", "kafka.node=b", "kafka.node=c"];
        let mut nodes = names.map(|name| job.start(&[delivery, name, LATEST, "lanes.count=2"]));
        // Traffic all the while, so that each of them would begin elsewhere.
        wait_until("they share", STEP, || {
            kafka.produce(&job.input, &more.spread(4, 4));
            let all_ready = nodes.iter_mut().all(|node| {
                assert!(node.process.is_running(), "{}", node.process.stderr());
                common::http_get(node.admin_port, "/status").is_some()
            });
            all_ready && nodes.iter_mut().map(|node| node.sum("partitions.assigned")).sum::<u64>() == 4
        });
        // They may have begun behind all that was there.
        kafka.produce(&job.input, &more.spread(4, 4));
        let ends: Vec<i64> = job.input_ends().into_iter().map(|(_, end)| end).collect();
        wait_until("all of it is committed", STEP, || {
            let committed: Vec<i64> = job.committed().into_iter().map(|(_, offset)| offset).collect();
            committed == ends
        });
        nodes.iter_mut().for_each(|node| node.stop());
        let mut first = BTreeMap::new();
        for (partition, offset) in scored(&job) {
            let (start, next) = first.entry(partition).or_insert((offset, offset));
            assert_eq!(*next, offset, "{delivery}: each once, and none left out");
            *next += 1;
            assert!(*start >= 10, "nothing of before");
        }
        let start =
            (0..4).map(|partition| format!("{partition}: {}", first[&partition].0)).collect::<Vec<_>>().join(", ");
        let said: Vec<String> = nodes.iter().map(|node| node.process.stderr()).collect();
        assert!(said.iter().any(|said| said.contains(&start)), "nobody said {start:?}:\n{}", said.concat());
    }
}

/// A broker takes no offsets from outside while a group has members: whoever they are, they say where it begins.
#[test]
fn a_group_with_members_is_asked_until_it_holds_offsets() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "members", 1);
    kafka.produce(&job.input, &transactions().spread(5, 1));
    let member: BaseConsumer = kafka
        .client_config()
        .set("group.id", &job.group)
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .create()
        .expect("a consumer");
    member.subscribe(&[&job.input]).expect("a subscription");
    wait_until("it is a member", ANSWER, || {
        member.poll(std::time::Duration::from_millis(50));
        member.assignment().is_ok_and(|assigned| assigned.count() == 1)
    });
    let mut node = job.start(&[LATEST, "log.level=info,kafka=debug"]);
    node.process.wait_until_says("the starting offsets are not taken", STEP);
    let mut progress = TopicPartitionList::new();
    progress.add_partition_offset(&job.input, 0, Offset::Offset(3)).expect("an offset");
    member.commit(&progress, CommitMode::Sync).expect("a member may");
    node.process.wait_until_says("0: 3", STEP);
    drop(member);
    node.wait_until_assigned(1);
    wait_until("the rest is scored", STEP, || node.sum("records.scored") == 2);
    node.stop();
    assert_eq!(scored(&job), offsets(0, 3..5));
}
