//! docs/metrics.md: its table is written from the program's own, has what `/metrics` shows and nothing else, and names
//! fields that `/status` has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::observe_support::Bench;
use crate::support::{Page, root};
use scorewire::observe::metrics::{METRICS, Metric};

const PAGE: &str = "docs/metrics.md";
const REWRITE: &str = "SCOREWIRE_REWRITE_DOCS";
const COMMAND: &str = "SCOREWIRE_REWRITE_DOCS=1 cargo test --all-features --locked --test docs metrics";

/// What stands before and behind the table.
const MARKS: [&str; 2] = ["<!-- the table: begin -->\n", "<!-- the table: end -->\n"];

fn row(metric: &Metric) -> String {
    let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    let field = metric.field_of_lane().map_or_else(String::new, |path| format!("`{path}`"));
    let Metric { help, kind, .. } = metric;
    format!("| `{}` | {} | {labels} | {help} | {field} |\n", metric.full_name(), kind.as_str())
}

fn table() -> String {
    let head = "| metric | type | labels | meaning | field of a lane in `/status` |\n|---|---|---|---|---|\n";
    head.to_owned() + &METRICS.iter().map(row).collect::<String>()
}

/// The page with the table as it should be; written so before any test reads it, where that is asked for.
static FRESH: LazyLock<String> = LazyLock::new(|| {
    let Page { text, .. } = Page::read(PAGE);
    let (before, rest) = text.split_once(MARKS[0]).expect("where the table begins");
    let (_, after) = rest.split_once(MARKS[1]).expect("where it ends");
    let fresh = [before, MARKS[0], &table(), MARKS[1], after].concat();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(root().join(PAGE), &fresh).unwrap();
    }
    fresh
});

#[test]
fn the_page_has_the_programs_own_table() {
    let is_fresh = *FRESH == Page::read(PAGE).text;
    assert!(is_fresh, "{PAGE} is not what src/observe/table.rs says; write it anew:\n  {COMMAND}");
    assert!(FRESH.contains(COMMAND), "the page says how it is written");
}

#[test]
fn the_page_names_what_metrics_shows_and_nothing_else() {
    let text = Bench::ready().get("/metrics").1;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let suffix = |kind: &str| BTreeMap::from([("counter", "_total"), ("info", "_info")]).get(kind).copied();
    let shown: BTreeSet<String> =
        types.map(|(name, kind)| format!("{name}{}", suffix(kind).unwrap_or_default())).collect();
    LazyLock::force(&FRESH);
    let page = Page::read(PAGE).text;
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let named: BTreeSet<String> = rows.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "each once");
    assert_eq!(named, shown);
}

#[test]
fn helps_are_no_sentences_and_fit_into_a_table() {
    for metric in METRICS {
        let help = metric.help;
        assert!(!help.is_empty() && !help.ends_with('.') && !help.contains(['|', '\n']), "{metric:?}");
    }
}

#[test]
fn every_field_of_a_lane_is_where_the_page_says() {
    let status: serde_json::Value = serde_json::from_str(&Bench::ready().get("/status").1).unwrap();
    let fields: Vec<&str> = METRICS.iter().filter_map(Metric::field_of_lane).collect();
    for path in &fields {
        let pointer = format!("/lanes/0/{}", path.replace('.', "/"));
        assert!(status.pointer(&pointer).is_some(), "{path}");
    }
    assert!(fields.len() > 20);
}
