//! `scorewire dlq replay`: records brought back.

use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::Value;

use super::args::{FilterArgs, TopicArgs};
use super::words::{columns, json, place, plain, source};
use crate::cli::{output, signals};
use crate::error::{Fatal, exit};
use crate::redrive::letter::Letter;
use crate::redrive::replay::{Ended, Options, Replay};
use crate::redrive::tally::{Fate, Rules};
use crate::values::words::count;

pub const EXAMPLES: &str = "\
Examples:
  # What would come back, and what would not?
  scorewire dlq replay -c scorewire.toml --reason unknown_schema --dry-run
  # Bring it back; the same command goes on where it was stopped
  scorewire dlq replay -c scorewire.toml --reason unknown_schema
  # Slowly, and no more than a thousand
  scorewire dlq replay -c scorewire.toml --rate 50 --max 1000
  # What came too late, into a topic of its own
  scorewire dlq replay -c scorewire.toml --topic timeouts --into again

Exit code 1: a letter that is meant was not brought back, or it was told to
stop. One replay at a time may use a group.";

#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Say what would become of each letter; write nothing and commit nothing
    #[arg(long)]
    dry_run: bool,
    /// Records to bring back, at most; the next time goes on behind them
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Records to bring back in a second, at most; by default as fast as it goes
    #[arg(long, value_name = "RECORDS", value_parser = rate)]
    rate: Option<f64>,
    /// Topic to write records to, of whatever topic they are; by default those of topics.input go back there
    #[arg(long, value_name = "TOPIC")]
    into: Option<String>,
    /// Leave letters alone whose record has failed so often
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    attempts_max: u32,
    /// Consumer group that keeps how far the replay is; by default its name comes of kafka.group and the filters
    #[arg(long, value_name = "GROUP")]
    redrive_group: Option<String>,
    /// Print each letter that is meant as one JSON object in a line, and the counts in the last one
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Which letters")]
    which: FilterArgs,
    #[command(flatten)]
    of: TopicArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "say how many records a second, such as 50 or 0.5".to_owned())
}

pub fn execute(args: &ReplayArgs) -> Result<u8, Fatal> {
    let config = args.of.load()?;
    if args.redrive_group.as_ref() == Some(&config.kafka.group) {
        let what =
            format!("--redrive-group {}: this is the group of the nodes, who read the input as it", config.kafka.group);
        return Err(Fatal::new(exit::USAGE, what, "say a name that nobody else uses, or leave it out"));
    }
    let stop = signals::watch()?;
    let options = Options {
        topic: args.of.topic(&config).to_owned(),
        into: args.into.clone(),
        rules: Rules {
            filters: args.which.filters(),
            of_topic: args.into.is_none().then(|| config.topics.input().to_owned()),
            attempts_max: args.attempts_max,
        },
        max: args.max,
        rate: args.rate,
        is_dry: args.dry_run,
        group: args.redrive_group.clone(),
    };
    let replay = Replay::new(&config, &options);
    output::note(&begins(&replay, &options, config.delivery.words()));
    let is_dry = options.is_dry;
    let ended =
        replay.run(&stop, &mut |letter, fate, records| match (args.json, is_dry || fate != Fate::FromSource) {
            (true, _) => output::print(&format!("{}\n", line_json(letter, fate, records))),
            (false, true) => output::print(&line(letter, fate, records)),
            (false, false) => Ok(()),
        })?;
    let is_stopped = stop.load(Ordering::Relaxed);
    output::print(&match args.json {
        true => format!("{}\n", ended_json(&ended, is_dry, replay.group())),
        false => report(&ended, is_dry),
    })?;
    if ended.is_early {
        let why = if is_stopped { "told to stop" } else { "--max is reached" };
        output::note(&format!("{why}: letters are left, and the same command goes on with them"));
    }
    let is_done = ended.tally.failures() == 0 && !(ended.is_early && is_stopped);
    Ok(if is_done { exit::DONE } else { exit::FAILED })
}

fn begins(replay: &Replay<'_>, options: &Options, delivery: &str) -> String {
    let (topic, into, group) = (&options.topic, replay.into(), replay.group());
    match options.is_dry {
        true => format!("dry run: {topic} to {into} from where group {group} is; nothing is written or committed"),
        false => {
            format!("{topic} to {into}, {delivery}; group {group} keeps how far it is: the same command goes on there")
        }
    }
}

fn line(letter: &Letter, fate: Fate, records: u64) -> String {
    let what = match fate {
        Fate::FromSource => "from the source",
        Fate::FromLetter => "gone by retention: from the letter",
        Fate::NotWhole => "gone by retention, and the letter does not hold all of the record",
        Fate::Guard => "has failed too often",
        Fate::Unknown => "no dead letter by its headers",
        Fate::OtherTopic => "of another topic",
        Fate::NotMatched => "not meant",
    };
    let (source, attempt, reason) = (source(letter.source.as_ref()), letter.attempt, plain(&letter.reason));
    let of = letter.source.as_ref().filter(|source| source.is_range());
    let of = of.map_or_else(String::new, |_| format!(" ({} of its records)", count(records)));
    format!("{}  {source}  {reason}  attempt {attempt}: {what}{of}\n", place(letter))
}

fn line_json(letter: &Letter, fate: Fate, records: u64) -> Value {
    let mut object = json(letter);
    object["fate"] = fate.name().into();
    object["records"] = records.into();
    object
}

fn report(ended: &Ended, is_dry: bool) -> String {
    let tally = &ended.tally;
    let mut rows = vec![
        vec![count(tally.letters()), "letters".to_owned(), "looked at".to_owned()],
        vec![
            count(tally.replayed()),
            "replayed".to_owned(),
            if is_dry { "records that would be brought back" } else { "records brought back" }.to_owned(),
        ],
        vec![
            count(tally.gone()),
            "gone by retention".to_owned(),
            "records that stand in their topic no more".to_owned(),
        ],
    ];
    let told = Fate::ALL.into_iter().filter(|fate| *fate != Fate::FromSource && tally.of(*fate) > 0);
    rows.extend(told.map(|fate| vec![count(tally.of(fate)), fate.name().replace('_', " "), fate.meaning().to_owned()]));
    columns(&rows)
}

fn ended_json(ended: &Ended, is_dry: bool, group: &str) -> Value {
    let mut object = ended.tally.json();
    object.insert("dry_run".to_owned(), is_dry.into());
    object.insert("letters_left".to_owned(), ended.is_early.into());
    object.insert("group".to_owned(), group.into());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_of_letters_above_none() {
        assert_eq!((rate("50"), rate("0.5")), (Ok(50.0), Ok(0.5)));
        for text in ["0", "-1", "NaN", "inf", "", "50/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
