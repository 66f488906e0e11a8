//! The lane's consumer alone, against a real Kafka. The client counts an event (the end of a partition, an error) as a
//! record at its offset: a position taken from it was one too far, so that a bounded run committed past the end and a
//! resumed partition skipped a record.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::kafka::ANSWER;
use crate::common::{RealKafka, TestRecord, unique_name, wait_until};
use scorewire::doors::{Group, Progress, Source, SourceEvent, SourceRecord};
use scorewire::kafka::client::KafkaRecord;
use scorewire::kafka::consumer::KafkaSource;
use scorewire::kafka::settings::{KafkaSettings, StartAt};

/// A source with its only partition assigned, and what came of it so far. Field order: records go before their client.
struct Reading {
    records: Vec<KafkaRecord>,
    source: KafkaSource,
    ends: Vec<i64>,
    assigned: Vec<Progress>,
    /// Rebalances that handed something over, if only nothing.
    assignments: usize,
}

impl Reading {
    fn start(kafka: &RealKafka, topic: &str) -> Reading {
        let mut reading = Reading::join(kafka, topic, &unique_name("source"));
        wait_until("the partition is assigned", ANSWER, || {
            reading.poll();
            reading.answer_events();
            !reading.assigned.is_empty()
        });
        assert_eq!(reading.assigned, [Progress { partition: 0, offset: 0 }]);
        reading
    }

    fn join(kafka: &RealKafka, topic: &str, group: &str) -> Reading {
        let settings = KafkaSettings {
            bootstrap: kafka.bootstrap().to_owned(),
            group: group.to_owned(),
            node: "test".to_owned(),
            start_at: Some(StartAt::Earliest),
            without_offsets: Default::default(),
            group_protocol: Default::default(),
            membership: Default::default(),
            properties: BTreeMap::new(),
            consumer_properties: BTreeMap::new(),
            producer_properties: BTreeMap::new(),
            password_files: Default::default(),
        };
        let source =
            KafkaSource::subscribe(&settings, 0, topic, true, Duration::from_secs(50)).expect("the group is there");
        Reading { records: Vec::new(), source, ends: Vec::new(), assigned: Vec::new(), assignments: 0 }
    }

    fn answer_events(&mut self) {
        while let Some(event) = self.source.next_event() {
            match event {
                SourceEvent::Assigned(partitions) => {
                    self.assigned.extend(self.source.assign(&partitions).expect("the broker answers"));
                    self.assignments += 1;
                }
                SourceEvent::EndReached { offset, .. } => self.ends.push(offset),
                other => panic!("{other:?}"),
            }
        }
    }

    fn poll(&mut self) {
        self.source.poll(Duration::from_millis(10), 100, &mut self.records).expect("the source is well");
    }

    /// Polls until the end of the partition was shown at `offset`.
    fn wait_for_end(&mut self, offset: i64) {
        wait_until(&format!("the end at {offset}"), ANSWER, || {
            self.poll();
            self.answer_events();
            self.ends.contains(&offset)
        });
    }

    fn offsets(&self) -> Vec<i64> {
        self.records.iter().map(|record| record.position().offset).collect()
    }
}

fn records(count: usize) -> Vec<TestRecord> {
    (0..count).map(|number| TestRecord::new(0).value(number.to_string())).collect()
}

#[test]
fn the_position_at_the_end_is_the_end() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("source-end", 1);
    kafka.produce(&topic, &records(3));
    let mut reading = Reading::start(&kafka, &topic);
    reading.wait_for_end(3);
    assert_eq!((reading.offsets(), reading.source.position(0)), (vec![0, 1, 2], Some(3)));

    kafka.produce(&topic, &records(1));
    reading.wait_for_end(4);
    assert_eq!((reading.offsets(), reading.source.position(0)), (vec![0, 1, 2, 3], Some(4)));
    kafka.produce_aborted(&topic, &records(2)); // 4, 5, marker 6
    reading.wait_for_end(7);
    assert_eq!((reading.offsets().len(), reading.source.position(0)), (4, Some(7)), "past the marker");
    assert!(reading.source.close(ANSWER));
}

#[test]
fn a_partition_that_is_paused_at_its_end_goes_on_there() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("source-pause", 1);
    kafka.produce(&topic, &records(2));
    let mut reading = Reading::start(&kafka, &topic);
    reading.wait_for_end(2);
    reading.source.pause(&[0]).unwrap();
    kafka.produce(&topic, &records(3));
    reading.poll();
    assert_eq!(reading.offsets(), [0, 1], "paused");
    reading.source.resume(&[0]).unwrap();
    reading.wait_for_end(5);
    assert_eq!(reading.offsets(), [0, 1, 2, 3, 4], "nothing skipped, nothing twice");
    assert!(reading.source.close(ANSWER));
}

/// The client pauses and resumes what a member keeps, by itself.
#[test]
fn a_partition_that_is_kept_at_its_end_goes_on_there() {
    let Some(kafka) = RealKafka::connect() else { return };
    let (topic, group) = (kafka.topic("source-kept", 1), unique_name("source-kept"));
    kafka.produce(&topic, &records(2));
    let mut keeper = Reading::join(&kafka, &topic, &group);
    keeper.wait_for_end(2);
    let mut newcomer = Reading::join(&kafka, &topic, &group);
    wait_until("both have answered", ANSWER, || {
        for member in [&mut keeper, &mut newcomer] {
            member.poll();
            member.answer_events();
        }
        keeper.assignments == 2 && newcomer.assignments == 1
    });
    kafka.produce(&topic, &records(3));
    keeper.wait_for_end(5);
    assert_eq!(keeper.offsets(), [0, 1, 2, 3, 4], "nothing skipped, nothing twice");
    assert!(newcomer.assigned.is_empty() && newcomer.source.close(ANSWER) && keeper.source.close(ANSWER));
}

/// The client waits for its messages before it is gone: for ever, when they are held by whoever waits for it.
#[test]
fn a_source_that_ends_before_its_records_holds_nobody_up() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("source-drop", 1);
    kafka.produce(&topic, &records(2));
    let mut reading = Reading::start(&kafka, &topic);
    reading.wait_for_end(2);
    let Reading { records, mut source, .. } = reading;
    assert!(source.close(ANSWER));
    drop(source);
    assert_eq!(records[1].value(), Some(b"1".as_slice()), "still readable");
}

#[test]
fn going_back_delivers_everything_again_from_there() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("source-seek", 1);
    kafka.produce(&topic, &records(3));
    let mut reading = Reading::start(&kafka, &topic);
    reading.wait_for_end(3);
    reading.source.seek(Progress { partition: 0, offset: 1 }).unwrap();
    wait_until("two records again", ANSWER, || {
        reading.poll();
        reading.records.len() == 5
    });
    assert_eq!((reading.offsets(), reading.source.position(0)), (vec![0, 1, 2, 1, 2], Some(3)));
    assert!(reading.source.close(ANSWER));
}
