//! Health in every state, over real HTTP: what `/livez` and `/readyz` say, and why. Kafka has a say in the second one only.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::Bench;
use scorewire::doors::{Clock, Stop, Why};
use scorewire::error::Reject;
use scorewire::observe::dead_letter_share::{Change, ShareWatch, Totals};
use scorewire::observe::held_up::{StoppedPartition, WaitingPartition};

#[test]
fn livez_fails_when_a_lane_stops_turning_and_never_asks_kafka() {
    let bench = Bench::new();
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.get("/livez").0, 200, "a lane that has not begun is not hung");
    bench.lanes.iter().for_each(|lane| bench.clock.cycle(lane));
    bench.lanes[0].sink_stalled_since_ms.set(1);
    bench.lanes[0].failed_partitions.set(3);
    bench.clock.advance(bench.config.limits.watchdog_timeout);
    assert_eq!(bench.get("/livez").0, 200, "neither a stalled sink nor a failed partition is a reason to restart");
    bench.clock.advance(Duration::from_millis(1));
    bench.clock.cycle(&bench.lanes[0]);
    let (code, body) = bench.get("/livez");
    assert_eq!(
        (code, body.as_str()),
        (503, "lane 1 has finished no duty cycle for 60001 ms: it is between two steps\n")
    );
    bench.lanes[1].ended.store(true, Ordering::SeqCst);
    assert_eq!(bench.get("/livez").0, 200, "a lane that has left in order is not hung");
}

#[test]
fn readyz_says_what_is_missing() {
    let bench = Bench::new();
    let (code, body) = bench.get("/readyz");
    assert_eq!(code, 503);
    assert_eq!(body.lines().count(), 3, "{body}");
    bench.phase.set_warm();
    bench.lanes[0].joined.store(true, Ordering::SeqCst);
    assert_eq!(bench.get("/readyz"), (503, "lane 1 has not joined the group\n".to_owned()));
    bench.lanes[1].joined.store(true, Ordering::SeqCst);
    assert_eq!(bench.get("/readyz"), (200, "ok\n".to_owned()));
    bench.lanes[1].ended.store(true, Ordering::SeqCst);
    assert_eq!(bench.get("/readyz"), (503, "lane 1 has ended\n".to_owned()));
    bench.lanes[1].ended.store(false, Ordering::SeqCst);
    bench.phase.set_stopping();
    assert_eq!(bench.get("/readyz"), (503, "stopping\n".to_owned()));
}

#[test]
fn a_sink_outage_flips_readiness_only_after_its_named_time() {
    let bench = Bench::ready();
    let since_ms = bench.clock.wall_us() / 1_000;
    bench.lanes[1].sink_stalled_since_ms.set(since_ms as u64);
    bench.clock.advance(bench.config.limits.sink_stall_unready);
    assert_eq!(bench.get("/readyz").0, 200);
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.get("/readyz"), (503, "lane 1: no outcome acknowledged for 10001 ms\n".to_owned()));
    bench.lanes[1].sink_stalled_since_ms.set(0);
    assert_eq!(bench.get("/readyz").0, 200);
}

/// It said "ok" with its broker dead for a minute.
#[test]
fn readyz_says_that_the_group_is_silent_once_a_session_is_over_and_what_the_client_said() {
    let bench = Bench::ready();
    let heard = |lane: usize| bench.lanes[lane].group_contact_ms.set(bench.clock.now_ns() / 1_000_000);
    heard(0);
    heard(1);
    // The session of ten seconds, and what a rebalance may take longer.
    bench.clock.advance(Duration::from_secs(12));
    heard(0);
    assert_eq!(bench.get("/readyz"), (200, "ok\n".to_owned()));
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.get("/readyz"), (503, "lane 1: nothing was heard from the group for 12001 ms\n".to_owned()));
    bench.lanes[1].complaint.get_or_init(Default::default).say("b:9092: refused".to_owned());
    let told = "lane 1: nothing was heard from the group for 12001 ms: b:9092: refused\n";
    assert_eq!(bench.get("/readyz"), (503, told.to_owned()));
    assert_eq!(bench.get("/livez").0, 200, "a restart mends no broker");
    heard(1);
    assert_eq!(bench.get("/readyz").0, 200);
}

#[test]
fn readyz_says_that_the_input_is_gone_and_why_a_lane_cannot_go_on_at_once() {
    let bench = Bench::ready();
    *bench.lanes[0].no_input.lock().unwrap() = Some("the input topic t is not there".to_owned());
    assert_eq!(bench.get("/readyz"), (503, "lane 0: the input topic t is not there\n".to_owned()));
    *bench.lanes[0].no_input.lock().unwrap() = None;
    assert_eq!(bench.get("/readyz").0, 200);
    bench.lanes[1].fails("READ on topic t is denied to User:u");
    bench.lanes[1].fails("what followed from it");
    assert_eq!(bench.get("/readyz"), (503, "lane 1 cannot go on: READ on topic t is denied to User:u\n".to_owned()));
}

#[test]
fn readyz_tells_why_a_lane_does_not_join() {
    let bench = Bench::new();
    bench.phase.set_warm();
    bench.lanes[0].joined.store(true, Ordering::SeqCst);
    bench.lanes[1].complaint.get_or_init(Default::default).say("b:9092: wrong password".to_owned());
    assert_eq!(bench.get("/readyz"), (503, "lane 1 has not joined the group: b:9092: wrong password\n".to_owned()));
}

/// A data fault is the same wherever the partition goes: it must not take every process out of rotation.
#[test]
fn what_is_wrong_with_the_data_is_an_alarm_with_its_way_out_and_keeps_the_process_ready() {
    let bench = Bench::ready();
    let now_ms = bench.clock.wall_us() / 1_000;
    let stop = Stop {
        why: Why::OffsetOutOfRange,
        next: 10,
        kept: Some((15, 20)),
        words: "5 offsets are lost".into(),
        fix: "reset the group".into(),
    };
    {
        let mut held_up = bench.lanes[1].held_up.lock().unwrap();
        held_up.stopped.push(StoppedPartition { partition: 3, since_ms: now_ms - 61_000, stop: Arc::new(stop) });
        let why = "schema id 4711 is not there yet".to_owned();
        held_up.waiting.push(WaitingPartition { partition: 4, since_ms: now_ms - 5_000, schema: "4711".into(), why });
    }
    bench.lanes[0].intake_paused_since_ms.set(now_ms.unsigned_abs() - 2_000);
    let (code, body) = bench.get("/readyz");
    assert_eq!(code, 200);
    let alarms: Vec<&str> = body.lines().collect();
    let stopped = "enriched-context-3 has been stopped for 1 min 1 s: 5 offsets are lost. Way out: reset the group";
    assert_eq!((alarms[0], alarms[1]), ("ok, but", stopped));
    assert!(
        alarms[2].starts_with("enriched-context-4 has been waiting for a schema for 5 s: schema id 4711"),
        "{body}"
    );
    assert!(alarms[2].contains("schemas.directory"), "{body}");
    assert!(alarms[3].starts_with("lane 0: intake has been paused for 2 s"), "{body}");
    assert_eq!(alarms.len(), 4);

    bench.lanes[0].fails("no right");
    let (code, body) = bench.get("/readyz");
    assert!(code == 503 && body.starts_with("lane 0 cannot go on: no right\nalarms beside that:\n"), "{body}");
    assert!(body.contains(stopped), "{body}");
    let status: serde_json::Value = serde_json::from_str(&bench.get("/status").1).unwrap();
    assert_eq!(status["alarms"][0], stopped);
    let shown = &status["lanes"][1]["partitions"];
    let of = &shown["stopped"][0];
    assert_eq!((&of["partition"], &of["why"]), (&3.into(), &"offset_out_of_range".into()));
    assert_eq!((&of["next_offset"], &of["first_offset_kept"], &of["end_offset"]), (&10.into(), &15.into(), &20.into()));
    assert_eq!((&of["records_lost"], &of["stopped_seconds"]), (&5.into(), &61.0.into()));
    let of = &shown["waiting_for_schema"][0];
    assert_eq!((&of["partition"], &of["schema"], &of["waiting_seconds"]), (&4.into(), &"4711".into(), &5.0.into()));

    let (_, metrics) = bench.get("/metrics");
    for line in [
        "scorewire_partition_stopped{lane=\"1\",partition=\"3\",why=\"offset_out_of_range\"} 1.0\n",
        "scorewire_partition_stopped{lane=\"1\",partition=\"3\",why=\"log_truncated\"} 0.0\n",
        "scorewire_partition_waiting_for_schema_seconds{lane=\"1\",partition=\"4\"} 5.0\n",
        "scorewire_records_lost_total{lane=\"1\"} 0\n",
        "scorewire_alarms 3.0\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn many_dead_letters_are_an_alarm_that_names_the_reasons() {
    let bench = Bench::ready();
    let mut watch = ShareWatch::new(50_000, Arc::clone(&bench.dead_letter_share));
    bench.lanes[0].scored.set(900);
    bench.lanes[1].rejected[Reject::UnknownSchema.index()].set(100);
    assert!(matches!(watch.look(Totals::of(&bench.lanes)), Some(Change::Began(_))));
    let (code, body) = bench.get("/readyz");
    assert!(code == 200 && body.contains("10.0 %") && body.contains("unknown_schema 100"), "{code} {body}");
    let status: serde_json::Value = serde_json::from_str(&bench.get("/status").1).unwrap();
    let share = &status["dead_letter_share"];
    assert_eq!((&share["records"], &share["dead_letters"]), (&1_000.into(), &100.into()));
    assert_eq!(share["share"], 0.1);
}

#[test]
fn the_root_lists_every_page_and_an_unknown_path_says_so() {
    let bench = Bench::ready();
    let (code, body) = bench.get("/");
    assert_eq!(code, 200);
    let listed: Vec<&str> = body.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let pages: Vec<&&str> = listed.iter().filter(|path| path.starts_with('/')).collect();
    assert_eq!(pages, [&"/livez", &"/readyz", &"/status", &"/metrics", &"/latency.hlog"]);
    pages.iter().for_each(|page| assert_eq!(bench.get(page).0, 200, "{page}"));
    assert_eq!(bench.get("/healthz"), (404, "nothing is at /healthz: / lists what is there\n".to_owned()));
}
