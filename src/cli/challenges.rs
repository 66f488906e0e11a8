//! `scorewire challenges`: what a challenger answered beside the champion.

use std::path::PathBuf;

use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use super::proof::{Page, command_line, share, start_log, utc};
use crate::compare::labels;
use crate::compare::report::{html, text};
use crate::config::descriptors;
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::lane::clock::SystemClock;
use crate::node::{OwnSchemas, Registry};
use crate::piece::places::Place;
use crate::prove::challenges::{self, Options};

pub const EXAMPLES: &str = "\
Examples:
  # The challenger's weeks on the stream, as a page to read, sign and file
  scorewire challenges -c scorewire.toml --from 14d --html challenger.html
  # One of several, with what turned out to be fraud
  scorewire challenges -c scorewire.toml --challenger next --from 30d \\
      --labels chargebacks.csv
  # As a gate before it goes live: more than one flip in a thousand fails
  scorewire challenges -c scorewire.toml --from 7d --max-flips 0.001 --json";

#[derive(Args, Debug)]
pub struct ChallengesArgs {
    /// The challenger, by its name in the configuration; needed where the topic holds rows of several
    #[arg(long, value_name = "NAME")]
    challenger: Option<String>,
    /// Where to begin in the topic of challenges: earliest, a time (RFC 3339), how long ago (90m, 2h, 3d) or offsets
    /// (P:OFFSET,...), which leave other partitions out
    #[arg(long, value_name = "WHERE", default_value = "earliest", allow_hyphen_values = true)]
    from: Place,
    /// Where to end, exclusive: latest, or as for --from
    #[arg(long, value_name = "WHERE", default_value = "latest", allow_hyphen_values = true)]
    to: Place,
    /// Fail (exit 1) when a larger share of the decisions is another one, such as 0.001
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_flips: Option<f64>,
    /// What turned out to be fraud: CSV with a header, a column id or transaction_id and a column fraud of 0 and 1
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write the report as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn execute(args: &ChallengesArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load_to_run()?;
    let config = &loaded.config;
    start_log(&config.log)?;
    descriptors::raise();
    loaded.warnings.iter().for_each(|warning| output::warn(warning));
    // Before the work: what is wrong with either would be found after it.
    let mut page = args.html.as_deref().map(Page::create).transpose()?;
    let labels = args.labels.as_deref().map(labels::read).transpose()?;
    let registry = Registry::open_as_guest(config)?;
    let own = registry.map(|registry| OwnSchemas::of_reader(&registry, &config.topics)).unwrap_or_default();
    let started_us = SystemClock::new().wall_us();
    let options = Options { from: args.from.clone(), to: args.to.clone(), challenger: args.challenger.clone() };
    let findings = challenges::run(config, &options, &own, labels.as_ref())?;
    let mut known = vec![
        ("command".to_owned(), command_line(std::env::args())),
        ("started".to_owned(), utc(started_us)),
        ("scorewire".to_owned(), format!("{} (commit {})", env!("CARGO_PKG_VERSION"), env!("SCOREWIRE_COMMIT"))),
        ("brokers".to_owned(), config.kafka.bootstrap.clone()),
    ];
    if let (Some(path), Some(labels)) = (&args.labels, &labels) {
        let (len, fraud) = (labels.len(), labels.fraud());
        known.push(("labels".to_owned(), format!("{}: {len} transactions, {fraud} fraud", path.display())));
    }
    let report = challenges::report(&findings, args.max_flips, known);
    if let Some(page) = &mut page {
        page.write(&html::page(&report))?;
    }
    output::print(&if args.json { format!("{}\n", report.json()) } else { text::text(&report) })?;
    Ok(if report.passed() { exit::DONE } else { exit::FAILED })
}
