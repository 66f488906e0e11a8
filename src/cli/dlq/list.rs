//! `scorewire dlq list`: how many letters there are of which reason, and each of them in a line.

use std::collections::BTreeMap;

use clap::Args;

use super::args::{FilterArgs, TopicArgs};
use super::words::{NOTHING, columns, json, or_nothing, place, plain, source, time};
use crate::cli::output;
use crate::error::{Fatal, exit};
use crate::redrive::letter::Letter;
use crate::redrive::letters::Letters;
use crate::values::words::count;

pub const EXAMPLES: &str = "\
Examples:
  # What is there, by reason, and the first thousand letters
  scorewire dlq list -c scorewire.toml
  # Letters of one reason of the last day
  scorewire dlq list -c scorewire.toml --reason unknown_schema --from 1d
  # Every letter of a schema as JSON lines, for another program
  scorewire dlq list -c scorewire.toml --schema-id 17 --json
  # What came too late, and another system's letters
  scorewire dlq list -c scorewire.toml --topic timeouts
  scorewire dlq list -c scorewire.toml --topic connect-dead-letters";

/// Letters that are listed for people unless they ask for more.
const LINES: usize = 1_000;

/// Reasons that are told apart: letters of others may have as many as there are classes.
const REASONS_MAX: usize = 200;

#[derive(Args, Debug)]
pub struct ListArgs {
    /// Letters that are listed at most; the summary counts all. By default 1,000, and all with --json
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print each letter as one JSON object in a line, and no summary
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Which letters")]
    which: FilterArgs,
    #[command(flatten)]
    of: TopicArgs,
}

pub fn execute(args: &ListArgs) -> Result<u8, Fatal> {
    let config = args.of.load()?;
    let letters = Letters::find(&config.kafka, args.of.topic(&config))?.quiet(args.json);
    let filters = args.which.filters();
    let piece = letters.piece(&filters)?;
    let mut list = List::default();
    let limit = args.limit.unwrap_or(if args.json { usize::MAX } else { LINES });
    letters.read(&piece, &mut |letter, _| {
        if !filters.match_headers(&letter) {
            return Ok(true);
        }
        if !args.json {
            list.add(&letter, limit);
            return Ok(true);
        }
        list.letters += 1;
        Ok(list.letters <= limit as u64 && output::is_read(&format!("{}\n", json(&letter)))?)
    })?;
    if !args.json {
        output::print(&list.text(letters.topic()))?;
    }
    Ok(exit::DONE)
}

#[derive(Default)]
struct List {
    letters: u64,
    reasons: BTreeMap<String, Reason>,
    rows: Vec<Vec<String>>,
}

struct Reason {
    letters: u64,
    first_ms: i64,
    last_ms: i64,
}

impl List {
    fn add(&mut self, letter: &Letter, limit: usize) {
        self.letters += 1;
        let ms = letter.time_ms();
        let is_known = self.reasons.contains_key(&letter.reason) || self.reasons.len() < REASONS_MAX;
        let name = if is_known { letter.reason.clone() } else { "(further reasons)".to_owned() };
        let reason = self.reasons.entry(name).or_insert(Reason { letters: 0, first_ms: ms, last_ms: ms });
        reason.letters += 1;
        (reason.first_ms, reason.last_ms) = (reason.first_ms.min(ms), reason.last_ms.max(ms));
        if self.rows.len() < limit {
            self.rows.push(row(letter));
        }
    }

    fn text(&self, topic: &str) -> String {
        let mut text = match self.letters {
            0 => return format!("no letter of {topic} is meant\n"),
            1 => format!("1 letter of {topic}\n\n"),
            letters => format!("{} letters of {topic}\n\n", count(letters)),
        };
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.letters));
        let mut rows = vec![cells(["letters", "reason", "first", "last"])];
        rows.extend(reasons.into_iter().map(|(name, reason)| {
            vec![count(reason.letters), plain(name), time(reason.first_ms), time(reason.last_ms)]
        }));
        text += &columns(&rows);
        let mut rows = vec![cells(["letter", "time", "reason", "source", "schema", "model", "attempt"])];
        rows.extend(self.rows.iter().cloned());
        text += "\n";
        text += &columns(&rows);
        let left = self.letters - self.rows.len() as u64;
        if left > 0 {
            text += &format!("{} more: --limit shows them\n", count(left));
        }
        text
    }
}

fn cells<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

fn row(letter: &Letter) -> Vec<String> {
    vec![
        place(letter),
        time(letter.time_ms()),
        plain(&letter.reason),
        source(letter.source.as_ref()),
        or_nothing(letter.schema_id.as_deref()),
        or_nothing(letter.model_version.as_deref()),
        if letter.style.is_some() { letter.attempt.to_string() } else { NOTHING.to_owned() },
    ]
}
