//! What a configuration is told about the machine it runs on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use scorewire::config::machine::Machine;
use scorewire::config::sources::Sources;
use scorewire::config::{Config, Loaded};

/// A configuration with these lines, on three cores.
fn loaded(quota_millis: Option<u64>, state_directory: Option<PathBuf>, more: &str) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("m")).unwrap();
    let file = dir.path().join("scorewire.toml");
    let text = "[kafka]\nbootstrap = \"b:9092\"\ngroup = \"g\"\nstart_at = \"earliest\"\n[model]\npackage = \"m\"\n";
    std::fs::write(&file, format!("{text}{more}\n")).unwrap();
    let machine = Machine {
        cores: BTreeSet::from([0, 1, 2]),
        host: "h".to_owned(),
        cpu_quota_millis: quota_millis,
        state_directory,
    };
    Config::load(&Sources { file: Some(file), ..Sources::default() }, &machine).unwrap()
}

/// The warnings about lanes with this quota.
fn warnings(quota_millis: Option<u64>, lanes: &str) -> Vec<String> {
    let loaded = loaded(quota_millis, None, &format!("[lanes]\n{lanes}"));
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

#[test]
fn systemds_state_directory_serves_where_none_is_given() {
    let of =
        |systemds: Option<&str>, more: &str| loaded(None, systemds.map(PathBuf::from), more).config.state_directory;
    assert_eq!(of(None, ""), None);
    assert_eq!(of(Some("/var/lib/scorewire"), "").as_deref(), Some(Path::new("/var/lib/scorewire")));
    let given = "[node]\nstate_directory = \"/srv/own\"";
    assert_eq!(of(Some("/var/lib/scorewire"), given).as_deref(), Some(Path::new("/srv/own")));
}
