//! `scorewire model`: look at model files and packages, and make them.

mod check;
mod init;
mod inspect;
mod paths;
mod update;

use clap::Subcommand;

use super::EXIT_CODES;
use crate::error::Fatal;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Write a package around an ONNX file: its columns matched to a schema, and what could not be inferred marked
    #[command(after_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Say what a model's file holds: inputs, outputs, operators, exporter, trees, and which kernel scores them
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::InspectArgs),
    /// Verify a package as `run` does: hash, contract, golden rows, golden records; then measure it
    #[command(after_help = EXIT_CODES)]
    Check(check::CheckArgs),
    /// Put a retrained model into a package, or take what the training side computed, and say what changed
    #[command(after_help = update::EXAMPLES)]
    Update(update::UpdateArgs),
}

pub fn execute(command: ModelCommand) -> Result<u8, Fatal> {
    match command {
        ModelCommand::Init(args) => init::execute(&args),
        ModelCommand::Inspect(args) => inspect::execute(&args),
        ModelCommand::Check(args) => check::execute(&args),
        ModelCommand::Update(args) => update::execute(&args),
    }
}
