//! The summary is what people and scripts decide by: its names are an interface, and its verdict an exit code.

use scorewire::error::exit;
use scorewire::load::report::html::page;
use scorewire::load::series::Series;
use scorewire::load::summary::{Named, Quantiles, Summary};
use scorewire::observe::latency::new_histogram;

fn sound() -> Summary {
    Summary {
        offered_per_s: 20_000.0,
        achieved_per_s: 19_998.5,
        sent: 440_000,
        scored: 439_560,
        dead_lettered: 440,
        poison_sent: 440,
        warm_up_sent: 40_000,
        latency_ms: Quantiles { p50: 1.5, p95: 2.5, p99: 3.5, p99_9: 7.25, max: 12.0 },
        latency_mean_ms: 1.75,
        stages_us: Named(vec![("batch_wait".into(), Quantiles { p50: 3.0, ..Quantiles::default() })]),
        decisions: Named(vec![("APPROVE".into(), 430_000), ("REVIEW".into(), 9_000), ("DECLINE".into(), 560)]),
        dead_letters: Named(vec![("truncated".into(), 400), ("bad_varint".into(), 40)]),
        cpu_us_per_record: Some(12.5),
        review_samples: 9_400,
        rate: 20_000.0,
        verified: true,
        ..Summary::default()
    }
}

#[test]
fn json_has_the_documented_names() {
    let json: serde_json::Value = serde_json::from_str(&sound().json()).unwrap();
    for name in
        ["offered_per_s", "achieved_per_s", "sent", "scored", "dead_lettered", "lost", "duplicated", "out_of_order"]
    {
        assert!(json[name].is_number(), "{name}");
    }
    for quantile in ["p50", "p95", "p99", "p99_9", "max"] {
        assert!(json["latency_ms"][quantile].is_number(), "{quantile}");
        assert!(json["stages_us"]["batch_wait"][quantile].is_number(), "{quantile}");
    }
    assert_eq!(json["decisions"]["DECLINE"], 560);
    assert_eq!(json["cpu_us_per_record"], 12.5);
    assert_eq!(json["dead_letters"]["bad_varint"], 40);
    assert!(!sound().json().contains('\n'));
}

#[test]
fn every_broken_promise_fails_the_run_and_is_named() {
    assert_eq!((sound().exit_code(), sound().kept_its_promises()), (exit::DONE, true));
    type Breakage = (fn(&mut Summary), &'static str);
    let broken: [Breakage; 7] = [
        (|s| s.lost = 1, "1 lost"),
        (|s| s.duplicated = 2, "2 doubled"),
        (|s| s.out_of_order = 3, "3 out of order"),
        (|s| s.misplaced = 4, "4 under the wrong key"),
        (|s| s.malformed = 5, "5 malformed"),
        (|s| s.unexpected = 6, "6 with an unexpected outcome"),
        (|s| s.wrong_scores = 7, "7 of those checked with a wrong score"),
    ];
    for (spoil, words) in broken {
        let mut summary = sound();
        spoil(&mut summary);
        assert_eq!(summary.exit_code(), exit::FAILED, "{words}");
        assert!(summary.verdict().contains(words), "{}", summary.verdict());
        assert!(summary.table().contains(words));
    }
}

#[test]
fn the_table_tells_a_newcomer_everything() {
    let table = sound().table();
    for words in [
        "440,000 transactions (40,000 as warm-up, 440 poison on purpose)",
        "20,000/s offered, 19,999/s achieved",
        "DECLINE                        560    0.1 %",
        "truncated",
        "9,400 copies",
        "12.5 us per record",
        "batch wait",
        "Nothing lost, nothing doubled, nothing out of order: each of 440,000 records came back exactly once.",
    ] {
        assert!(table.contains(words), "{words}\n{table}");
    }
    let latencies: Vec<&str> = table.lines().filter(|line| line.contains("end to end")).collect();
    assert_eq!(latencies, ["  end to end            1.50      2.50      3.50      7.25     12.00 ms"]);
    assert!(!table.contains("note:"));
    assert!(table.lines().all(|line| line.len() <= 110 && !line.contains('\u{1b}')));
}

#[test]
fn a_late_generator_an_early_stop_and_doubled_reviews_are_told() {
    let mut summary = sound();
    summary.generator_delay_ms.p99 = 25.0;
    summary.interrupted = true;
    summary.review_duplicated = 3;
    let table = summary.table();
    assert!(table.contains("the load generator itself was late (p99 25.0 ms)"), "{table}");
    assert!(table.contains("stopped before its end") && table.contains("3 review copies"), "{table}");
    // Filling a topic as fast as it goes is nobody's lateness.
    summary.rate = 0.0;
    assert!(!summary.table().contains("was late"));
}

#[test]
fn an_unverified_run_claims_nothing() {
    let summary = Summary { sent: 400_000, offered_per_s: 350_000.0, ..Summary::default() };
    let table = summary.table();
    assert!(table.contains("400,000 records sent; outcomes were not read back."), "{table}");
    assert!(!table.contains("lost") && !table.contains("end to end"));
}

#[test]
fn a_drain_tells_no_latency() {
    let measured: serde_json::Value = serde_json::from_str(&sound().json()).unwrap();
    let drained = Summary {
        latency_ms: Quantiles::default(),
        latency_mean_ms: 0.0,
        drain_records_per_s: Some(150_000.0),
        rate: 0.0,
        ..sound()
    };
    let json: serde_json::Value = serde_json::from_str(&drained.json()).unwrap();
    for name in ["latency_ms", "latency_mean_ms"] {
        assert!(measured.get(name).is_some() && json.get(name).is_none(), "{name}: {json}");
    }
    let drained = page(&drained, &Series::default());
    assert!(drained.contains("<b>150,000 <small>/s</small></b><span>drained</span>"), "{drained}");
    assert!(!drained.contains("<span>p50</span>") && !drained.contains("<h2>Latency</h2>"), "{drained}");
    assert!(page(&sound(), &Series::default()).contains("<span>p50</span>"));
}

#[test]
fn quantiles_are_rounded_to_what_the_histogram_knows() {
    let mut histogram = new_histogram();
    (1..=1_000).for_each(|us| histogram.saturating_record(us));
    let ms = Quantiles::of(&histogram, 1_000.0);
    assert_eq!((ms.p50, ms.p95, ms.p99, ms.p99_9, ms.max), (0.5, 0.95, 0.99, 0.999, 1.0));
    assert_eq!(Quantiles::of(&new_histogram(), 1.0), Quantiles::default());
}
