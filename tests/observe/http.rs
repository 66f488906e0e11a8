//! What can be seen of a running process, over real HTTP: the status document, and metrics that follow the exposition
//! format and add up. Health is in `health.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Bench, HandClock, get};
use scorewire::doors::{Clock, PartitionLag};
use scorewire::error::{Reject, exit};
use scorewire::load::{NodeProbe, PipelineProbe};
use scorewire::observe::admin::{self, ModelInfo};
use scorewire::observe::connections::ConnectionLimits;
use scorewire::observe::latency::{Step, StepTimes};
use scorewire::observe::stats::{LaneStats, PartitionState, ShownPartition};

/// Fills a lane with an example in which every record is accounted for.
fn fill(lane: &LaneStats) {
    lane.received.add(1_000);
    lane.scored.add(900);
    lane.rejected[Reject::Truncated.index()].add(30);
    lane.rejected[Reject::MissingFeature(0).index()].add(12);
    lane.handed_back.add(8);
    lane.in_flight_records.set(50);
    lane.in_flight_bytes.set(50_000);
    lane.decisions[0].add(890);
    lane.batches.add(100);
    lane.batch_rows.add(900);
    lane.batch_rows_max.raise_to(64);
    lane.duty_cycle_ns_max.raise_to(2_500_000);
    let shown = |partition, position, state| ShownPartition {
        lag: PartitionLag { partition, position, high_watermark: 100 },
        state,
    };
    *lane.partitions.lock().unwrap() = vec![shown(3, 90, PartitionState::Lost), shown(5, -1, PartitionState::Flowing)];
    let mut times = StepTimes::default();
    times.record(Step::Inference, 40_000, 99);
    times.record(Step::Inference, 7_000_000, 1);
    lane.times.end(&mut times);
}

/// Samples by name and labels, and the type of each family; checks the form of every line on the way.
fn parse(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut types, mut helped) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with EOF");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.trim().is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "no HELP before {line}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line:?}"));
            let name = series.split('{').next().unwrap();
            let suffixes = ["_total", "_info", "_bucket", "_sum", "_count", ""];
            let family = suffixes.iter().find_map(|suffix| types.get(name.strip_suffix(suffix)?));
            assert!(name.starts_with("scorewire_") && family.is_some(), "no TYPE for {line}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} is there twice");
        }
    }
    assert_eq!(helped.len(), types.len());
    (samples, types)
}

fn sum(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    samples.iter().filter(|(series, _)| series.split('{').next() == Some(name)).map(|(_, value)| value).sum()
}

#[test]
fn metrics_follow_the_format_and_the_counters_partition_the_input() {
    let bench = Bench::ready();
    fill(&bench.lanes[0]);
    fill(&bench.lanes[1]);
    let (code, head, text) = get(bench.server.address(), "/metrics");
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let (samples, types) = parse(&text);

    let received = sum(&samples, "scorewire_records_received_total");
    let finished = ["scored_total", "rejected_total", "handed_back_total", "in_flight"];
    let parts: f64 = finished.iter().map(|part| sum(&samples, &format!("scorewire_records_{part}"))).sum();
    assert_eq!((received, parts), (2_000.0, 2_000.0));

    let reasons =
        samples.keys().filter(|series| series.starts_with("scorewire_records_rejected_total{lane=\"0\"")).count();
    assert_eq!(reasons, Reject::REASONS, "every reason is there, with 0 as well");
    let truncated = "scorewire_records_rejected_total{lane=\"1\",stage=\"decode\",reason=\"truncated\"}";
    assert_eq!(samples[truncated], 30.0);
    assert_eq!(samples["scorewire_partition_lag_records{lane=\"0\",partition=\"3\"}"], 10.0);
    assert!(!text.contains("lag_records{lane=\"0\",partition=\"5\""), "an unknown lag is not a number");
    let state = |partition: i32, state: &str| {
        let labels = format!("lane=\"0\",partition=\"{partition}\",state=\"{state}\"");
        samples[&format!("scorewire_partition_state{{{labels}}}")]
    };
    let states = PartitionState::ALL.map(|of| (state(3, of.name()), state(5, of.name())));
    assert_eq!(states, [(0.0, 1.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (1.0, 0.0)], "flowing first, lost last");
    assert_eq!(samples["scorewire_duty_cycle_max_seconds{lane=\"0\"}"], 0.0025);
    let (heap, client) = (samples["scorewire_native_heap_bytes"], samples["scorewire_client_native_bytes"]);
    assert!(heap > 0.0 && client <= (heap - 7_000_000.0).max(0.0) + 1e6, "the heap less the model's share");
    assert_eq!(samples["scorewire_model_native_bytes"], 7_000_000.0);
    assert_eq!(samples["scorewire_ready"], 1.0);
    assert!(samples["scorewire_resident_memory_bytes"] > 1e6);
    let model = "scorewire_model_info{name=\"card \\\"fraud\\\"\",version=\"3\",sha256=\"ab12\",provider=\"cpu\"}";
    assert_eq!(samples[model], 1.0);
    let build = format!(
        "scorewire_build_info{{version=\"{}\",commit=\"{}\"}}",
        env!("CARGO_PKG_VERSION"),
        env!("SCOREWIRE_COMMIT")
    );
    assert_eq!(samples[&build], 1.0);
    assert_eq!(types["scorewire_records_received"], "counter");
    assert_eq!(types["scorewire_step_latency_seconds"], "histogram");
}

#[test]
fn how_long_it_is_since_something_came_is_a_series_from_the_first_time_on() {
    let bench = Bench::ready();
    let (samples, types) = parse(&bench.get("/metrics").1);
    assert_eq!(types["scorewire_since_record_seconds"], "gauge");
    assert!(!samples.keys().any(|series| series.starts_with("scorewire_since_")), "nothing came yet");
    let lane = &bench.lanes[1];
    for (mark, ms) in [(&lane.group_contact_ms, 4_900), (&lane.committed_ms, 3_000), (&lane.received_ms, 1)] {
        mark.set(ms);
    }
    let (samples, _) = parse(&bench.get("/metrics").1);
    let since = |what: &str| samples[&format!("scorewire_since_{what}_seconds{{lane=\"1\"}}")];
    assert_eq!((since("group_contact"), since("commit"), since("record")), (0.1, 2.0, 4.999));
    let status: serde_json::Value = serde_json::from_str(&bench.get("/status").1).unwrap();
    let of = |lane: usize| &status["lanes"][lane]["since_commit_seconds"];
    assert_eq!((of(0), of(1)), (&serde_json::Value::Null, &2.0.into()));
}

#[test]
fn latency_is_there_as_quantiles_and_as_a_histogram_over_all_lanes() {
    let bench = Bench::ready();
    fill(&bench.lanes[0]);
    fill(&bench.lanes[1]);
    let (samples, _) = parse(&bench.get("/metrics").1);
    let quantile = |step: &str, quantile: &str| {
        samples[&format!("scorewire_step_latency_quantile_seconds{{step=\"{step}\",quantile=\"{quantile}\"}}")]
    };
    assert_eq!(quantile("inference", "0.5"), 40e-6);
    assert!((quantile("inference", "0.999") - 7e-3).abs() < 1e-5 && (quantile("inference", "1") - 7e-3).abs() < 1e-5);
    assert_eq!(quantile("decode", "0.99"), 0.0);
    let bucket =
        |bound: &str| samples[&format!("scorewire_step_latency_seconds_bucket{{le=\"{bound}\",step=\"inference\"}}")];
    assert_eq!((bucket("0.000025"), bucket("0.00005"), bucket("0.005"), bucket("0.01")), (0.0, 198.0, 198.0, 200.0));
    assert_eq!((bucket("60.0"), bucket("+Inf")), (200.0, 200.0));
    assert_eq!(samples["scorewire_step_latency_seconds_count{step=\"inference\"}"], 200.0);
    let total = samples["scorewire_step_latency_seconds_sum{step=\"inference\"}"];
    assert!((total - (198.0 * 40e-6 + 2.0 * 7e-3)).abs() < 1e-4, "{total}");
}

#[test]
fn status_is_one_document_with_everything_in_it() {
    let bench = Bench::ready();
    fill(&bench.lanes[0]);
    bench.clock.advance(Duration::from_millis(1_500));
    let (code, head, body) = get(bench.server.address(), "/status");
    assert!(code == 200 && head.contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["commit"], env!("SCOREWIRE_COMMIT"));
    assert_eq!((&status["group"], &status["topics"]["input"]), (&"group-1".into(), &"enriched-context".into()));
    assert_eq!(status["uptime_seconds"], 1.5);
    assert_eq!((&status["ready"], &status["live"]), (&true.into(), &true.into()));
    assert_eq!(status["model"]["sha256"], "ab12");
    assert_eq!(status["limits"]["commit_interval_ms"], 100);
    let lane = &status["lanes"][0];
    let records = &lane["records"];
    let count = |name: &str| records[name].as_u64().unwrap();
    assert_eq!(count("received"), count("scored") + count("rejected") + count("handed_back") + count("in_flight"));
    assert_eq!(records["rejected_by_reason"], serde_json::json!({"truncated": 30, "missing_feature": 12}));
    let lag =
        serde_json::json!({"partition": 3, "state": "lost", "position": 90, "high_watermark": 100, "records": 10});
    assert_eq!(lane["partitions"]["lag"][0], lag);
    assert_eq!(lane["partitions"]["lag"][1]["records"], serde_json::Value::Null);
    assert_eq!(lane["batches"]["rows_mean"], 9.0);
    assert_eq!(status["latency_us"]["inference"]["p50"], 40);
    assert_eq!(status["latency_us"].as_object().unwrap().len(), Step::COUNT);
}

#[test]
fn a_port_in_use_is_told_with_its_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::new();
    let model = ModelInfo {
        name: String::new(),
        version: String::new(),
        sha256: String::new(),
        provider: String::new(),
        trees: vec!["100 trees by scorewire (AVX2: prefix)".to_owned()],
        native_bytes: 0,
    };
    let clock: Arc<dyn Clock + Send + Sync> = Arc::<HandClock>::clone(&bench.clock);
    let state = bench.config.admin_state(Vec::new(), model, Arc::default(), clock);
    let fatal = admin::start(taken.local_addr().unwrap(), Arc::new(state), ConnectionLimits::default()).unwrap_err();
    assert_eq!(fatal.code, exit::SYSTEM);
    assert!(fatal.what.contains(&taken.local_addr().unwrap().to_string()), "{fatal}");
    assert!(fatal.fix.contains("admin.listen"), "{fatal}");
}

#[test]
fn a_stop_frees_the_port_though_a_client_still_talks() {
    let bench = Bench::ready();
    let address = bench.server.address();
    let mut idle = TcpStream::connect(address).unwrap();
    write!(idle, "GET /livez HTTP/1.1\r\nHost: ").unwrap();
    drop(bench);
    let _free = TcpListener::bind(address).expect("the port is free again");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let bench = Bench::ready();
    assert_eq!(bench.get("/index.html").0, 404);
    let mut stream = TcpStream::connect(bench.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "POST /status HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[test]
fn steps_of_another_process_come_back_whole() {
    let bench = Bench::ready();
    let mut expected = StepTimes::default();
    for (lane, stats) in (1..).zip(&bench.lanes) {
        let mut times = StepTimes::default();
        times.record(Step::Decode, lane * 7_000, 10);
        times.record(Step::Ack, lane * 1_500_000, 3);
        expected.add(&times);
        stats.times.publish(&mut times);
    }
    let probe = NodeProbe::new(vec![bench.server.address()], None);
    probe.check(bench.config.topics.input()).unwrap();
    let steps = probe.step_times().unwrap();
    for step in Step::ALL {
        assert_eq!(steps.get(step), expected.get(step), "{}", step.name());
    }
    let facts = probe.facts();
    let fact = |name: &str| facts.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    assert_eq!((fact("model"), fact("model sha256"), fact("lanes")), ("card \"fraud\" 3 on cpu", "ab12", "2"));
    assert!(fact("node").contains("group group-1"), "{facts:?}");

    let error = probe.check("another-topic").unwrap_err();
    assert_eq!(error.code, exit::USAGE);
    assert!(error.what.contains("another-topic"), "{error}");
    // Nobody listens there any more.
    drop(bench);
    assert_eq!(probe.check("another-topic").unwrap_err().code, exit::UNAVAILABLE);
    assert!(probe.step_times().is_none());
}
