//! `scorewire model`: look at model packages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::wiring;
use crate::error::Fatal;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Verify a package: hash, contract, golden rows; then measure it
    Check(CheckArgs),
}

#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Directory of the package
    #[arg(value_name = "DIR")]
    pub package: PathBuf,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

pub fn execute(command: ModelCommand) -> Result<u8, Fatal> {
    match command {
        ModelCommand::Check(args) => wiring::check_model(args),
    }
}
