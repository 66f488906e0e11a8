//! A run as one page that needs nothing else: style and drawings are in it, and no script.

use std::fmt::Write;

use crate::load::report::breakdown::{Breakdown, meaning};
use crate::load::report::chart::escape;
use crate::load::report::curves;
use crate::load::report::figures::{Named, Quantiles, count, percent, rate, tenths};
use crate::load::report::series::Series;
use crate::load::report::summary::Summary;

const STYLE: &str = include_str!("page.css");

/// The whole page. Everything that came from outside is escaped.
pub fn page(summary: &Summary, series: &Series) -> String {
    let of_run = |name: &str| summary.setup.get("run").and_then(|run| run.get(name)).map(String::as_str);
    let (command, started) = (of_run("command").unwrap_or("scorewire load"), of_run("started").unwrap_or_default());
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{command}, {started}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{command}</h1>\n<p class=\"soft\">{}</p>\n",
        subtitle(summary, started),
        command = escape(command),
        started = escape(started),
    );
    put_verdict(summary, &mut out);
    if summary.verified {
        put_tiles(summary, &mut out);
        put_charts(summary, series, &mut out);
    }
    put_outcomes(summary, &mut out);
    put_facts(summary, &mut out);
    out + "<footer>Open loop: records are sent when they are due, whatever the pipeline does, and latency counts from the \
           due time until a consumer of the output topics has read the outcome. A stall is charged to every record it \
           delayed. Percentiles are exact to three digits (HdrHistogram).</footer>\n</main>\n</body>\n</html>\n"
}

fn subtitle(summary: &Summary, started: &str) -> String {
    let schedule = summary.setup.get("run").and_then(|run| run.get("schedule")).map_or("", String::as_str);
    let pipeline = |name: &str| summary.setup.get("pipeline").and_then(|pipeline| pipeline.get(name));
    let model = pipeline("model").or_else(|| pipeline("model, by the configuration")).map_or("", String::as_str);
    let records = format!("{} records", count(summary.sent));
    let parts = [started.to_owned(), schedule.to_owned(), records, model.to_owned()];
    let parts: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| escape(part)).collect();
    parts.join(" &middot; ")
}

// Writing to a String cannot fail, here and below.

fn put_verdict(summary: &Summary, out: &mut String) {
    let class = if summary.is_good() { "good" } else { "bad" };
    let (mark, verdict) = (summary.mark(), escape(&summary.verdict()));
    let _ = writeln!(out, "<p class=\"verdict {class}\"><b>{mark}</b> {verdict}</p>");
    for warning in summary.warnings() {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(&warning));
    }
}

fn put_tiles(summary: &Summary, out: &mut String) {
    let latency = &summary.latency_ms;
    let ms = |value: f64| format!("{value:.2} <small>ms</small>");
    let mut tiles = Vec::new();
    if !latency.is_none() {
        tiles.extend([
            (ms(latency.p50), "p50"),
            (ms(latency.p99), "p99"),
            (ms(latency.p99_9), "p99.9"),
            (ms(latency.max), "maximum"),
            (ms(summary.latency_mean_ms), "mean"),
        ]);
    }
    let per_s = |value: f64| format!("{} <small>/s</small>", rate(value));
    match summary.drain_records_per_s {
        Some(drained) => tiles.push((per_s(drained), "drained")),
        None => tiles.extend([(per_s(summary.achieved_per_s), "achieved"), (per_s(summary.offered_per_s), "offered")]),
    }
    if let Some(cpu) = summary.cpu_us_per_record {
        tiles.push((format!("{cpu:.1} <small>us</small>"), "CPU per record"));
    }
    out.push_str("<div class=\"tiles\">");
    for (value, name) in tiles {
        let _ = write!(out, "<div class=\"tile\"><b>{value}</b><span>{name}</span></div>");
    }
    out.push_str("</div>\n");
}

fn put_charts(summary: &Summary, series: &Series, out: &mut String) {
    let mut figure = |title: &str, sub: &str, body: String| {
        let _ = writeln!(out, "<h2>{title}</h2>\n<p class=\"sub\">{sub}</p>\n<figure>{body}</figure>");
    };
    if !series.total.is_empty() {
        figure(
            "Latency by percentile",
            "From due to read back, and the parts of the way of scored records. Both axes are logarithmic.",
            curves::percentiles(series).html(),
        );
        figure("Latency over time", curves::TIME_NOTE, curves::latency(series).html());
        figure(
            "Throughput over time",
            "Records due, and outcomes read back, in each second; the last one is cut short.",
            curves::throughput(series).html(),
        );
    }
    if let Some(breakdown) = &summary.breakdown {
        let sub = format!(
            "Means of {} scored records: means of stages add up to the mean of the whole, percentiles do not.",
            count(breakdown.records)
        );
        figure("Where a record's time goes", &sub, stages(breakdown, &summary.stages_us));
        figure(
            "Where the time went, second by second",
            "Means of the three parts that stamps on the record tell apart, one above the other.",
            curves::parts(series).html(),
        );
    }
    if !summary.latency_ms.is_none() {
        out.push_str("<h2>Latency</h2>\n<p class=\"sub\">Milliseconds.</p>\n");
        put_latencies(summary, out);
    }
}

/// A stacked bar, and the table that is its legend.
fn stages(breakdown: &Breakdown, quantiles: &Named<Quantiles>) -> String {
    let mut out = String::from("<div class=\"bar\">");
    for (name, share) in drawn(breakdown) {
        let title = format!("{}: {}", words(&name), percent(share));
        let _ = write!(
            out,
            "<div class=\"{name}\" style=\"flex:{share:.5} 1 0\" title=\"{}\"></div>",
            escape(&title),
            name = escape(&name)
        );
    }
    out.push_str(
        "</div>\n<div class=\"scroll\"><table>\n<tr><th>stage</th><th class=\"n\">mean us</th><th class=\"n\">share</th>\
         <th class=\"n\">p50 us</th><th class=\"n\">p99 us</th><th class=\"wide\">from, to</th></tr>\n",
    );
    let mut row = |class: &str, name: &str, us: f64, share: f64, stage: &str| {
        let at = |pick: fn(&Quantiles) -> f64| quantiles.get(stage).map_or(String::new(), |q| count(pick(q) as u64));
        let _ = writeln!(
            out,
            "<tr{class}><td>{name}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"soft wide\">{}</td></tr>",
            tenths(us),
            percent(share),
            at(|q| q.p50),
            at(|q| q.p99),
            escape(meaning(stage))
        );
    };
    for (name, us, share) in breakdown.rows() {
        row("", &format!("<i class=\"{0}\"></i>{1}", escape(name), escape(&words(name))), us, share, name);
    }
    let whole = breakdown.end_to_end_us;
    row(" class=\"sum\"", "sum of stages", breakdown.sum_us, breakdown.sum_us / whole.max(f64::MIN_POSITIVE), "");
    row(" class=\"sum\"", "end to end", whole, 1.0, "");
    out + "</table></div>\n"
}

/// Shares as they can be drawn: what is below zero is taken off the stage before it, which overlaps it.
fn drawn(breakdown: &Breakdown) -> Vec<(String, f64)> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    for (name, _, share) in breakdown.rows() {
        if share < 0.0
            && let Some((_, before)) = shares.last_mut()
        {
            *before = (*before + share).max(0.0);
        }
        shares.push((name.to_owned(), share.max(0.0)));
    }
    shares.retain(|(_, share)| *share > 0.0);
    shares
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn put_latencies(summary: &Summary, out: &mut String) {
    out.push_str("<div class=\"scroll\"><table>\n<tr><th></th>");
    for name in ["p50", "p95", "p99", "p99.9", "max"] {
        let _ = write!(out, "<th class=\"n\">{name}</th>");
    }
    out.push_str("</tr>\n");
    let mut row = |name: &str, quantiles: &Quantiles, unit_ms: f64| {
        let _ = write!(out, "<tr><td>{}</td>", escape(name));
        for value in [quantiles.p50, quantiles.p95, quantiles.p99, quantiles.p99_9, quantiles.max] {
            let _ = write!(out, "<td class=\"n\">{:.3}</td>", value * unit_ms);
        }
        out.push_str("</tr>\n");
    };
    row("end to end", &summary.latency_ms, 1.0);
    for (name, quantiles) in &summary.parts_ms.0 {
        row(&words(name), quantiles, 1.0);
    }
    for (name, quantiles) in &summary.stages_us.0 {
        row(&format!("lane: {}", words(name)), quantiles, 0.001);
    }
    row("the generator's own delay", &summary.generator_delay_ms, 1.0);
    out.push_str("</table></div>\n");
}

fn put_outcomes(summary: &Summary, out: &mut String) {
    let named = |name: &str, n: u64| (name.to_owned(), count(n));
    let mut records = vec![
        named("sent", summary.sent),
        named("of them as warm-up", summary.warm_up_sent),
        named("of them poison on purpose", summary.poison_sent),
    ];
    out.push_str(
        "<h2>Outcomes</h2>\n<p class=\"sub\">All records, those of the warm-up included.</p>\n<div class=\"facts\">\n",
    );
    if summary.verified {
        records.push(named("scored", summary.scored));
        records.extend(summary.decisions.0.iter().map(|(name, n)| named(&format!("decided {name}"), *n)));
        if summary.scores_checked > 0 {
            records.push(named("scores checked with the package", summary.scores_checked));
        }
        records.push(named("dead letters", summary.dead_lettered));
        let rare = [
            ("scored by the fallback", summary.fallback),
            ("put off, to be scored later", summary.put_off),
            ("put off again", summary.put_off_again),
            ("amended", summary.amended),
            ("skipped by an operator", summary.skipped),
        ];
        records.extend(rare.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| named(name, n)));
        records.push(named("copies for human review", summary.review_samples));
    }
    put_group("Records", &records, "n", out);
    if summary.verified {
        let promises = summary.promises().map(|(name, n)| named(name, n));
        put_group("Broken promises", &promises, "n", out);
        let reasons: Vec<_> = summary.dead_letters.0.iter().map(|(name, n)| named(name, *n)).collect();
        put_group("Dead letters by reason", &reasons, "n", out);
    }
    out.push_str("</div>\n");
}

fn put_group(title: &str, rows: &[(String, String)], class: &str, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "<div><h3>{}</h3><table>", escape(title));
    for (name, value) in rows {
        let _ = writeln!(out, "<tr><td>{}</td><td class=\"{class}\">{}</td></tr>", escape(name), escape(value));
    }
    out.push_str("</table></div>\n");
}

fn put_facts(summary: &Summary, out: &mut String) {
    out.push_str("<h2>Configuration and machine</h2>\n<div class=\"facts wide\">\n");
    for (group, facts) in &summary.setup.0 {
        put_group(group, &facts.0, "fact", out);
    }
    out.push_str("</div>\n");
}
