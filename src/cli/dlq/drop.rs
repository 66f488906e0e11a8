//! `scorewire dlq drop`: letters deleted for good, from where their partitions begin.

use std::io::{IsTerminal, Write};

use clap::Args;
use serde_json::{Value, json};

use super::args::{FilterArgs, TopicArgs};
use super::words::columns;
use crate::cli::output;
use crate::compare::report::words::counted;
use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::redrive::drop::{self, Run};
use crate::redrive::letters::Letters;
use crate::values::words::count;

pub const EXAMPLES: &str = "\
Examples:
  # What would go? Kafka deletes from a partition's beginning alone
  scorewire dlq drop -c scorewire.toml --reason tombstone --dry-run
  # Everything that was rejected before the last two weeks
  scorewire dlq drop -c scorewire.toml --to 2w
  # In a job, where nobody can be asked
  scorewire dlq drop -c scorewire.toml --to 2w --yes --json";

#[derive(Args, Debug)]
pub struct DropArgs {
    /// Say how many letters would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Letters to delete, at most
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Delete without asking
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Which letters")]
    which: FilterArgs,
    #[command(flatten)]
    of: TopicArgs,
}

pub fn execute(args: &DropArgs) -> Result<u8, Fatal> {
    let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !args.dry_run && !args.yes && !may_ask {
        let what = "letters are deleted for good, and nobody can be asked here";
        return Err(Fatal::new(exit::USAGE, what, "look with --dry-run first, then say --yes"));
    }
    let config = args.of.load()?;
    let letters = Letters::find(&config.kafka, args.of.topic(&config))?;
    let runs = drop::find(&letters, &args.which.filters(), args.max)?;
    let (dropped, _) = sums(&runs);
    if dropped > 0 && !args.dry_run {
        if !args.yes && !is_confirmed(dropped, letters.topic())? {
            output::note("nothing was deleted");
            return Ok(exit::DONE);
        }
        cluster::delete_before(&config.kafka, letters.topic(), &drop::progress(&runs))?;
    }
    output::print(&match args.json {
        true => format!("{}\n", as_json(&runs, letters.topic(), args.dry_run)),
        false => as_text(&runs, letters.topic(), args.dry_run),
    })?;
    Ok(exit::DONE)
}

fn is_confirmed(letters: u64, topic: &str) -> Result<bool, Fatal> {
    let failed = |error: std::io::Error| {
        Fatal::new(exit::FAILED, format!("cannot ask on this terminal: {error}"), "say --yes where nobody is asked")
    };
    let question = format!("delete {} of {topic} for good? [y/N] ", counted(letters, "letter", "letters"));
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

fn sums(runs: &[Run]) -> (u64, u64) {
    (runs.iter().map(|run| run.letters).sum(), runs.iter().map(|run| run.behind).sum())
}

fn as_text(runs: &[Run], topic: &str, is_dry: bool) -> String {
    let (dropped, behind) = sums(runs);
    let done = if is_dry { "to be deleted" } else { "deleted" };
    let mut text = format!("{} of {topic} {done}\n", counted(dropped, "letter", "letters"));
    if behind > 0 {
        let left = counted(behind, "letter that is meant stays", "letters that are meant stay");
        text += &format!("{left}: behind the first one that is not meant, or one too many;\n");
        text += "Kafka deletes from a partition's beginning alone\n";
    }
    let cells =
        |run: &Run| vec![run.partition.to_string(), count(run.letters), count(run.behind), run.before.to_string()];
    let mut rows = vec![["partition", "deleted", "stay", "begins at"].map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(cells));
    if !runs.is_empty() {
        text += "\n";
        text += &columns(&rows);
    }
    text
}

fn as_json(runs: &[Run], topic: &str, is_dry: bool) -> Value {
    let (dropped, behind) = sums(runs);
    let of = |run: &Run| json!({ "partition": run.partition, "dropped": run.letters, "stay": run.behind, "begins_at": run.before });
    let partitions: Vec<Value> = runs.iter().map(of).collect();
    json!({ "topic": topic, "dry_run": is_dry, "dropped": dropped, "stay": behind, "partitions": partitions })
}
