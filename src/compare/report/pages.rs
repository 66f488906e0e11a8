//! The further sections of the page: differences, features, labels, worst cases, provenance, signature, method.

use std::fmt::Write;

use crate::compare::drift::FeaturePsi;
use crate::compare::labelled::AtThreshold;
use crate::compare::report::Report;
use crate::compare::report::chart::{bar, ratio};
use crate::compare::report::figures::WorstCase;
use crate::compare::report::html::put_heading;
use crate::compare::report::markup::{Column, Table, escape};
use crate::compare::report::words::{count, index, or_dash, percent, score, share, signed, threshold};

/// Rows of features on the page; significant ones are all there.
const FEATURES_MAX: usize = 60;

/// Drifted features whose bins are shown.
const BINS_SHOWN_MAX: usize = 4;

pub fn put_differences(report: &Report, out: &mut String) {
    let scores = &report.scores;
    let Some(of) = scores.difference else { return };
    let [before, after] = report.kind.sides();
    let sub = format!(
        "The difference is {after} minus {before}. Quantiles are of the absolute difference, at most 1 % off; the largest is exact."
    );
    put_heading("Differences of scores", &sub, out);
    let heads = ["mean", "mean absolute", "p50", "p90", "p99", "p99.9", "largest"];
    let mut table = Table::new("Differences of scores", &heads.map(|head| (head, Column::Number)));
    let means = [or_dash(scores.mean_difference, signed), or_dash(scores.mean_absolute_difference, score)];
    table.row(means.into_iter().chain([of.p50, of.p90, of.p99, of.p99_9, of.max].map(score)));
    out.push_str(&table.html());

    put_inputs(report, out);
    if let Some(first) = &scores.first_differing {
        let _ = writeln!(
            out,
            "<p>The first that differs is at partition {}, offset {}: bits <code>{}</code> before, <code>{}</code> after.</p>",
            first.partition, first.offset, first.before_bits, first.after_bits
        );
    }
}

/// Without any fingerprint there is nothing to tell apart.
fn put_inputs(report: &Report, out: &mut String) {
    let (scores, all) = (&report.scores, report.decisions.compared);
    let differing = format!("{} ({})", count(scores.differing), percent(scores.differing, all));
    if scores.inputs.same + scores.inputs.other == 0 {
        let _ = writeln!(out, "<p>Scores with other bits: {differing} of {}.</p>", count(all));
        return;
    }
    let heads = [
        ("inputs", Column::Head),
        ("records", Column::Number),
        ("scores with other bits", Column::Number),
        ("meaning", Column::Text),
    ];
    let mut table = Table::new("Scores that differ, by inputs", &heads);
    let inputs = &scores.inputs;
    for (name, all, differing, meaning) in [
        ("same", inputs.same, inputs.differing_same, "both models had the same features, by their fingerprints"),
        ("other", inputs.other, inputs.differing_other, "the record was decoded or prepared in another way"),
        ("unknown", inputs.unknown, inputs.differing_unknown, "a fingerprint is missing"),
    ] {
        table.row([name, &count(all), &format!("{} ({})", count(differing), percent(differing, all)), meaning]);
    }
    table.row_of("sum", ["all", &count(all), &differing, ""]);
    out.push_str(&table.html());
}

pub fn put_features(report: &Report, out: &mut String) {
    if report.features.is_empty() {
        return;
    }
    let sub = format!(
        "{} rows of the stream beside the reference rows of the package. A bar is the PSI in multiples of its own critical value, on a \
         logarithmic scale; the line is that value, which chance alone passes about once in a hundred times.",
        count(report.feature_rows)
    );
    put_heading("Drift of features", &sub, out);
    let heads = [
        ("feature", Column::Head),
        ("PSI beside its critical value", Column::Text),
        ("PSI", Column::Number),
        ("critical", Column::Number),
        ("missing, reference", Column::Number),
        ("missing, stream", Column::Number),
        ("verdict", Column::Word),
    ];
    let mut table = Table::new("PSI of each feature, the largest first", &heads);
    let highest = report.features.iter().filter_map(|feature| feature.psi.as_ref()).map(ratio).fold(0.0, f64::max);
    let is_drifted = |feature: &FeaturePsi| feature.psi.is_some_and(|psi| psi.is_significant());
    let (mut shown, mut left) = (0, 0);
    for feature in &report.features {
        if shown >= FEATURES_MAX && !is_drifted(feature) {
            left += 1;
            continue;
        }
        shown += 1;
        let missing = [feature.missing_before, feature.missing_after].map(|of| or_dash(of, share));
        let [before, after] = missing;
        let (class, verdict) = match feature.psi {
            None => ("", "too few rows"),
            Some(psi) if psi.is_significant() => ("drifted", "<b>drifted</b>"),
            Some(_) => ("", "not significant"),
        };
        let drawn = feature.psi.map_or_else(String::new, |psi| bar(&psi, highest));
        let value = or_dash(feature.psi, |psi| index(psi.value));
        let critical = or_dash(feature.psi, |psi| index(psi.critical));
        table.row_of(class, [&escape(&feature.name), &drawn, &value, &critical, &before, &after, verdict]);
    }
    out.push_str(&table.html());
    if left > 0 {
        let _ = writeln!(out, "<p class=\"sub\">{left} more, none of which drifted, are in the JSON report.</p>");
    }
    out.push_str("<div class=\"drifted-bins\">\n");
    report
        .features
        .iter()
        .filter(|feature| is_drifted(feature))
        .take(BINS_SHOWN_MAX)
        .for_each(|feature| put_bins(feature, out));
    out.push_str("</div>\n");
}

/// Where a drifted feature's rows went.
fn put_bins(feature: &FeaturePsi, out: &mut String) {
    let name = escape(&feature.name);
    let heads = [
        ("values", Column::Head),
        ("reference", Column::Number),
        ("stream", Column::Number),
        ("change", Column::Number),
    ];
    let mut table = Table::new(&format!("Values of {}", feature.name), &heads);
    let sum = |pick: fn(&crate::compare::drift::Bin) -> u64| feature.bins.iter().map(pick).sum::<u64>();
    let (before, after) = (sum(|bin| bin.before), sum(|bin| bin.after));
    for bin in feature.bins.iter().filter(|bin| bin.before + bin.after > 0) {
        let change = (bin.after as f64 / after.max(1) as f64 - bin.before as f64 / before.max(1) as f64) * 100.0;
        table.row([
            escape(&bin.values),
            percent(bin.before, before),
            percent(bin.after, after),
            format!("{change:+.1} points"),
        ]);
    }
    let _ = write!(out, "<div class=\"bins\"><h3>{name}: shares by value</h3>\n{}</div>\n", table.html());
}

pub fn put_labels(report: &Report, out: &mut String) {
    let Some(labels) = &report.labels else { return };
    let sub = format!(
        "{} records have a label, {} of them fraud. Each side by its own thresholds.",
        count(labels.records),
        count(labels.fraud)
    );
    put_heading("What labels say", &sub, out);
    let [before, after] = report.kind.sides();
    let heads = [("", Column::Head), (before, Column::Number), (after, Column::Number), ("change", Column::Number)];
    let mut table = Table::new("Figures by labels", &heads);
    let mut area = |name: &str, was: Option<f64>, is: Option<f64>| {
        let change = was.zip(is).map(|(was, is)| is - was);
        table.row([name, &or_dash(was, index), &or_dash(is, index), &or_dash(change, |by| format!("{by:+.4}"))]);
    };
    let (was, is) = (&labels.before, &labels.after);
    area("AUC (ROC)", was.auc, is.auc);
    area("average precision (PR-AUC)", was.average_precision, is.average_precision);
    put_threshold("review", [&was.review, &is.review], &mut table);
    put_threshold("decline", [&was.decline, &is.decline], &mut table);
    out.push_str(&table.html());
}

/// What one threshold catches on both sides.
fn put_threshold(name: &str, at: [&AtThreshold; 2], table: &mut Table) {
    let mut row = |what: &str, cells: [String; 2], change: String| {
        let [was, is] = cells;
        table.row([format!("{name}: {what}"), was, is, change]);
    };
    let points = |pick: fn(&AtThreshold) -> Option<f64>| {
        let [was, is] = at.map(pick);
        or_dash(was.zip(is), |(was, is)| format!("{:+.1} points", (is - was) * 100.0))
    };
    row("threshold", at.map(|at| threshold(at.threshold)), String::new());
    row("precision", at.map(|at| or_dash(at.precision, share)), points(|at| at.precision));
    row("recall", at.map(|at| or_dash(at.recall, share)), points(|at| at.recall));
    let change = at[1].flagged as f64 - at[0].flagged as f64;
    row(
        "flagged, of them fraud",
        at.map(|at| format!("{}, {}", count(at.flagged), count(at.caught))),
        format!("{change:+}"),
    );
}

pub fn put_worst(report: &Report, out: &mut String) {
    if report.worst.is_empty() {
        return;
    }
    put_heading("The cases that differ most", "The largest difference of scores first; equal ones by position.", out);
    let [before, after] = report.kind.sides();
    let heads = [
        ("partition", Column::Number),
        ("offset", Column::Number),
        ("transaction", Column::Code),
        (before, Column::Number),
        (after, Column::Number),
        ("difference", Column::Number),
        ("decision", Column::Word),
        ("inputs", Column::Text),
    ];
    let mut table = Table::new("The cases that differ most", &heads);
    for case in &report.worst {
        table.row([
            case.partition.to_string(),
            case.offset.to_string(),
            or_dash(case.id.as_deref(), escape),
            or_dash(case.before_score, score),
            or_dash(case.after_score, score),
            or_dash(case.difference, signed),
            decision(case),
            case.inputs.to_owned(),
        ]);
    }
    out.push_str(&table.html());
}

fn decision(case: &WorstCase) -> String {
    if case.is_flip() {
        format!("<b>{} &rarr; {}</b>", case.before_decision, case.after_decision)
    } else {
        case.after_decision.to_owned()
    }
}

pub fn put_provenance(report: &Report, out: &mut String) {
    if report.provenance.0.is_empty() {
        return;
    }
    put_heading("Provenance", "", out);
    let mut table = Table::new("Where this is from", &[("name", Column::Head), ("value", Column::Code)]);
    for (name, value) in &report.provenance.0 {
        table.row([escape(name), escape(value)]);
    }
    out.push_str(&table.html());
}

/// For paper alone.
pub fn put_signature(report: &Report, out: &mut String) {
    let _ = writeln!(
        out,
        "<section class=\"signature\">\n<p>{}, verdict {}. Read and judged by:</p>\n\
         <div><span>Name and role</span><span>Signature</span><span>Date</span></div>\n</section>",
        report.kind.title(),
        report.verdict.mark()
    );
}

pub fn put_method(report: &Report, out: &mut String) {
    let drift = if report.features.is_empty() {
        ""
    } else {
        " Bins are the deciles of the reference rows, a value that fills a decile has a bin of its own, and so have missing values."
    };
    let labels = if report.labels.is_none() {
        ""
    } else {
        " AUC counts pairs of a fraud and another record, ties as half; average precision is the sum of (R<sub>n</sub> - R<sub>n-1</sub>) \
         P<sub>n</sub> over the scores that occur."
    };
    let _ = writeln!(
        out,
        "<footer>A score differs where its bits do. PSI is the sum of (q - p) ln(q / p) over bins with shares p before and q after; a bin \
         that is empty on one side counts as half a record there. Its critical value is (1/N + 1/M) times the 99th percentile of \
         chi-square with one degree of freedom less than there are bins, for N and M records (Yurdakul 2018), and takes at least 1,000 \
         records. Significant says that chance is no explanation, not that a difference is large: with many records a small one \
         is.{drift}{labels}</footer>"
    );
}
