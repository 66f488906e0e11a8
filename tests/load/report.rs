//! Reports are believed without being checked again, so here they are: parts that add up, logs and distributions that
//! other tools read, a page that needs nothing else and says what the summary says.

use std::path::PathBuf;

use hdrhistogram::Histogram;
use scorewire::load::Summary;
use scorewire::load::report::breakdown::Breakdown;
use scorewire::load::report::figures::Named;
use scorewire::load::report::files::{Collector, Files, ReportFiles};
use scorewire::load::report::hgrm;
use scorewire::load::report::series::Series;
use scorewire::load::run::progress::View;
use scorewire::load::send::schedule::Arrival;
use scorewire::load::simulate::marker::Marker;
use scorewire::load::simulate::random::Random;
use scorewire::load::verify::interval::{INTERVAL_US, Interval, Part, intervals};
use scorewire::load::verify::outcome::{Fate, Outcome, Stamps};
use scorewire::load::verify::verifier::Live;
use scorewire::observe::latency::{Step, StepTimes, new_histogram};
use scorewire::observe::latency_log;

const ORIGIN_US: i64 = 1_700_000_000_000_000;

/// A scored outcome that was due, received, scored and read at these microseconds of the run.
fn outcome(due: i64, received: i64, scored: i64, read: i64) -> Outcome {
    Outcome {
        marker: Marker {
            run: 1,
            sequence: 0,
            due_us: ORIGIN_US + due,
            key_hash: 0,
            partition: 0,
            poison: 0,
            measured: 1,
        },
        fate: Fate::Scored { decision: 0, score: 0.5 },
        partition: 0,
        key_hash: 0,
        is_stub: false,
        by_fallback: false,
        claimed_partition: None,
        read_us: ORIGIN_US + read,
        stamps: Some(Stamps { received_us: ORIGIN_US + received, scored_us: ORIGIN_US + scored }),
    }
}

/// A run of four seconds, with nothing read back in the third: its outcomes come in the fourth.
fn run(hlog: Option<PathBuf>) -> (Series, Files) {
    let mut files = Files::create(&ReportFiles { hlog, ..ReportFiles::default() }).unwrap();
    let log = files.hlog.as_mut().map(|file| file.begin(ORIGIN_US).unwrap());
    let (mut sender, receiver) = intervals(ORIGIN_US);
    let mut collector = Collector::new(receiver, log);
    let mut current = Box::<Interval>::default();
    let mut random = Random::new(5);
    for due in (0..4_000_000).step_by(4_000) {
        let stalled = (2_000_000..3_000_000).contains(&due);
        let received = if stalled { 3_000_000 } else { due } + random.below(800) as i64;
        let scored = received + 20 + random.below(200) as i64;
        let read = scored + 300 + random.below(900) as i64;
        sender.turn(ORIGIN_US + read, &mut current);
        current.record(&outcome(due, received, scored, read));
        collector.collect();
    }
    sender.send(&mut current);
    collector.collect();
    assert_eq!(collector.problem, None);
    let mut series = collector.series;
    series.count_due(Arrival::Constant, 250.0, 1, 0, 1_000);
    (series, files)
}

/// The summary of that run, with the lanes' steps made of the same records' times.
fn summary(series: &Series) -> Summary {
    let mut summary = Summary { sent: 1_000, scored: 1_000, verified: true, rate: 250.0, ..Summary::default() };
    let mut steps = StepTimes::default();
    let inside_ns = (series.total.part(Part::Inside).mean_us() * 1_000.0) as u64;
    steps.record(Step::Intake, 1_000, 1_000);
    steps.record(Step::Decode, 30_000, 1_000);
    steps.record(Step::BatchWait, 2_000, 1_000);
    steps.record(Step::Inference, inside_ns - 33_000, 1_000);
    steps.record(Step::Emit, 10_000, 1_000);
    steps.record(Step::Ack, 250_000, 1_000);
    let mut delay_us = new_histogram();
    delay_us.record_n(40, 1_000).unwrap();
    summary.measure(series, &delay_us, Some(&steps));
    summary
}

#[test]
fn parts_add_up_to_the_whole_and_the_rest_is_told() {
    let (series, _) = run(None);
    let breakdown = summary(&series).breakdown.unwrap();
    let whole = series.total.latency.mean_us();
    assert!((breakdown.end_to_end_us - whole).abs() < 0.001, "{breakdown:?} of {whole}");
    let sum: f64 = breakdown.stages_us.0.iter().map(|(_, us)| us).sum();
    assert!((sum - breakdown.sum_us).abs() < 0.01, "{breakdown:?}");
    assert!((sum + breakdown.unexplained_us - whole).abs() < 0.01, "{breakdown:?}");
    // The steps were made of the same time: no more than rounding is left.
    assert!(breakdown.unexplained_us.abs() < 1.0, "{breakdown:?}");
    let shares: f64 = breakdown.rows().map(|(_, _, share)| share).sum();
    assert!((shares - 1.0).abs() < 1e-6);

    // Steps that leave something out leave it to the rest.
    let mut steps = StepTimes::default();
    steps.record(Step::Inference, 50_000, 1_000);
    let partly = Breakdown::of(&series.total, 0.0, Some(&steps)).unwrap();
    let inside = series.total.part(Part::Inside).mean_us();
    assert!((partly.unexplained_us - (inside - 50.0)).abs() < 0.01, "{partly:?}");
    assert_eq!(partly.doubt(), None);
    steps.record(Step::Inference, 50_000, 5_000);
    let doubtful = Breakdown::of(&series.total, 0.0, Some(&steps)).unwrap();
    assert!(doubtful.doubt().is_some_and(|words| words.contains("6000")), "{doubtful:?}");
}

#[test]
fn without_a_view_into_the_lanes_the_stamps_alone_add_up() {
    let (series, _) = run(None);
    let breakdown = Breakdown::of(&series.total, 40.0, None).unwrap();
    let names: Vec<&str> = breakdown.stages_us.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["generator", "topic", "inside", "out"]);
    assert!(breakdown.unexplained_us.abs() < 0.01 && breakdown.lane_records.is_none(), "{breakdown:?}");
    assert_eq!(Breakdown::of(&Interval::default(), 0.0, None), None);
}

#[test]
fn clocks_that_differ_shift_the_parts_and_not_their_sum() {
    let mut interval = Interval::default();
    interval.record(&outcome(3_000, 400, 900, 2_500 + 2_000));
    let [in_topic, inside, out] = Part::ALL.map(|part| interval.part(part).mean_us());
    assert_eq!((in_topic, inside, out), (-2_600.0, 500.0, 3_600.0));
    assert_eq!((in_topic + inside + out, interval.skewed), (interval.latency.mean_us(), 1));
    let summary = Summary { clock_skewed: 1, ..Summary::default() };
    assert!(summary.warnings().iter().any(|warning| warning.contains("clocks differ")));
}

#[test]
fn seconds_come_in_order_and_none_is_left_out() {
    let (series, _) = run(None);
    let outcomes: Vec<u64> = series.seconds.iter().map(|second| second.outcomes).collect();
    assert_eq!(series.seconds.iter().map(|second| second.second).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(outcomes[2] <= 1 && outcomes[3] > 490, "{outcomes:?}");
    assert_eq!(outcomes.iter().sum::<u64>(), 1_000);
    let due: Vec<Option<u64>> = series.seconds.iter().map(|second| second.due).collect();
    assert_eq!(due, [Some(250); 4]);
    // The stall is charged to every record it delayed.
    assert!(series.seconds[3].latency_ms.max > 1_000.0 && series.seconds[0].latency_ms.max < 3.0);
    assert_eq!(series.recent_p99_us().len(), 4);
}

#[test]
fn seconds_after_the_last_due_time_count_none_due() {
    let mut series = Series::default();
    let mut late = Interval { index: 6, ..Interval::default() };
    late.record(&outcome(0, 1, 2, 6_500_000));
    series.add(&late, None).unwrap();
    series.count_due(Arrival::Constant, 2.0, 1, 1_000_000_000, 9);
    let due: Vec<Option<u64>> = series.seconds.iter().map(|second| second.due).collect();
    assert_eq!(due, [Some(2), Some(2), Some(2), Some(1), None, None, None]);
    series.count_due(Arrival::AtOnce, 2.0, 1, 0, 9);
}

#[test]
fn an_interval_log_says_the_same_when_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.hlog");
    let (series, _files) = run(Some(path.clone()));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("#[StartTime: 1700000000.000 (seconds since epoch)]"), "{text}");
    let log = latency_log::read(&text).unwrap();
    let mut total = new_histogram();
    let mut starts = Vec::new();
    for interval in log.iter().filter(|interval| interval.tag.is_none()) {
        total.add(&interval.values_us).unwrap();
        starts.push((interval.start.as_secs(), interval.length.as_secs()));
    }
    assert_eq!(starts, [(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(total, series.total.latency.us);
    for part in Part::ALL {
        let mut total = new_histogram();
        let tagged = log.iter().filter(|interval| interval.tag.as_deref() == Some(part.name()));
        tagged.for_each(|interval| total.add(&interval.values_us).unwrap());
        assert_eq!(total, series.total.part(part).us, "{}", part.name());
    }
    assert!(latency_log::read("0.0,1.0,2.0,@@@\n").is_err());
}

#[test]
fn a_distribution_is_printed_as_plotters_read_it() {
    let mut us: Histogram<u64> = new_histogram();
    (1..=1_000).for_each(|us_of_one| us.saturating_record(us_of_one * 10));
    let text = hgrm::text(&us);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("       Value     Percentile TotalCount 1/(1-Percentile)"));
    assert_eq!(lines.next(), Some(""));
    assert_eq!(lines.next(), Some("       0.010 0.000000000000          1           1.00"));
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect())
        .collect();
    assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
    for row in rows.iter().filter(|row| row.len() == 4) {
        assert_eq!(us.count_between(0, (row[0] * 1_000.0).round() as u64) as f64, row[2], "{row:?}");
        assert!(row[2] >= row[1] * 1_000.0, "{row:?}");
        assert!((row[3] * (1.0 - row[1]) - 1.0).abs() < 0.01, "{row:?}");
    }
    assert_eq!(rows.last().unwrap()[1..], [1.0, 1_000.0]);
    assert!(text.contains("#[Mean    =        5.00"), "{text}");
    assert!(text.contains("Total count    =         1000]"));
    assert!(hgrm::text(&new_histogram()).contains("Total count    =            0]"));
}

/// Fails unless every element that is opened is closed, in order.
#[track_caller]
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a stray > in {text:?}");
        rest = &rest[at + 1..];
        let (tag, after) = rest.split_once('>').expect("a tag ends");
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "<{tag}>");
        let name = tag.trim_end_matches('/').split_ascii_whitespace().next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "before {:?}", &after[..after.len().min(80)]);
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name);
        }
        rest = after;
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_else_and_says_what_the_summary_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.html");
    let (series, _) = run(None);
    let mut summary = summary(&series);
    let hostile = "<script>alert('1')</script> & \"quotes\"\u{7}";
    summary.setup = Named(vec![("run".to_owned(), Named(vec![("brokers".to_owned(), hostile.to_owned())]))]);
    summary.dead_letters = Named(vec![(hostile.to_owned(), 1)]);
    let files = Files::create(&ReportFiles { html: Some(path.clone()), ..ReportFiles::default() }).unwrap();
    assert!(files.finish(&summary, &series).is_empty());
    let page = std::fs::read_to_string(path).unwrap();
    assert_well_formed(&page);
    for word in
        ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "onload", "NaN", ">inf<", "inf ", "\"inf\""]
    {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;quotes&quot;\u{fffd}"));
    let latency = &summary.latency_ms;
    for value in [latency.p50, latency.p95, latency.p99, latency.p99_9, latency.max] {
        assert!(page.contains(&format!("<td class=\"n\">{value:.3}</td>")), "{value}");
    }
    for value in [latency.p50, latency.p99, latency.max, summary.latency_mean_ms] {
        assert!(page.contains(&format!("<b>{value:.2} <small>ms</small></b>")), "{value}");
    }
    let breakdown = summary.breakdown.as_ref().unwrap();
    for (name, us, _) in breakdown.rows().filter(|(_, us, _)| (0.0..1_000.0).contains(us)) {
        assert!(page.contains(&format!("{}</td><td class=\"n\">{us:.1}</td>", name.replace('_', " "))), "{name} {us}");
    }
    assert!(page.contains(&summary.verdict()));
    summary.dead_letters = Named::default();
    let table = summary.table();
    for words in ["where time goes", "unexplained", "end to end", "means in ms of 1,000 scored records"] {
        assert!(table.contains(words), "{words}\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80 && !line.ends_with(' ')), "{table}");

    let broken = Summary { lost: 3, verified: true, ..Summary::default() };
    let page = scorewire::load::report::html::page(&broken, &Series::default());
    assert_well_formed(&page);
    assert!(page.contains("verdict bad") && page.contains("3 lost") && !page.contains("NaN"));
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let html = Some(folder.path().join("no/such/folder/run.html"));
    let Err(error) = Files::create(&ReportFiles { html, ..ReportFiles::default() }) else { panic!("it was created") };
    assert!(error.what.contains("run.html"), "{error}");
    let summary = Summary { report_problems: vec!["cannot write x".to_owned()], ..Summary::default() };
    assert!(summary.table().contains("note: cannot write x"));
    assert_ne!(summary.exit_code(), 0);
}

#[test]
fn the_live_view_tells_rates_the_last_second_and_errors() {
    let (series, _) = run(None);
    let mut view = View::new(true);
    let live = Live { accounted: 900, decisions: [890, 8, 2], dead_lettered: 4, put_off: 0, broken: 0 };
    let text = view.text(0.5, 2.0, 1_000, &live, &series);
    let last = series.seconds.last().unwrap().latency_ms;
    for words in
        [" 50 %", "500/s", "450/s", "in flight 100", "approve 890", "errors 0", &format!("p99 {:.2}", last.p99)]
    {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Less than a second later the rates stand; errors are red unless colours are not wanted.
    let later = View::text(&mut view, 0.6, 2.5, 1_500, &Live { broken: 7, ..live.clone() }, &series);
    assert!(later.contains("500/s") && later.contains("errors 7") && !later.contains('\u{1b}'), "{later}");
    let red = View::new(false).text(0.7, 2.6, 1_500, &Live { broken: 7, ..live }, &Series::default());
    assert!(red.contains("\u{1b}[1;31merrors 7\u{1b}[0m") && red.contains("warming up"), "{red}");
    assert_eq!(INTERVAL_US, 1_000_000);
}

#[test]
fn where_nothing_is_drawn_a_line_says_the_same_and_a_silent_pipeline_is_asked_for_once() {
    let (series, _) = run(None);
    let mut view = View::new(true);
    let live = Live { accounted: 900, decisions: [890, 8, 2], dead_lettered: 4, put_off: 0, broken: 1 };
    let line = view.line(0.5, 20.0, 1_000, &live, &series);
    let p99 = series.seconds.last().unwrap().latency_ms.p99;
    let rest = format!("in flight 100, p99 {p99:.2} ms, dead letters 4, errors 1");
    assert_eq!(line, format!("50 % after 20 s: sent 1,000 (50/s), read back 900 (45/s), {rest}"));
    let putting_off = Live { put_off: 30, ..live.clone() };
    let line = view.line(0.5, 20.5, 1_000, &putting_off, &series);
    assert!(line.ends_with("dead letters 4, put off 30, errors 1"), "{line}");
    let text = view.text(0.5, 20.5, 1_000, &putting_off, &series);
    assert!(text.contains("dead letters 4  put off 30  errors 1"), "{text}");
    assert!(!view.says_no_answer(20.0, 1_000, &live), "somebody answered");

    let silent = Live::default();
    let mut view = View::new(true);
    let asks =
        [(4.0, 100), (5.0, 0), (6.0, 100), (7.0, 100)].map(|(at_s, sent)| view.says_no_answer(at_s, sent, &silent));
    assert_eq!(asks, [false, false, true, false]);
    let text = view.text(0.5, 8.0, 100, &silent, &Series::default());
    assert!(text.contains("is `scorewire run` running with this configuration?"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
