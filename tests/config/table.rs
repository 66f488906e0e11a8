//! One entry makes a key: its name, its line of the reference, its place in what is shown, and when it is read again.

use std::collections::BTreeSet;

use std::path::Path;

use scorewire::config::keys;
use scorewire::config::table::{self, Given, Reread};
use scorewire::config::{Config, REFERENCE, show};

/// The folder has a copy, for readers of the repository.
#[test]
fn the_copy_of_the_reference_is_what_the_program_prints() {
    let path = Path::new("src/config/reference.toml");
    if std::env::var_os("SCOREWIRE_REWRITE_DOCS").is_some() {
        std::fs::write(path, REFERENCE.as_str()).unwrap();
    }
    let copy = std::fs::read_to_string(path).unwrap();
    let same = copy.lines().zip(REFERENCE.lines()).take_while(|(copy, printed)| copy == printed).count();
    let help = "SCOREWIRE_REWRITE_DOCS=1 cargo test --all-features --locked --test config table writes it anew";
    assert!(copy == *REFERENCE, "{} differs from line {} on: {help}", path.display(), same + 1);
}

#[test]
fn every_key_stands_in_the_reference_with_its_default_and_is_shown() {
    let shown = show::values(&Config::new("b:1", "g", "p"));
    let mut lines = REFERENCE.lines();
    for key in table::keys() {
        let (section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        let at_start = format!("{name} = ");
        let is_line = |line: &str| line.trim_start_matches('#').starts_with(&at_start);
        let line = lines.find(|line| is_line(line)).unwrap_or_else(|| panic!("{} is not where it should be", key.name));
        let (_, value) = shown.iter().find(|(shown, _)| shown == key.name).expect(key.name);
        let table: toml::Table = line.trim_start_matches('#').parse().unwrap();
        let written = serde_json::to_value(&table[name]).unwrap();
        match key.given {
            Given::Default => assert_eq!((line.starts_with('#'), &written), (false, value), "{}", key.name),
            Given::Maybe(_) => assert!(line.starts_with('#'), "{line}"),
            Given::Required { fix, .. } => assert!(!line.starts_with('#') && !fix.is_empty(), "{line}"),
        }
        assert!(section.is_empty() || REFERENCE.contains(&format!("\n[{section}]\n")), "{section}");
    }
}

/// What is said to be read again without a restart is told where it stands.
#[test]
fn only_the_file_of_a_password_is_read_again_while_the_process_runs() {
    let of_registry = |key: &&table::Key| key.name.starts_with("schemas.registry.") && key.name.ends_with("_file");
    let (files, others): (Vec<_>, Vec<_>) = table::keys().partition(of_registry);
    assert!(others.iter().all(|key| keys::reread(key.name) == Some(Reread::AtStart)));
    assert!(files.len() == 3 && files.iter().all(|key| keys::reread(key.name) == Some(Reread::EachConnection)));
    assert!(REFERENCE.contains("a file, which is read again for each request"));
    for section in scorewire::config::keys::PROPERTY_SECTIONS {
        let of = |name: &str| keys::reread(&format!("{section}.{name}"));
        assert_eq!(of("sasl.password_file"), Some(Reread::EachConnection));
        for name in ["sasl.password", "ssl.key.password_file", "sasl.username"] {
            assert_eq!(of(name), Some(Reread::AtStart), "{name}");
        }
    }
    assert_eq!(keys::reread("kafka"), None);
    assert!(REFERENCE.contains("The file of sasl.password (PLAIN, SCRAM) is read again for each new connection"));
}

/// A line that is a commented-out setting, as a setting.
pub fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && (rest.contains(" = ") || rest.starts_with("[[")) => rest,
        _ => line,
    }
}

/// Names of all keys of a table.
pub fn collect(prefix: &str, table: &toml::Table, named: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => collect(&path, inner, named),
            toml::Value::Array(items) if items.first().is_some_and(toml::Value::is_table) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|of| collect(&format!("{path}.0"), of, named));
            }
            _ => {
                named.insert(path);
            }
        }
    }
}
