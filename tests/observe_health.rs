//! Health in every state, over real HTTP: what `/livez` and `/readyz` say, and why. Kafka has a say in the second one only.

mod observe_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use observe_support::Bench;
use scorewire::edge::Clock;

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

#[test]
fn failed_partitions_are_shown_and_keep_the_process_ready() {
    let bench = Bench::ready();
    bench.lanes[0].failed_partitions.set(2);
    let (code, body) = bench.get("/readyz");
    assert_eq!(code, 200);
    assert!(body.contains("lane 0: 2 partitions stopped with an alarm"), "{body}");
}
