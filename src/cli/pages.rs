//! `scorewire completions` and `scorewire man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;
use crate::error::{Fatal, exit};

#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Args, Debug)]
pub struct ManArgs {
    /// Write a page per command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<u8, Fatal> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "scorewire", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(exit::DONE)
}

pub fn man(args: &ManArgs, command: Command) -> Result<u8, Fatal> {
    let failed = |error: std::io::Error| {
        Fatal::new(exit::FAILED, format!("cannot write the manual: {error}"), "name a directory that can be written")
    };
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir)).map_err(failed)?;
        return Ok(exit::DONE);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(exit::DONE)
}
