//! What commands that score nothing read of a configuration.

use scorewire::config::machine::Machine;
use scorewire::config::problem::ConfigError;
use scorewire::config::sources::Sources;
use scorewire::config::{Config, Connection, DeliveryMode};

fn connection(text: &str) -> Result<Connection, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scorewire.toml");
    std::fs::write(&file, format!("{text}[kafka]\nbootstrap = \"b:9092\"\n")).unwrap();
    Config::load_connection(&Sources { file: Some(file), ..Sources::default() }, &Machine::current())
}

#[test]
fn the_nodes_delivery_is_the_one_that_is_configured() {
    for (text, delivery) in [
        ("", DeliveryMode::AtLeastOnce),
        ("delivery = \"at_least_once\"\n", DeliveryMode::AtLeastOnce),
        // Without kafka.node: a node needs it for that, and whoever sends records does not.
        ("delivery = \"exactly_once\"\n", DeliveryMode::ExactlyOnce),
    ] {
        assert_eq!(connection(text).unwrap().delivery, delivery, "{text:?}");
    }
    let problems = connection("delivery = \"at_most_once\"\n").expect_err("no such word").problems;
    assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["delivery"]);
}

#[test]
fn whether_its_fallback_puts_records_off_is_known() {
    let then = |steps: &str| connection(&format!("[fallback]\non = [\"failed\"]\nthen = [{steps}]\n"));
    assert!(!connection("").unwrap().retry_later);
    assert!(!then("\"package:models/small\", \"score:0.5\"").unwrap().retry_later);
    // The package is nobody's business here: it need not be on this machine.
    assert!(then("\"package:models/small\", \"retry_later\"").unwrap().retry_later);
    let problems = then("\"retry_soon\"").expect_err("no such step").problems;
    assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["fallback.then"]);
}
