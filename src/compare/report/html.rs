//! A comparison as one page that needs nothing else, to be read, printed and filed: style and drawings are in it, and no script.

use std::fmt::Write;

use crate::compare::report::Report;
use crate::compare::report::chart::Overlay;
use crate::compare::report::markup::{Column, Table, escape};
use crate::compare::report::pages;
use crate::compare::report::parts::Kind;
use crate::compare::report::words::{count, index, or_dash, percent, score, share, threshold};

const STYLE: &str = include_str!("page.css");

/// The whole page. Everything that came from outside is escaped.
pub fn page(report: &Report) -> String {
    let title = report.kind.title();
    let models = [&report.before, &report.after].map(|side| escape(&format!("{} {}", side.package, side.version)));
    let [before, after] = models;
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: {after} beside {before}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"soft\">{after} beside {before} &middot; {} records compared</p>\n",
        count(report.decisions.compared)
    );
    put_verdict(report, &mut out);
    put_tiles(report, &mut out);
    put_sides(report, &mut out);
    put_counts(report, &mut out);
    put_matrix(report, &mut out);
    put_scores(report, &mut out);
    pages::put_differences(report, &mut out);
    pages::put_features(report, &mut out);
    pages::put_labels(report, &mut out);
    pages::put_worst(report, &mut out);
    pages::put_provenance(report, &mut out);
    pages::put_signature(report, &mut out);
    pages::put_method(report, &mut out);
    out + "</main>\n</body>\n</html>\n"
}

/// A heading and what is to be known below it.
pub fn put_heading(title: &str, sub: &str, out: &mut String) {
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "<h2>{}</h2>", escape(title));
    if !sub.is_empty() {
        let _ = writeln!(out, "<p class=\"sub\">{}</p>", escape(sub));
    }
}

fn put_verdict(report: &Report, out: &mut String) {
    let verdict = &report.verdict;
    let class = match verdict.mark() {
        "PASSED" => "good",
        "FAILED" => "bad",
        _ => "open",
    };
    let _ = writeln!(out, "<section class=\"verdict {class}\">\n<p class=\"mark\">{}</p>\n<ul>", verdict.mark());
    for (class, sentences) in [("failure", &verdict.failures), ("finding", &verdict.findings)] {
        for sentence in sentences {
            let _ = writeln!(out, "<li class=\"{class}\">{}</li>", escape(sentence));
        }
    }
    out.push_str("</ul>\n</section>\n");
}

fn put_tiles(report: &Report, out: &mut String) {
    let (decisions, scores) = (&report.decisions, &report.scores);
    let mut tiles = vec![
        (percent(decisions.compared - decisions.flips, decisions.compared), "same decision"),
        (count(decisions.stricter), "flips to a stricter one"),
        (count(decisions.milder), "flips to a milder one"),
        (or_dash(scores.difference, |of| score(of.p99)), "p99 of the score difference"),
    ];
    if let Some(psi) = scores.psi {
        tiles.push((
            index(psi.value),
            if psi.is_significant() { "PSI of scores, significant" } else { "PSI of scores" },
        ));
    }
    if let Some(auc) = report.labels.as_ref().and_then(|labels| labels.after.auc) {
        tiles.push((index(auc), if report.kind == Kind::Replay { "AUC, replayed" } else { "AUC, challenger" }));
    }
    out.push_str("<div class=\"tiles\">");
    for (value, name) in tiles {
        let _ = write!(out, "<div class=\"tile\"><b>{value}</b><span>{name}</span></div>");
    }
    out.push_str("</div>\n");
}

fn put_sides(report: &Report, out: &mut String) {
    put_heading("What was compared", "", out);
    let [before, after] = report.kind.sides();
    let heads = [("", Column::Head), (before, Column::Text), (after, Column::Text)];
    let mut table = Table::new("The two sides", &heads);
    let sides = [&report.before, &report.after];
    let named = |sha256: &str| {
        if sha256.is_empty() { "not known".to_owned() } else { format!("<code>{}</code>", escape(sha256)) }
    };
    let mut row = |name: &str, cells: [String; 2]| {
        let [before, after] = cells;
        table.row([name, &before, &after]);
    };
    row("role", sides.map(|side| escape(&side.role)));
    row("package", sides.map(|side| escape(&side.package)));
    row("version", sides.map(|side| escape(&side.version)));
    row("model&#39;s SHA-256", sides.map(|side| named(&side.sha256)));
    row("review from", sides.map(|side| threshold(side.thresholds.review)));
    row("decline from", sides.map(|side| threshold(side.thresholds.decline)));
    row("thresholds&#39; version", sides.map(|side| escape(&side.thresholds_version)));
    out.push_str(&table.html());
}

fn put_counts(report: &Report, out: &mut String) {
    if report.counts.is_empty() {
        return;
    }
    put_heading("Records", "", out);
    let heads = [("", Column::Head), ("number", Column::Number), ("meaning", Column::Text)];
    let mut table = Table::new("What became of the records", &heads);
    for of in &report.counts {
        table.row([escape(&of.name), count(of.number), escape(&of.meaning)]);
    }
    out.push_str(&table.html());
}

fn put_matrix(report: &Report, out: &mut String) {
    let [before, after] = report.kind.sides();
    let decisions = &report.decisions;
    let sub = format!("Rows are {before} decisions, columns {after} ones. Shares are of all records compared.");
    put_heading("Decisions", &sub, out);
    let _ = write!(
        out,
        "<div class=\"scroll\"><table class=\"matrix\"><caption>Decisions, {before} by {after}</caption>\n<thead><tr><td></td>"
    );
    for name in decisions.order.iter().map(|name| format!("{after} {name}")).chain([format!("all {before}")]) {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (row, name) in decisions.order.iter().enumerate() {
        let _ = write!(out, "<tr><th scope=\"row\">{before} {name}</th>");
        for column in 0..decisions.order.len() {
            let n = decisions.matrix[row][column];
            let kind = match column.cmp(&row) {
                _ if n == 0 && column != row => "none",
                std::cmp::Ordering::Equal => "same",
                std::cmp::Ordering::Greater => "stricter",
                std::cmp::Ordering::Less => "milder",
            };
            let share = percent(n, decisions.compared);
            let _ = write!(out, "<td class=\"n {kind}\"><b>{}</b><span>{kind}, {share}</span></td>", count(n));
        }
        let all: u64 = decisions.matrix[row].iter().sum();
        let _ = writeln!(
            out,
            "<td class=\"n sum\"><b>{}</b><span>{}</span></td></tr>",
            count(all),
            percent(all, decisions.compared)
        );
    }
    let _ = write!(out, "<tr><th scope=\"row\">all {after}</th>");
    for column in 0..decisions.order.len() {
        let all: u64 = decisions.matrix.iter().map(|row| row[column]).sum();
        let _ = write!(
            out,
            "<td class=\"n sum\"><b>{}</b><span>{}</span></td>",
            count(all),
            percent(all, decisions.compared)
        );
    }
    let agreement = or_dash(decisions.agreement, share);
    let _ = writeln!(
        out,
        "<td class=\"n sum\"><b>{}</b><span>same: {agreement}</span></td></tr>\n</tbody></table></div>",
        count(decisions.compared)
    );
}

fn put_scores(report: &Report, out: &mut String) {
    if report.scores.distribution.steps.is_empty() {
        return;
    }
    put_heading(
        "Score distributions",
        "Records by score: log-odds scale from left to right, where each tenfold near 0 and near 1 has the same room; \
         logarithmic upwards. Dashed lines are thresholds.",
        out,
    );
    let thresholds = [report.before.thresholds, report.after.thresholds];
    let overlay = Overlay { distribution: &report.scores.distribution, names: report.kind.sides(), thresholds };
    let _ = writeln!(out, "<figure>{}</figure>", overlay.html());
    let sentence = report.scores.psi.map_or_else(
        || "Too few records for a PSI of the scores: it takes 1,000.".to_owned(),
        |psi| {
            let is = if psi.is_significant() { "significant" } else { "not significant" };
            let (value, critical) = (index(psi.value), index(psi.critical));
            format!("PSI of the scores: {value}, {is}; chance gives up to {critical} in 99 of 100 cases.")
        },
    );
    let _ = writeln!(out, "<p>{}</p>", escape(&sentence));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::comparison::Comparison;
    use crate::compare::report::{Count, Sides, sample};

    /// Elements that stand open at the end, or end what is not open: the page is also well-formed XML but for its head.
    fn unbalanced(page: &str) -> Vec<String> {
        const VOID: [&str; 2] = ["meta", "!DOCTYPE"];
        let mut open: Vec<String> = Vec::new();
        let body = page.replace(STYLE, "");
        for tag in body.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
            let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
            if tag.starts_with('/') {
                if open.pop().as_deref() != Some(name) {
                    return vec![format!("</{name}> ends what is not open"), open.join(" ")];
                }
            } else if !VOID.contains(&name) && !tag.ends_with('/') {
                open.push(name.to_owned());
            }
        }
        open
    }

    #[test]
    fn a_page_is_whole_and_asks_nobody() {
        let page = page(&sample::report());
        assert_eq!(unbalanced(&page), Vec::<String>::new());
        for part in ["PASSED", "Score distributions", "Drift of features", "What labels say", "Provenance", "Signature"]
        {
            assert!(page.contains(part), "{part} is missing");
        }
        for foreign in ["<script", "http://", "https://", "src=", "url(", "@import", "NaN", "inf,", ">inf<"] {
            assert!(!page.contains(foreign), "{foreign} is on the page");
        }
    }

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        let evil = "<script>alert(1)</script>\"'&";
        let side = || sample::side(evil, evil);
        let report =
            Report::new(Kind::Challenge, Sides { before: side(), after: side() }, &Comparison::new(), None, None)
                .with_counts([Count::new(evil, 1, evil)])
                .with_provenance([(evil, evil)])
                .with_failure(evil)
                .with_finding(evil);
        let page = page(&report);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
        assert_eq!(unbalanced(&page), Vec::<String>::new());
    }

    #[test]
    fn json_tells_the_same_and_only_finite_numbers() {
        let json: serde_json::Value = serde_json::from_str(&sample::report().json()).unwrap();
        assert_eq!((json["kind"].as_str(), json["verdict"]["passed"].as_bool()), (Some("replay"), Some(true)));
        assert_eq!(json["decisions"]["compared"].as_u64(), Some(40_000));
        assert_eq!(json["provenance"]["scorewire"].as_str(), Some("0.1.0 (commit 9742b8f)"));
        assert!(json["labels"]["after"]["auc"].as_f64().is_some_and(|auc| auc > 0.9));
    }

    #[test]
    #[ignore = "writes the sample pages and their texts to be looked at: to the folder COMPARE_PAGE, or to target/compare"]
    fn write_the_samples() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/target/compare");
        let folder = std::path::PathBuf::from(std::env::var_os("COMPARE_PAGE").unwrap_or_else(|| own.into()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, report) in [("passed", sample::report()), ("failed", sample::failed())] {
            let write =
                |ending: &str, text: String| std::fs::write(folder.join(format!("{name}.{ending}")), text).unwrap();
            write("html", page(&report));
            write("json", report.json());
            write("txt", crate::compare::report::text::text(&report));
        }
    }
}
