//! The summary is what people and scripts decide by: its names are an interface, and its verdict an exit code.

use scorewire::error::{Reject, exit};
use scorewire::load::report::breakdown::Breakdown;
use scorewire::load::report::figures::{Named, Quantiles};
use scorewire::load::report::html::page;
use scorewire::load::report::series::Series;
use scorewire::load::report::summary::Summary;
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

/// The words of a table whatever its line breaks.
fn flowing(table: &str) -> String {
    table.split_whitespace().collect::<Vec<_>>().join(" ")
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
        assert!(flowing(&summary.table()).contains(words), "{}", summary.table());
    }
}

#[test]
fn the_table_tells_a_newcomer_everything() {
    let table = sound().table();
    for words in [
        "sent               440,000  40,000 as warm-up, 440 poison on purpose",
        "throughput        19,999/s  of 20,000/s offered; 12.5 us CPU per record",
        "DECLINE              560    0.1 %",
        "dead letters           440  truncated 400, bad_varint 40",
        "human review         9,400  copies",
    ] {
        assert!(table.contains(words), "{words}\n{table}");
    }
    let verdict =
        "OK Nothing lost, nothing doubled, nothing out of order: each of 440,000 records came back exactly once.";
    assert!(flowing(&table).ends_with(verdict), "{table}");
    let latencies: Vec<&str> = table.lines().filter(|line| line.contains("end to end")).collect();
    assert_eq!(latencies, ["  end to end            1.50       2.50       3.50       7.25      12.00"]);
    assert!(!table.contains("note:"));
}

/// All that a table can hold, in large numbers.
fn full() -> Summary {
    let stages = ["generator", "topic", "intake", "decode", "batch_wait", "inference", "emit", "ack", "back"];
    let reasons = Reject::ALL.iter().map(|reject| (reject.reason().to_owned(), 1_234_567));
    Summary {
        sent: 40_440_000,
        scores_checked: 499,
        parts_ms: Named(["in_topic", "inside", "out"].map(|name| (name.to_owned(), sound().latency_ms)).to_vec()),
        dead_letters: Named(reasons.collect()),
        breakdown: Some(Breakdown {
            records: 439_560,
            end_to_end_us: 99_999.9,
            stages_us: Named(
                stages.map(|stage| (stage.to_owned(), if stage == "back" { -700.0 } else { 98_765.4 })).to_vec(),
            ),
            unexplained_us: -0.02,
            ..Breakdown::default()
        }),
        ..sound()
    }
}

#[test]
fn a_table_fits_a_terminal_of_80_columns_and_24_rows_with_its_prompt_and_a_note() {
    let table = full().table();
    assert!(table.lines().count() <= 21, "{} lines:\n{table}", table.lines().count());
    assert!(table.lines().all(|line| line.chars().count() <= 80 && !line.ends_with(' ')), "{table}");
    // What is rare takes a row each: with the prompt, it fits.
    let million = 1_234_567;
    let rare = Summary {
        put_off: million,
        put_off_again: million,
        amended: million,
        skipped: million,
        fallback: million,
        ..full()
    }
    .table();
    assert!(rare.lines().count() <= 23, "{} lines:\n{rare}", rare.lines().count());
    assert!(rare.lines().all(|line| line.chars().count() <= 80), "{rare}");
    assert!(table.contains("unexplained    0.0") && table.contains("batch wait 98765.4"), "{table}");
    // Acknowledged and read back, one way: a reader that was quicker than the acknowledgement makes no negative time.
    assert!(table.contains("emit       98765.4  to reader  98065.4"), "{table}");
    let more = format!("{} more", Reject::ALL.len() - 2);
    assert!(table.contains(&more), "{more}:\n{table}");
}

#[test]
fn the_verdict_comes_last_and_is_marked_in_colour_only_where_asked() {
    let broken = Summary { lost: 3, first_lost: vec![7, 8, 9], ..full() };
    for (summary, mark, shade) in [(full(), "OK", "\u{1b}[1;32m"), (broken, "FAILED", "\u{1b}[1;31m")] {
        let (plain, coloured) = (summary.table(), summary.table_in(true));
        assert!(flowing(&plain).ends_with(&format!("{mark} {}", summary.verdict())), "{plain}");
        assert!(!plain.contains('\u{1b}'), "{plain}");
        assert_eq!(coloured.replace(&format!("{shade}{mark}\u{1b}[0m"), mark), plain);
    }
}

#[test]
fn an_input_that_does_not_fit_is_not_called_a_broken_promise() {
    let dead = |reason: &str, sent| Summary {
        sent,
        scored: 0,
        dead_lettered: sent,
        unexpected: sent,
        poison_sent: 10,
        dead_letters: Named(vec![("truncated".into(), 10), (reason.into(), sent - 10)]),
        ..sound()
    };
    for (reason, help) in [("unknown_schema", "schemas.directory"), ("missing_feature", "headers of each dead letter")]
    {
        let summary = dead(reason, 4_000);
        let verdict = summary.verdict();
        assert!(verdict.starts_with("EVERY RECORD BECAME A DEAD LETTER: the input does not fit."), "{verdict}");
        assert!(verdict.contains(&format!("Of 4,000 records: {reason} 3,990, truncated 10.")), "{verdict}");
        assert!(verdict.contains(help), "{verdict}");
        assert_eq!((summary.exit_code(), summary.mark()), (exit::FAILED, "FAILED"));
        // A file's records are nobody's promise, and it fails all the same.
        let file = Summary { unexpected: 0, ..summary.clone() };
        assert_eq!((file.exit_code(), file.verdict()), (exit::FAILED, verdict));
        // With anything else broken it is a broken promise.
        let lost = Summary { lost: 1, ..summary };
        assert!(lost.verdict().starts_with("PROMISES BROKEN"), "{}", lost.verdict());
    }
    // Poison alone, and a model that failed on all, are other stories.
    let poison = Summary { unexpected: 0, poison_sent: 4_000, ..dead("truncated", 4_000) };
    assert_eq!(poison.exit_code(), exit::DONE, "{}", poison.verdict());
    let failed = Summary { timed_out: 4_000, ..dead("model_failed", 4_000) };
    assert!(failed.verdict().starts_with("PROMISES BROKEN"), "{}", failed.verdict());
}

#[test]
fn records_that_are_put_off_or_skipped_have_lines_of_their_own_where_there_are_some() {
    let table = sound().table();
    assert!(!table.contains("put off") && !table.contains("skipped"), "{table}");
    let summary = Summary { scored: 439_000, fallback: 5_000, put_off: 550, skipped: 10, ..sound() };
    assert_eq!((summary.exit_code(), summary.mark()), (exit::DONE, "OK"));
    let table = summary.table();
    for line in [
        "  scored             439,000  5,000 by the fallback\n",
        "  put off                550  letters, to be scored later\n",
        "  skipped                 10  by an operator\n",
    ] {
        assert!(table.contains(line), "{line}{table}");
    }
    let retried = Summary { amended: 500, put_off_again: 70, amended_duplicated: 3, ..summary };
    let table = retried.table();
    assert!(table.contains("550  letters; 500 amended, 70 again\n"), "{table}");
    assert!(table.contains("note: outcomes of letters that were doubled: 3"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&retried.json()).unwrap();
    let figures =
        ["fallback", "put_off", "put_off_again", "amended", "amended_duplicated", "skipped"].map(|name| &json[name]);
    assert_eq!(figures, [5_000, 550, 70, 500, 3, 10]);
    let page = page(&retried, &Series::default());
    assert!(page.contains("put off, to be scored later") && page.contains("skipped by an operator"), "{page}");
}

#[test]
fn where_all_is_put_off_the_verdict_says_that_nothing_is_decided() {
    let topics = Named(vec![("retry later".to_owned(), "payments-later".to_owned())]);
    let summary = Summary {
        sent: 2_000,
        scored: 0,
        poison_sent: 10,
        dead_lettered: 10,
        put_off: 1_990,
        setup: Named(vec![("topics".to_owned(), topics)]),
        ..sound()
    };
    let verdict = summary.verdict();
    assert!(verdict.starts_with("EVERY RECORD WAS PUT OFF: the model scored none."), "{verdict}");
    for words in ["of 2,000 records, 1,990 are letters in payments-later", "`scorewire retry`"] {
        assert!(verdict.contains(words), "{words}: {verdict}");
    }
    assert_eq!((summary.exit_code(), summary.mark()), (exit::FAILED, "FAILED"));
    // One score, and it is a run like others; one lost, and a promise is broken.
    let scored = Summary { scored: 1, put_off: 1_989, ..summary.clone() };
    assert_eq!(scored.exit_code(), exit::DONE, "{}", scored.verdict());
    let lost = Summary { lost: 1, ..summary };
    assert!(lost.verdict().starts_with("PROMISES BROKEN"), "{}", lost.verdict());
}

#[test]
fn where_nobody_answers_the_verdict_asks_for_the_scorer() {
    let topics = Named(vec![("input".to_owned(), "payments".to_owned())]);
    let summary = Summary {
        sent: 2_000,
        lost: 2_000,
        first_lost: (0..10).collect(),
        verified: true,
        setup: Named(vec![("topics".to_owned(), topics)]),
        advice: vec!["the node at 127.0.0.1:9464 reads enriched-context, not payments".to_owned()],
        ..Summary::default()
    };
    let verdict = summary.verdict();
    for words in [
        "NO OUTCOME CAME BACK: of 2,000 records written to payments, none was answered",
        "is `scorewire run` running with this configuration?",
        "the node at 127.0.0.1:9464 reads enriched-context",
    ] {
        assert!(verdict.to_lowercase().contains(&words.to_lowercase()), "{words}: {verdict}");
    }
    assert!(!summary.table().contains("PROMISES"), "{}", summary.table());
    let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
    assert_eq!((&json["verdict"], &json["lost"]), (&verdict.as_str().into(), &2_000.into()));
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn a_late_generator_an_early_stop_and_doubled_reviews_are_told() {
    let mut summary = sound();
    summary.generator_delay_ms.p99 = 25.0;
    summary.interrupted = true;
    summary.review_duplicated = 3;
    let table = flowing(&summary.table());
    assert!(table.contains("the load generator itself was late (p99 25.0 ms)"), "{table}");
    assert!(
        table.contains("stopped before its end") && table.contains("review copies that were doubled: 3"),
        "{table}"
    );
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
