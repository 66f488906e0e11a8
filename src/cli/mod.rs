//! The command line: one file per command, and the one `match` that shows the whole product. Data goes to stdout,
//! progress and logs to stderr.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Fatal, exit};
use crate::observe::log::{self, LogFormat};
use crate::observe::log_writer;

pub mod challenges;
pub mod config;
pub mod config_args;
mod connect_check;
pub mod demo;
pub mod dlq;
pub mod load;
pub mod model;
mod oracle;
mod oracle_column;
mod order;
mod output;
mod pages;
mod proof;
mod register;
pub mod replay;
mod report_args;
pub mod retry;
pub mod run;
pub mod schema;
pub mod score;
pub mod seek;
mod signals;
mod simulated;
pub mod skip;
mod table;
mod verify;
mod version;

/// The key `log.format` in the environment.
const LOG_FORMAT: &str = "SCOREWIRE__LOG__FORMAT";

/// Shown under every `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   a check failed: outcomes lost, doubled, out of order or none at all, or
      nothing but dead letters; a dead letter that was not brought back; a skip
      or seek that was not done
  64  usage: unknown or missing arguments
  65  the model package does not hold: hash, contract, golden rows or records
  69  Kafka, a topic or the schema registry cannot be reached, or the right to
      use it is denied
  70  a broken assumption inside scorewire: report it
  71  the machine lacks something: ONNX Runtime, a thread, a port
  74  outcomes cannot be delivered, or a partition cannot be read on
  75  the drain deadline passed at shutdown, or partitions were lost: what was
      in flight will be scored again
  78  bad configuration: all problems are listed at once";

/// Scores Avro transactions from Kafka with ONNX Runtime, in process, and sends each outcome back to Kafka
#[derive(Debug, Parser)]
#[command(name = "scorewire", after_help = EXIT_CODES, disable_version_flag = true, max_term_width = 120)]
struct Cli {
    /// Print the versions of scorewire, librdkafka and ONNX Runtime
    #[arg(short = 'V', long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Score a stream until told to stop
    #[command(after_help = EXIT_CODES)]
    Run(run::RunArgs),
    /// Score letters again that a fallback put off (fallback.then = "retry_later"), when they are due
    #[command(after_help = retry::EXAMPLES)]
    Retry(retry::RetryArgs),
    /// Pass over one record that holds its partition, with a dead letter
    #[command(after_help = skip::EXAMPLES)]
    Skip(skip::SkipArgs),
    /// Let a partition go on at another offset, with a dead letter for what is passed over
    #[command(after_help = seek::EXAMPLES)]
    Seek(seek::SeekArgs),
    /// Show the whole journey on this machine: embedded broker, load and pipeline in one process
    #[command(after_help = EXIT_CODES)]
    Demo(demo::DemoArgs),
    /// Send the example's simulated card transactions, or a file's records, at a steady rate and check what comes back
    #[command(after_help = EXIT_CODES)]
    Load(Box<load::LoadArgs>),
    /// Show what records become, without Kafka: features, score, decision or reject of each, as JSON lines
    #[command(after_help = score::EXAMPLES)]
    Score(score::ScoreArgs),
    /// Score a piece of the input again and compare with the recorded outputs: backtest of a model, or audit
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<replay::ReplayArgs>),
    /// Report what a challenger answered beside the champion, read from the topic of challenges
    #[command(after_help = challenges::EXAMPLES)]
    Challenges(challenges::ChallengesArgs),
    /// List dead letters, show one, bring their records back to the input, or delete them
    #[command(subcommand, after_help = EXIT_CODES)]
    Dlq(dlq::DlqCommand),
    /// Make model packages, and look at them
    #[command(subcommand, after_help = EXIT_CODES)]
    Model(model::ModelCommand),
    /// Check, show or write a configuration
    #[command(subcommand, after_help = EXIT_CODES)]
    Config(config::ConfigCommand),
    /// Print the Avro schema of what scorewire writes to a topic, or register them at the schema registry
    #[command(after_help = EXIT_CODES)]
    Schema(schema::SchemaArgs),
    /// Print completions for a shell
    Completions(pages::CompletionsArgs),
    /// Print the manual, or write all its pages to a directory
    Man(pages::ManArgs),
}

/// Runs the program and returns its exit code. Called while the process has one thread.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    crate::model::switch_telemetry_off();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let code = dispatch(cli).unwrap_or_else(|fatal| {
        output::fatal(&fatal);
        fatal.code
    });
    log_writer::finish(log::LAST_LINES);
    code
}

/// Every command and flag there is, for whoever checks a text against them.
pub fn command() -> clap::Command {
    Cli::command()
}

fn dispatch(cli: Cli) -> Result<u8, Fatal> {
    if cli.version {
        output::print(&version::text())?;
        return Ok(exit::DONE);
    }
    match cli.command {
        Some(Command::Run(args)) => run::execute(args),
        Some(Command::Retry(args)) => retry::execute(args),
        Some(Command::Skip(args)) => skip::execute(&args),
        Some(Command::Seek(args)) => seek::execute(&args),
        Some(Command::Demo(args)) => demo::execute(args),
        Some(Command::Load(args)) => load::execute(&args),
        Some(Command::Score(args)) => score::execute(&args),
        Some(Command::Replay(args)) => replay::execute(&args),
        Some(Command::Challenges(args)) => challenges::execute(&args),
        Some(Command::Dlq(command)) => dlq::execute(&command),
        Some(Command::Model(command)) => model::execute(command),
        Some(Command::Config(command)) => config::execute(command),
        Some(Command::Schema(args)) => schema::execute(&args),
        Some(Command::Completions(args)) => pages::completions(&args, Cli::command()),
        Some(Command::Man(args)) => pages::man(&args, Cli::command()),
        None => {
            output::note(&Cli::command().render_help().to_string());
            Ok(exit::USAGE)
        }
    }
}

/// Prints what clap has to say: help and the like are data, anything else is a wrong use. What form the log has is known
/// by the environment alone then.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // A closed stdout leaves nobody to tell.
        let _ = error.print();
        return exit::DONE;
    }
    if std::env::var_os(LOG_FORMAT).is_some_and(|format| format == "json") {
        log::speak(LogFormat::Json);
        let text = error.to_string();
        output::fatal(&Fatal::new(exit::USAGE, text.trim_end(), "see --help"));
    } else {
        let _ = error.print();
    }
    exit::USAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// An example that the terminal breaks is no command any more.
    #[test]
    fn examples_and_exit_codes_fit_a_terminal_of_80_columns() {
        let mut commands = vec![Cli::command()];
        let mut lines = 0;
        while let Some(command) = commands.pop() {
            for help in [command.get_after_help(), command.get_after_long_help()].into_iter().flatten() {
                for line in help.to_string().lines() {
                    assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
                    lines += 1;
                }
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(lines > 100, "{lines}");
    }
}
