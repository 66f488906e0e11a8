//! The program: parse, command, exit code.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "clippy.toml says why"
)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    scorewire::memory::keep_what_is_freed();
    ExitCode::from(scorewire::cli::main(std::env::args_os()))
}
