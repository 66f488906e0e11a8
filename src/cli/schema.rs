//! `scorewire schema`: the Avro schemas of what this program writes.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};

use super::output;
use super::register::{self, RegisterArgs};
use crate::avro::written::{Version, Written};
use crate::error::{Fatal, exit};

/// A topic whose values are Avro of ours. Dead letters are none: their value is the transaction's as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Topic {
    /// Records of topics.outputs: one scored transaction each
    Outputs,
    /// Records of topics.review: the same, why it is there, and the transaction itself
    Review,
    /// Records of topics.challenges: what a challenger answers, beside what the champion decided
    Challenges,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SchemaArgs {
    #[command(subcommand)]
    command: Option<SchemaCommand>,

    #[arg(value_enum, value_name = "TOPIC", required = true)]
    of: Option<Topic>,

    /// Every version there has been, the newest first: one line of JSON each, with `version`, `fingerprint` (CRC-64-AVRO,
    /// as single-object encoding carries it, most significant digit first) and `schema`
    #[arg(long, conflicts_with = "version")]
    all: bool,

    /// The schema of this version instead of the newest
    #[arg(long, value_name = "NUMBER")]
    version: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Register these schemas at the schema registry, after a look whether they are compatible; that of challenges where
    /// challengers are configured
    Register(RegisterArgs),
}

/// # Errors
/// [`exit::USAGE`] for a version that never was.
pub fn execute(args: &SchemaArgs) -> Result<u8, Fatal> {
    if let Some(SchemaCommand::Register(args)) = &args.command {
        return register::execute(args);
    }
    let of = match args.of {
        Some(Topic::Outputs) => Written::Outputs,
        Some(Topic::Review) => Written::Review,
        Some(Topic::Challenges) => Written::Challenges,
        None => return Err(Fatal::new(exit::USAGE, "no topic is named", "say outputs, review or challenges")),
    };
    if args.all {
        of.versions().iter().try_for_each(|version| output::print(&line(*version)))?;
        return Ok(exit::DONE);
    }
    let newest = of.versions()[0];
    let wanted = args.version.unwrap_or(newest.number);
    let found = of.versions().iter().find(|version| version.number == wanted).ok_or_else(|| {
        let what = format!("there is no version {wanted}: the newest is {}", newest.number);
        Fatal::new(exit::USAGE, what, "see them with --all")
    })?;
    output::print(found.text)?;
    Ok(exit::DONE)
}

fn line(version: Version) -> String {
    // The text is a part of this program.
    let schema: Json = serde_json::from_str(version.text).unwrap_or_default();
    let fingerprint = format!("{:016x}", version.schema().fingerprint());
    format!("{}\n", json!({ "version": version.number, "fingerprint": fingerprint, "schema": schema }))
}
