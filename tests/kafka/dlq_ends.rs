//! Replays of dead letters that end before they are done: killed, told to stop, bounded, slow, or without a right.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use scorewire::error::exit;
use scorewire::redrive::replay::CHUNK_RECORDS;

use crate::common::{Job, OwnKafka, RealKafka, Running, STEP, TestRecord, unique_name, wait_until};
use crate::dlq::{REDRIVEN, assert_counts, brought_back, command, dlq, json, letter, replay, with_letters};

const LETTERS: usize = 600;
const MANY: usize = 10_000;
const EXACTLY_ONCE: &str = "delivery=exactly_once";

/// Moments of a replay, each in the middle of it.
const MOMENTS: [&str; 5] = [
    "replay_after_read@2",
    "replay_in_produce@300",
    "replay_after_produce@2",
    "replay_before_commit@2",
    "replay_after_commit@2",
];

/// The same in the middle of [`MANY`].
const MOMENTS_OF_MANY: [&str; 5] = [
    "replay_after_read@20",
    "replay_in_produce@5100",
    "replay_after_produce@20",
    "replay_before_commit@20",
    "replay_after_commit@20",
];

/// How often each record came back.
fn times(job: &Job) -> BTreeMap<Vec<u8>, usize> {
    let mut times = BTreeMap::new();
    brought_back(job).into_iter().for_each(|record| *times.entry(record.key.expect("a key")).or_default() += 1);
    times
}

/// A replay that is killed at this moment, and the same command again, which goes on.
fn killed_and_again(kafka: &RealKafka, moment: &str, letters: usize, args: &[&str]) -> BTreeMap<Vec<u8>, usize> {
    let job = Job::new(kafka, "dlq-killed", 2);
    with_letters(&job, letters, 2);
    let all = [&["replay"], args].concat();
    let killed = Running::spawn(command(&job, &all).env("SCOREWIRE_TEST_FAILPOINT", moment)).wait(STEP);
    assert_eq!(killed.status.signal(), Some(9), "{moment}: {}{}", killed.stdout, killed.stderr);
    let (counts, _) = replay(&job, exit::DONE, args);
    assert!(counts["replayed"].as_u64().is_some_and(|again| again < letters as u64), "{moment}: {counts:#}");
    assert_counts(&replay(&job, exit::DONE, args).0, &[("letters", 0)]);
    let times = times(&job);
    assert_eq!(times.len(), letters, "{moment}: none is lost: {}{counts:#}", killed.stderr);
    times
}

#[test]
fn killed_at_any_moment_exactly_once_brings_each_letter_back_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    for moment in MOMENTS {
        each_once(&kafka, moment, LETTERS);
    }
}

#[track_caller]
fn each_once(kafka: &RealKafka, moment: &str, letters: usize) {
    let times = killed_and_again(kafka, moment, letters, &["--set", EXACTLY_ONCE]);
    assert!(times.values().all(|times| *times == 1), "{moment}");
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn ten_thousand_letters_survive_a_kill_at_any_moment() {
    let Some(kafka) = RealKafka::connect() else { return };
    for moment in MOMENTS_OF_MANY {
        each_once(&kafka, moment, MANY);
        let times = killed_and_again(&kafka, moment, MANY, &[]);
        let repeated = times.values().filter(|times| **times > 1).count();
        assert!(repeated <= CHUNK_RECORDS && times.values().all(|times| *times <= 2), "{moment}: {repeated}");
        let expected = matches!(moment, "replay_after_produce@20" | "replay_before_commit@20");
        // Of the records that were handed over before a kill, brokers may have some.
        let is_known = moment != "replay_in_produce@5100";
        assert!(!is_known || (repeated > 0) == expected, "{moment}: {repeated}");
    }
}

/// An operator passed over 700 records at once, and one of them was brought back before: the letter stands for all of them.
#[test]
fn a_letter_of_many_records_brings_each_back_also_after_a_kill_in_its_middle() {
    let Some(kafka) = RealKafka::connect() else { return };
    for (delivery, moment) in
        [(EXACTLY_ONCE, "replay_in_produce@300"), ("delivery=at_least_once", "replay_before_commit@2")]
    {
        let job = Job::new(&kafka, "dlq-range", 1);
        let record = |number: usize| TestRecord::new(0).key(format!("key-{number}")).value("of many");
        let mut records: Vec<TestRecord> = (0..700).map(record).collect();
        records[9] = records[9].clone().header(REDRIVEN, "2");
        kafka.produce(&job.input, &records);
        kafka.delete_before(&job.input, 0, 5);
        let stub = TestRecord::new(0).key("0:0").value("");
        let of_range = letter(&job, (0, 0), &stub, Some("stub")).header("__scorewire.errors.last_offset", "699");
        kafka.produce(&job.dead_letters, &[of_range]);
        let listed = &json(&job, exit::DONE, &["list"])[0];
        assert_eq!((&listed["source"]["offset"], &listed["source"]["last_offset"]), (&0.into(), &699.into()));

        let args = ["--set", delivery];
        let (counts, _) = replay(&job, exit::FAILED, &[&args[..], &["--max", "40"]].concat());
        assert_counts(&counts, &[("letters", 0), ("replayed", 34), ("not_whole", 5), ("refused_by_guard", 1)]);
        assert_eq!(counts["letters_left"], true);
        let all = [&["replay"][..], &args].concat();
        let killed = Running::spawn(command(&job, &all).env("SCOREWIRE_TEST_FAILPOINT", moment)).wait(STEP);
        assert_eq!(killed.status.signal(), Some(9), "{moment}: {}{}", killed.stdout, killed.stderr);
        let (counts, _) = replay(&job, exit::DONE, &args);
        assert_counts(&counts, &[("letters", 1), ("replayed", 660 - 250), ("not_whole", 0)]);
        assert_counts(&replay(&job, exit::DONE, &args).0, &[("letters", 0), ("replayed", 0)]);

        let back = times(&job);
        let of = |number: usize| back.get(format!("key-{number}").as_bytes()).map_or(0, |times| *times);
        let expected = |number: usize| match number {
            0..5 => 0,
            // Written before the kill, and not committed.
            290..540 if delivery != EXACTLY_ONCE => 2,
            _ => 1,
        };
        // The record at 9 has the header where it stood.
        let wrong: Vec<_> = (0..700).filter(|number| of(*number) != expected(*number)).collect();
        assert!(wrong.is_empty(), "{delivery}: {wrong:?}");
    }
}

#[test]
fn the_same_filters_go_on_and_others_begin_anew() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "dlq-groups", 2);
    with_letters(&job, 20, 2);
    let (counts, _) = replay(&job, exit::DONE, &["--max", "5"]);
    assert_counts(&counts, &[("replayed", 5)]);
    assert_eq!(counts["letters_left"], true);
    let group = counts["group"].as_str().expect("a name").to_owned();
    assert!(group.starts_with(&format!("{}.redrive.", job.group)), "{group}");
    let committed: i64 = kafka.committed(&group, &job.dead_letters).values().sum();
    assert_eq!(committed, 5);
    let (counts, _) = replay(&job, exit::DONE, &["--rate", "1000"]);
    assert_counts(&counts, &[("replayed", 15)]);
    assert_eq!((&counts["group"], &counts["letters_left"]), (&group.into(), &false.into()));
    let theirs = dlq(&job, exit::USAGE, &["replay", "--redrive-group", &job.group]);
    assert!(theirs.stderr.contains("the group of the nodes"), "{}", theirs.stderr);
    // Letters that are not meant are passed over, and are behind it the next time.
    for letters in [20, 0] {
        let (counts, told) = replay(&job, exit::DONE, &["--reason", "oversized"]);
        assert_counts(&counts, &[("letters", letters), ("not_matched", letters), ("replayed", 0)]);
        assert!(told.is_empty());
    }
    let (counts, _) = replay(&job, exit::DONE, &["--schema-id", "17", "--dry-run"]);
    assert_counts(&counts, &[("replayed", 20)]);
    let (counts, _) =
        replay(&job, exit::DONE, &["--schema-id", "17", "--redrive-group", &unique_name("mine"), "--partition", "1"]);
    assert_counts(&counts, &[("replayed", 10)]);
}

#[test]
fn a_rate_is_kept_and_a_signal_ends_it_in_order() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "dlq-rate", 1);
    with_letters(&job, 60, 1);
    let began = Instant::now();
    let mut running = Running::spawn(&mut command(&job, &["replay", "--rate", "10", "--json"]));
    wait_until("some are back", STEP, || brought_back(&job).len() >= 20);
    assert!(began.elapsed() > Duration::from_millis(1_800), "twenty at ten a second");
    running.terminate();
    let stopped = running.wait(STEP);
    assert_eq!(stopped.code(), Some(i32::from(exit::FAILED)), "{}{}", stopped.stdout, stopped.stderr);
    assert!(stopped.stderr.contains("told to stop"), "{}", stopped.stderr);
    let back = brought_back(&job).len();
    assert!(back < 60);
    let (counts, _) = replay(&job, exit::DONE, &[]);
    assert_counts(&counts, &[("replayed", 60 - back as u64)]);
    assert!(times(&job).values().all(|times| *times == 1));
}

#[test]
fn topics_and_partitions_that_are_not_there_are_named() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::without_topics(&kafka, "dlq-missing");
    for command in ["list", "replay", "drop"] {
        let args: &[&str] = if command == "drop" { &["drop", "--dry-run"] } else { &[command] };
        let finished = dlq(&job, exit::UNAVAILABLE, args);
        let told = format!("missing on {}: topic {}", kafka.bootstrap(), job.dead_letters);
        assert!(finished.stderr.contains(&told) && finished.stderr.contains("--create"), "{}", finished.stderr);
    }
    let job = Job::new(&kafka, "dlq-empty", 2);
    let finished = dlq(&job, exit::UNAVAILABLE, &["replay", "--into", "nowhere-at-all"]);
    assert!(finished.stderr.contains("topic nowhere-at-all"), "{}", finished.stderr);
    let finished = dlq(&job, exit::USAGE, &["list", "--partition", "2"]);
    assert!(finished.stderr.contains("has no partition 2"), "{}", finished.stderr);
    let nothing = dlq(&job, exit::DONE, &["list"]);
    assert!(nothing.stdout.starts_with("no letter of "), "{}", nothing.stdout);
    assert_counts(&replay(&job, exit::DONE, &[]).0, &[("letters", 0)]);
    assert_eq!(json(&job, exit::DONE, &["drop", "--yes"])[0]["dropped"], 0);
}

/// What docs/dead-letters.md says is all that is granted, one right after the other; before each it is named.
#[test]
fn a_right_that_is_missing_is_named_with_what_to_grant() {
    const USER: &str = "redriver";
    const PASSWORD: &str = "newest";
    let Some(own) = OwnKafka::with_rights("dlq-rights") else { return };
    own.set_password(USER, PASSWORD);
    let job = Job::new(own.kafka(), "dlq-rights", 1);
    with_letters(&job, 3, 1);
    let file = job.folder().join("password");
    std::fs::write(&file, PASSWORD).expect("the folder is writable");
    let said = |args: &[&str], code: u8| {
        let mut settings = vec![format!("kafka.bootstrap={}", own.guarded())];
        for (name, value) in [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", USER),
            ("sasl.password_file", file.to_str().expect("a path")),
        ] {
            settings.push(format!("kafka.properties.{name}={value}"));
        }
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        dlq(&job, code, &args.iter().copied().chain(set).collect::<Vec<_>>()).stderr
    };
    let user = format!("User:{USER}");
    let grant = |rest: &[&str]| {
        own.tool("org.apache.kafka.tools.AclCommand", &[&["--add", "--allow-principal", &user], rest].concat());
    };
    let prefix = format!("{}.redrive.", job.group);
    let named =
        |told: &str, right: &str| assert!(told.contains(right) && told.contains("grant it"), "no {right:?} in {told}");

    named(&said(&["list"], exit::UNAVAILABLE), &format!("READ on topic {}", job.dead_letters));
    grant(&["--operation", "Read", "--topic", &job.dead_letters]);
    said(&["list"], exit::DONE);
    named(&said(&["replay"], exit::UNAVAILABLE), &format!("WRITE on topic {}", job.input));
    grant(&["--operation", "Write", "--topic", &job.input]);
    named(&said(&["replay"], exit::UNAVAILABLE), &format!("READ on group {prefix}"));
    grant(&["--operation", "Read", "--group", &prefix, "--resource-pattern-type", "prefixed"]);
    named(&said(&["replay"], exit::UNAVAILABLE), &format!("READ on topic {}", job.input));
    grant(&["--operation", "Read", "--topic", &job.input]);
    let exactly_once = ["replay", "--set", EXACTLY_ONCE];
    named(&said(&exactly_once, exit::UNAVAILABLE), &format!("WRITE on transactional id {}/redrive/", job.group));
    grant(&[
        "--operation",
        "Write",
        "--transactional-id",
        &format!("{}/", job.group),
        "--resource-pattern-type",
        "prefixed",
    ]);
    said(&exactly_once, exit::DONE);
    assert_eq!(brought_back(&job).len(), 3);
    named(&said(&["drop", "--yes"], exit::UNAVAILABLE), &format!("DELETE on topic {}", job.dead_letters));
    grant(&["--operation", "Delete", "--topic", &job.dead_letters]);
    said(&["drop", "--yes"], exit::DONE);
    assert_eq!(own.kafka().watermarks(&job.dead_letters, 0).0, 3);
}
