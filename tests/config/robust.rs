//! Whatever stands in a file, a variable or a flag is an answer or a list of problems; it never ends the process. The
//! reference is cut, spoiled and rearranged, because pure noise seldom gets past the first line.

use std::collections::BTreeSet;
use std::ffi::OsString;

use proptest::prelude::*;
use scorewire::config::keys::KEYS;
use scorewire::config::machine::Machine;
use scorewire::config::sources::{FlagValue, Sources};
use scorewire::config::{Config, REFERENCE};

/// What is told about these sources; `None` when they hold.
fn told(text: &str, env: Vec<(OsString, OsString)>, flags: Vec<FlagValue>) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("models/card-fraud-gbdt")).unwrap();
    let file = dir.path().join("scorewire.toml");
    std::fs::write(&file, text).unwrap();
    let machine =
        Machine { cores: BTreeSet::from([0]), host: "h".to_owned(), cpu_quota_millis: None, state_directory: None };
    let error = Config::load(&Sources { file: Some(file), env, flags }, &machine).err()?;
    assert!(error.problems.iter().all(|problem| !problem.what.is_empty() && !problem.fix.is_empty()), "{error}");
    Some(error.to_string())
}

/// Of the smallest configuration there is, with one key more.
fn with(key: &str, value: &str) -> Option<String> {
    let text = "[kafka]\nbootstrap = \"b:9092\"\ngroup = \"g\"\n[model]\npackage = \"models/card-fraud-gbdt\"\n";
    told(text, Vec::new(), vec![FlagValue { flag: "--set".into(), key: key.into(), value: value.into() }])
}

#[test]
fn what_happens_to_lost_records_and_when_dead_letters_alarm_is_said_in_words_and_millionths() {
    for value in ["stop", "earliest"] {
        assert_eq!(with("kafka.on_offset_out_of_range", value), None);
    }
    for value in ["latest", "Earliest", ""] {
        let told = with("kafka.on_offset_out_of_range", value).expect("a problem");
        assert!(told.contains("kafka.on_offset_out_of_range"), "{told}");
    }
    let told = with("kafka.on_offset_out_of_range", "latest").unwrap();
    assert!(told.contains("stop") && told.contains("earliest"), "the choices: {told}");
    for value in ["0", "50000", "1000000"] {
        assert_eq!(with("dead_letters.alarm_share_per_million", value), None);
    }
    for value in ["-1", "1000001", "5 %", "0.05"] {
        let told = with("dead_letters.alarm_share_per_million", value).expect("a problem");
        assert!(told.contains("an integer from 0 to 1000000"), "{told}");
    }
}

/// The reference with a piece replaced by text that means something to TOML.
fn spoiled() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[\\[\\]{}=\"'#.,\\\\ \n0-9a-z_-]{0,12}", ".{0,8}", Just("\u{0}".to_owned())];
    (0..REFERENCE.len(), 0..40_usize, piece).prop_map(|(at, length, piece)| {
        let start = (0..=at).rev().find(|place| REFERENCE.is_char_boundary(*place)).unwrap_or(0);
        let end = (start + length).min(REFERENCE.len());
        let end = (end..=REFERENCE.len()).find(|place| REFERENCE.is_char_boundary(*place)).unwrap_or(REFERENCE.len());
        format!("{}{piece}{}", &REFERENCE[..start], &REFERENCE[end..])
    })
}

/// A known key, or something like one.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(KEYS).prop_map(str::to_owned),
        prop::sample::select(&["kafka.properties.sasl.password", "kafka.consumer.properties.session.timeout.ms"][..])
            .prop_map(str::to_owned),
        "[a-z_.]{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_read_or_explained(text in prop_oneof![spoiled(), ".{0,200}"]) {
        if let Some(told) = told(&text, Vec::new(), Vec::new()) {
            prop_assert!(told.contains("scorewire.toml") || told.contains("required, and not given"), "{told}");
        }
    }

    #[test]
    fn any_variable_and_flag_is_read_or_explained(
        key in key(),
        value in prop_oneof![".{0,20}", "-?[0-9]{0,25}", "[a-z,]{0,10}"],
        by_flag: bool,
    ) {
        let name = format!("SCOREWIRE__{}", key.to_ascii_uppercase().replace('.', "__"));
        let (env, flags) = if by_flag {
            (Vec::new(), vec![FlagValue { flag: "--set".to_owned(), key, value }])
        } else {
            (vec![(OsString::from(name), OsString::from(value))], Vec::new())
        };
        // Bootstrap, group and package are missing at least in part, so there is always something to tell.
        let told = told("", env, flags).expect("not a whole configuration");
        prop_assert!(told.contains("required, and not given"), "{told}");
    }
}

#[test]
fn a_header_that_describes_a_part_of_the_source_is_refused_by_name() {
    let told = |names: &str| told(&format!("[headers]\nforward = {names}\n"), Vec::new(), Vec::new()).unwrap();
    let text = told("[\"traceparent\", \"Content-Type\", \"apicurio.key.globalId\"]");
    assert!(text.contains("\"Content-Type\" describes the source's value"), "{text}");
    assert!(text.contains("\"apicurio.key.globalId\" describes the source's key"), "{text}");
    assert!(text.contains("travels by itself") && !text.contains("\"traceparent\""), "{text}");
    assert!(!told("[\"traceparent\", \"ce_id\"]").contains("headers.forward"));
}
