//! What a configuration is told about the machine it runs on.

use std::collections::BTreeSet;

use scorewire::config::Config;
use scorewire::config::machine::Machine;
use scorewire::config::sources::Sources;

/// The warnings about lanes on three cores with this quota.
fn warnings(quota_millis: Option<u64>, lanes: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("m")).unwrap();
    let file = dir.path().join("scorewire.toml");
    let text = "[kafka]\nbootstrap = \"b:9092\"\ngroup = \"g\"\nstart_at = \"earliest\"\n[model]\npackage = \"m\"\n";
    std::fs::write(&file, format!("{text}[lanes]\n{lanes}\n")).unwrap();
    let machine = Machine {
        cores: BTreeSet::from([0, 1, 2]),
        host: "h".to_owned(),
        cpu_quota_millis: quota_millis,
        state_directory: None,
    };
    let loaded = Config::load(&Sources { file: Some(file), ..Sources::default() }, &machine).unwrap();
    loaded.warnings.into_iter().filter(|warning| warning.starts_with("lanes.")).collect()
}

#[test]
fn a_cpu_quota_below_the_lanes_threads_is_told_with_both_figures() {
    for (quota, lanes, said) in [
        (1_500, "count = 2", ["2 threads", "quota of 1.5 cores"]),
        (1_999, "cores = [0, 2]", ["2 threads", "quota of 1.999 cores"]),
        (500, "", ["1 thread ", "quota of 0.5 cores"]),
        (1_000, "layout = \"dedicated\"\ncores = [0, 1]", ["2 threads", "quota of 1 cores"]),
    ] {
        let told = warnings(Some(quota), lanes);
        assert_eq!(told.len(), 1, "{lanes}: {told:?}");
        assert!(said.iter().all(|part| told[0].contains(part)) && told[0].contains("cpu.max"), "{lanes}: {told:?}");
    }
}

#[test]
fn a_quota_that_does_or_none_is_not_told() {
    for (quota, lanes) in [(Some(2_000), "count = 2"), (None, "count = 3"), (Some(4_000), "layout = \"dedicated\"")] {
        assert_eq!(warnings(quota, lanes), Vec::<String>::new(), "{lanes}");
    }
}
