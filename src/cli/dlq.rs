//! `scorewire dlq`: dead letters, listed, shown, brought back and dropped.

mod args;
mod drop;
mod list;
mod replay;
mod show;
mod words;

use clap::Subcommand;

use crate::error::Fatal;

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead letters: how many of which reason, and each with where its record stood
    #[command(after_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Show one dead letter: what its headers say, what it holds, and its key and value where asked
    #[command(after_help = show::EXAMPLES)]
    Show(show::ShowArgs),
    /// Bring records back: each is taken where it stood and written to the input again, with its attempts counted
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<replay::ReplayArgs>),
    /// Delete dead letters for good, from the beginning of each partition to the first that is not meant
    #[command(after_help = drop::EXAMPLES)]
    Drop(drop::DropArgs),
}

pub fn execute(command: &DlqCommand) -> Result<u8, Fatal> {
    match command {
        DlqCommand::List(args) => list::execute(args),
        DlqCommand::Show(args) => show::execute(args),
        DlqCommand::Replay(args) => replay::execute(args),
        DlqCommand::Drop(args) => drop::execute(args),
    }
}
