//! `scorewire replay`: a piece of the input, scored again beside the recorded outputs.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use super::proof::{Page, command_line, share, start_log, utc};
use crate::compare::report::{html, text};
use crate::compare::{Labels, labels};
use crate::config::machine::Machine;
use crate::config::{Config, descriptors};
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::lane::clock::SystemClock;
use crate::node::SecondAnswers;
use crate::piece::places::Place;
use crate::prove::replay::{self, Options};
use crate::prove::report;
use crate::prove::report::Rule;

pub const EXAMPLES: &str = "\
Examples:
  # What would the next model have decided on the last two days?
  scorewire replay -c scorewire.toml --package next --from 2d \\
      --html replay.html
  # The same as a gate: more than one flip in a thousand fails the job
  scorewire replay -c scorewire.toml --package next --from 2d \\
      --max-flips 0.001 --json > replay.json
  # With what turned out to be fraud: AUC, precision and recall of both
  scorewire replay -c scorewire.toml --package next --from 30d \\
      --to 7d --labels chargebacks.csv
  # Audit: do the recorded scores come out again, bit by bit?
  scorewire replay -c scorewire.toml --from 2026-11-01T00:00:00Z \\
      --to 2026-11-02T00:00:00Z --bit-equal
  # One partition, from one offset to before another one
  scorewire replay -c scorewire.toml --from 3:120000 --to 3:130000";

#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Where the piece begins: earliest, a time (RFC 3339), how long ago (90m, 2h, 3d) or offsets (P:OFFSET,...), which
    /// leave other partitions out
    #[arg(long, value_name = "WHERE", default_value = "earliest")]
    from: Place,
    /// Where it ends, exclusive: latest, or as for --from; partitions that offsets do not name end where they end now
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    to: Place,
    /// Topic of the recorded outputs, where it is not topics.outputs
    #[arg(long, value_name = "TOPIC")]
    against: Option<String>,
    /// Where the outputs are read from; by default an hour before the time of the piece's first records
    #[arg(long, value_name = "WHERE")]
    outputs_from: Option<Place>,
    /// Fail (exit 1) when a larger share of the decisions is another one, such as 0.001
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "bit_equal")]
    max_flips: Option<f64>,
    /// Audit: fail (exit 1) unless each recorded score of this very model comes out again with the same bits, and none is
    /// missing
    #[arg(long)]
    bit_equal: bool,
    /// What turned out to be fraud: CSV with a header, a column id or transaction_id and a column fraud of 0 and 1
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write the report as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Threads that score; by default one for each core
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A live job on this machine goes first.
const NICE: i32 = 10;

pub fn execute(args: &ReplayArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load_to_run()?;
    start_log(&loaded.config.log)?;
    descriptors::raise();
    loaded.warnings.iter().for_each(|warning| output::warn(warning));
    // Threads that start from here on inherit it, those of clients too. Where it is refused, nothing is lost.
    let _ = rustix::process::nice(NICE);
    // Before the work: what is wrong with either would be found after it.
    let mut page = args.html.as_deref().map(Page::create).transpose()?;
    let labels = args.labels.as_deref().map(labels::read).transpose()?;
    let (answers, own, warnings) = replay::prepare(&loaded.config)?;
    warnings.iter().for_each(|warning| output::warn(warning));
    let started_us = SystemClock::new().wall_us();
    let findings = replay::run(&loaded.config, &args.options(), (&answers, &own), labels.as_ref())?;
    findings.notes.iter().for_each(|note| output::warn(note));
    let known = args.facts(&loaded.config, &answers, labels.as_ref(), started_us);
    let report = report::of(&findings, &answers, args.rule(), known);
    if let Some(page) = &mut page {
        page.write(&html::page(&report))?;
    }
    output::print(&if args.json { format!("{}\n", report.json()) } else { text::text(&report) })?;
    Ok(if report.passed() { exit::DONE } else { exit::FAILED })
}

impl ReplayArgs {
    fn options(&self) -> Options {
        Options {
            from: self.from.clone(),
            to: self.to.clone(),
            against: self.against.clone(),
            outputs_from: self.outputs_from.clone(),
            threads: self.threads.unwrap_or_else(cores),
            bit_equal: self.bit_equal,
        }
    }

    fn rule(&self) -> Rule {
        if self.bit_equal { Rule::BitEqual } else { Rule::Flips(self.max_flips) }
    }

    /// Where the report is from, as far as the command line and the machine say it.
    fn facts(
        &self,
        config: &Config,
        answers: &SecondAnswers,
        labels: Option<&Labels>,
        started_us: i64,
    ) -> Vec<(String, String)> {
        let package = answers.package();
        let mut facts = vec![
            ("command".to_owned(), command_line(std::env::args())),
            ("started".to_owned(), utc(started_us)),
            ("scorewire".to_owned(), format!("{} (commit {})", env!("CARGO_PKG_VERSION"), env!("SCOREWIRE_COMMIT"))),
            ("scored by".to_owned(), answers.scored_by()),
            ("brokers".to_owned(), config.kafka.bootstrap.clone()),
            ("package".to_owned(), package.dir.display().to_string()),
            ("reference rows".to_owned(), format!("{} golden rows of the package", package.golden.rows.nrows())),
        ];
        if let (Some(path), Some(labels)) = (&self.labels, labels) {
            let (len, fraud) = (labels.len(), labels.fraud());
            facts.push(("labels".to_owned(), format!("{}: {len} transactions, {fraud} fraud", path.display())));
        }
        facts
    }
}

fn cores() -> NonZeroUsize {
    NonZeroUsize::new(Machine::current().cores.len()).unwrap_or(NonZeroUsize::MIN)
}
