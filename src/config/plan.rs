//! From what was typed to a checked [`Config`]: key by key by the table, then the values against each other in
//! [`super::checks`].

use super::machine::Machine;
use super::problem::Problem;
use super::raw::RawConfig;
use super::read::Reader;
use super::table::{self, Draft, Reading};
use super::{Config, checks, security};

/// Builds the plan. With problems the returned configuration is not to be used.
pub fn plan(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>, Vec<String>) {
    let (mut reader, config) = read(raw, machine, Reading::Whole);
    checks::check(&mut reader, &config);
    (config, reader.problems, reader.warnings)
}

/// Builds the connection alone.
pub fn connection(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>) {
    let (mut reader, config) = read(raw, machine, Reading::Connection);
    security::check(&mut reader, &config);
    (config, reader.problems)
}

fn read<'a>(raw: &'a RawConfig, machine: &'a Machine, wanted: Reading) -> (Reader<'a>, Config) {
    let mut reader = Reader { raw, machine, problems: Vec::new(), warnings: Vec::new() };
    let mut draft = Draft::new(Config::new("", "", ""));
    draft.config.kafka.node = machine.host.clone();
    table::read(&mut reader, &mut draft, wanted);
    (reader, draft.config)
}
