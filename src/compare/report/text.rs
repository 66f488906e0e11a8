//! A comparison for a terminal: the verdict first, at most a hundred columns where names allow it.

use crate::compare::drift::FeaturePsi;
use crate::compare::labelled::{AtThreshold, LabelFigures, SideFigures};
use crate::compare::report::Report;
use crate::compare::report::figures::Scores;
use crate::compare::report::markup::plain;
use crate::compare::report::parts::Side;
use crate::compare::report::words::{count, index, or_dash, percent, score, share, signed, threshold};

const COLUMNS: usize = 96;
/// Digits of a hash that tell models apart.
const HASH_DIGITS: usize = 16;
/// Features without drift that are listed; drifted ones all are.
const FEATURES_MAX: usize = 12;

/// The printed report, with a line break at its end. Without control characters, whatever names and ids hold.
pub fn text(report: &Report) -> String {
    let mut out = format!("{}  {}\n\n", report.verdict.mark(), report.kind.title());
    let sentences = report.verdict.failures.iter().map(|words| ("! ", words));
    for (mark, words) in sentences.chain(report.verdict.findings.iter().map(|words| ("- ", words))) {
        out += &wrapped(mark, &plain(words));
    }
    out += &section("Sides", &sides(report));
    let counts = report.counts.iter().map(|of| vec![plain(&of.name), count(of.number), plain(&of.meaning)]);
    out += &section("Records", &table(&counts.collect::<Vec<_>>(), &[Align::Left, Align::Right, Align::Left]));
    out += &section("Decisions", &decisions(report));
    out += &section("Scores", &scores(report));
    out += &section("Drift of features", &features(report));
    out += &section("Labels", &report.labels.as_ref().map_or_else(String::new, |of| labels(report, of)));
    out += &section("Differ most", &worst(report));
    let facts = report.provenance.0.iter().map(|(name, value)| vec![plain(name), plain(value)]);
    out + &section("Provenance", &table(&facts.collect::<Vec<_>>(), &[Align::Left, Align::Left]))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Nothing where there is nothing to tell.
fn section(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("\n{title}\n{body}") }
}

/// Columns as wide as their widest cell, two spaces apart and before the first; the last alignment holds for further columns.
fn table(rows: &[Vec<String>], aligns: &[Align]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += "  ";
            line += &match aligns.get(column).or(aligns.last()) {
                Some(Align::Right) => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// A sentence behind its mark, broken between words.
fn wrapped(mark: &str, words: &str) -> String {
    let mut out = String::new();
    let mut line = mark.to_owned();
    for word in words.split(' ') {
        if line.chars().count() + word.chars().count() > COLUMNS && line.trim() != "" && line != mark {
            out += line.trim_end();
            out.push('\n');
            line = " ".repeat(mark.len());
        }
        line += word;
        line.push(' ');
    }
    out + line.trim_end() + "\n"
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn sides(report: &Report) -> String {
    let sides = [&report.before, &report.after];
    let row = |name: &str, of: &dyn Fn(&Side) -> String| {
        let [before, after] = sides.map(of);
        vec![name.to_owned(), before, after]
    };
    let [before, after] = report.kind.sides();
    let hash = |side: &Side| {
        let digits: String = plain(&side.sha256).chars().take(HASH_DIGITS).collect();
        if digits.is_empty() { "not known".to_owned() } else { digits }
    };
    let at = |side: &Side| {
        let (review, decline) = (threshold(side.thresholds.review), threshold(side.thresholds.decline));
        format!("review {review}, decline {decline} ({})", plain(&side.thresholds_version))
    };
    let rows = [
        cells(["", before, after]),
        row("role", &|side| plain(&side.role)),
        row("package", &|side| plain(&format!("{} {}", side.package, side.version))),
        row("model SHA-256", &hash),
        row("thresholds", &at),
    ];
    table(&rows, &[Align::Left])
}

fn decisions(report: &Report) -> String {
    let decisions = &report.decisions;
    let [before, after] = report.kind.sides();
    let mut rows = vec![vec![format!("{before} \\ {after}")]];
    rows[0].extend(decisions.order.iter().map(|name| (*name).to_owned()));
    for (name, counts) in decisions.order.iter().zip(&decisions.matrix) {
        let mut row = vec![(*name).to_owned()];
        row.extend(counts.iter().map(|n| count(*n)));
        rows.push(row);
    }
    let same = decisions.compared - decisions.flips;
    let summary = format!(
        "  same {}, flips {} (stricter {}, milder {})\n",
        percent(same, decisions.compared),
        count(decisions.flips),
        count(decisions.stricter),
        count(decisions.milder)
    );
    table(&rows, &[Align::Left, Align::Right]) + &summary
}

fn scores(report: &Report) -> String {
    let scores = &report.scores;
    let all = report.decisions.compared;
    let mut rows = vec![cells([
        "other bits",
        &format!("{} of {} ({})", count(scores.differing), count(all), percent(scores.differing, all)),
    ])];
    if let Some(first) = &scores.first_differing {
        let (partition, offset) = (first.partition, first.offset);
        let words = format!("partition {partition}, offset {offset}: {} -> {}", first.before_bits, first.after_bits);
        rows.push(cells(["first", &words]));
    }
    if let Some(of) = scores.difference {
        let means = [or_dash(scores.mean_difference, signed), or_dash(scores.mean_absolute_difference, score)];
        rows.push(cells(["difference", &format!("mean {}, mean absolute {}", means[0], means[1])]));
        let at = [of.p50, of.p90, of.p99, of.p99_9, of.max].map(score);
        let quantiles = format!("p50 {}, p90 {}, p99 {}, p99.9 {}, largest {}", at[0], at[1], at[2], at[3], at[4]);
        rows.push(cells(["absolute", &quantiles]));
    }
    rows.extend(inputs(scores));
    let psi = scores.psi.map_or_else(
        || "too few records: it takes 1,000".to_owned(),
        |psi| {
            let is = if psi.is_significant() { "significant" } else { "not significant" };
            format!("{}, {is} (chance gives up to {})", index(psi.value), index(psi.critical))
        },
    );
    rows.push(cells(["PSI", &psi]));
    table(&rows, &[Align::Left])
}

/// Without any fingerprint there is nothing to tell apart.
fn inputs(scores: &Scores) -> Option<Vec<String>> {
    let inputs = &scores.inputs;
    let of = |all, differing| format!("{} ({} differ)", count(all), count(differing));
    let told = [
        of(inputs.same, inputs.differing_same),
        of(inputs.other, inputs.differing_other),
        of(inputs.unknown, inputs.differing_unknown),
    ];
    let is_known = inputs.same + inputs.other > 0;
    is_known.then(|| cells(["inputs", &format!("same {}, other {}, unknown {}", told[0], told[1], told[2])]))
}

fn features(report: &Report) -> String {
    if report.features.is_empty() {
        return String::new();
    }
    let is_drifted = |feature: &FeaturePsi| feature.psi.is_some_and(|psi| psi.is_significant());
    let mut rows = vec![cells(["feature", "PSI", "critical", "missing: reference", "stream", ""])];
    let mut left = 0;
    for feature in &report.features {
        if rows.len() > FEATURES_MAX && !is_drifted(feature) {
            left += 1;
            continue;
        }
        rows.push(vec![
            plain(&feature.name),
            or_dash(feature.psi, |psi| index(psi.value)),
            or_dash(feature.psi, |psi| index(psi.critical)),
            or_dash(feature.missing_before, share),
            or_dash(feature.missing_after, share),
            if is_drifted(feature) { "  drifted" } else { "" }.to_owned(),
        ]);
    }
    let more = if left > 0 { format!("  and {left} more that did not drift\n") } else { String::new() };
    let aligns = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Left];
    table(&rows, &aligns) + &more
}

fn labels(report: &Report, labels: &LabelFigures) -> String {
    let [before, after] = report.kind.sides();
    let sides = [&labels.before, &labels.after];
    let row = |name: &str, of: &dyn Fn(&SideFigures) -> String| {
        let [was, is] = sides.map(of);
        vec![name.to_owned(), was, is]
    };
    let at = |at: &AtThreshold| format!("{}, {}", or_dash(at.precision, share), or_dash(at.recall, share));
    let rows = [
        cells(["", before, after]),
        row("AUC", &|side| or_dash(side.auc, index)),
        row("average precision", &|side| or_dash(side.average_precision, index)),
        row("review: precision, recall", &|side| at(&side.review)),
        row("decline: precision, recall", &|side| at(&side.decline)),
    ];
    let known = format!("  {} records, {} of them fraud\n", count(labels.records), count(labels.fraud));
    table(&rows, &[Align::Left, Align::Right]) + &known
}

fn worst(report: &Report) -> String {
    if report.worst.is_empty() {
        return String::new();
    }
    let [before, after] = report.kind.sides();
    let mut rows = vec![cells(["position", "transaction", before, after, "difference", "  decision", "inputs"])];
    for case in &report.worst {
        let decision = if case.is_flip() {
            format!("  {} -> {}", case.before_decision, case.after_decision)
        } else {
            format!("  {}", case.after_decision)
        };
        rows.push(vec![
            format!("{}:{}", case.partition, case.offset),
            or_dash(case.id.as_deref(), plain),
            or_dash(case.before_score, score),
            or_dash(case.after_score, score),
            or_dash(case.difference, signed),
            decision,
            case.inputs.to_owned(),
        ]);
    }
    let aligns = [Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Left];
    table(&rows, &aligns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::report::sample;

    #[test]
    fn the_verdict_is_first_and_lines_fit_a_terminal() {
        let printed = text(&sample::report());
        assert!(
            printed.starts_with("PASSED  Replay beside recorded outputs\n\n- Of 40,000 records compared, "),
            "{printed}"
        );
        let body = printed.split("\nProvenance\n").next().unwrap_or_default();
        let widest = body.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|columns| columns <= 100), "{widest:?}\n{printed}");
        for section in ["Sides", "Records", "Decisions", "Scores", "Drift of features", "Labels", "Differ most"] {
            assert!(body.contains(&format!("\n{section}\n  ")), "{section} is missing:\n{printed}");
        }
        assert!(printed.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn a_failure_is_marked_and_nothing_from_outside_steers_the_terminal() {
        let report = sample::report().with_failure("Gone: \u{1b}[2J").with_provenance([("a\u{7}", "b\u{202e}")]);
        let printed = text(&report);
        assert!(printed.starts_with("FAILED  ") && printed.contains("\n! Gone: \u{fffd}[2J\n"), "{printed}");
        assert!(!printed.chars().any(|character| character.is_control() && character != '\n'));
        assert!(!printed.contains('\u{202e}'));
    }

    #[test]
    fn columns_are_as_wide_as_their_cells_and_sentences_break_between_words() {
        let rows = [cells(["a", "1", "x"]), cells(["long", "20", "y"])];
        assert_eq!(table(&rows, &[Align::Left, Align::Right, Align::Left]), "  a      1  x\n  long  20  y\n");
        // Eleven words of eight columns fill a line behind the mark; the twelfth would pass 96.
        let lines = wrapped("- ", &"seven77 ".repeat(30));
        let words: Vec<usize> = lines.lines().map(|line| line.matches("seven77").count()).collect();
        assert_eq!(words, [11, 11, 8]);
        assert!(lines.starts_with("- seven77") && lines.contains("\n  seven77"), "{lines}");
    }
}
