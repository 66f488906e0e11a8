//! `scorewire schema`: the Avro schemas of what this program writes.

use clap::{Args, ValueEnum};

use super::output;
use crate::avro::encode::{HUMAN_REVIEW_SCHEMA, MODEL_OUTPUT_SCHEMA};
use crate::error::{Fatal, exit};

/// A topic whose values are Avro of ours. Dead letters are none: their value is the transaction's as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Written {
    /// Records of topics.outputs: one scored transaction each
    Outputs,
    /// Records of topics.review: the same, why it is there, and the transaction itself
    Review,
}

#[derive(Args, Debug)]
pub struct SchemaArgs {
    #[arg(value_enum, value_name = "TOPIC")]
    of: Written,
}

pub fn execute(args: &SchemaArgs) -> Result<u8, Fatal> {
    output::print(match args.of {
        Written::Outputs => MODEL_OUTPUT_SCHEMA,
        Written::Review => HUMAN_REVIEW_SCHEMA,
    })?;
    Ok(exit::DONE)
}
