//! The program as a shell meets it: exit codes, help, what goes to stdout and what to stderr.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// The program in an empty environment and a folder of its own.
fn scorewire(dir: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.current_dir(dir.path()).env_clear().args(args);
    command.output().unwrap()
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("models/card-fraud-gbdt")).unwrap();
    dir
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed by a signal")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_wrong_use_exits_with_64_and_leaves_stdout_empty() {
    let dir = folder();
    for args in [
        &[][..],
        &["no-such-command"],
        &["run", "--no-such-flag"],
        &["run", "--set", "no-equals-sign"],
        &["demo", "--seconds", "-1"],
        &["demo", "--poison", "2"],
        &["load", "--once"],
        &["load", "--export", "x.csv"],
        &["completions", "no-such-shell"],
        &["model", "check"],
    ] {
        let output = scorewire(&dir, args);
        assert_eq!(code(&output), 64, "{args:?}: {output:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert!(!stderr(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn help_goes_to_stdout_and_documents_the_exit_codes() {
    let dir = folder();
    for args in [&["--help"][..], &["run", "--help"], &["demo", "--help"], &["load", "--help"], &["config", "--help"]] {
        let output = scorewire(&dir, args);
        assert_eq!((code(&output), stderr(&output)), (0, ""), "{args:?}");
        for line in ["64  usage", "65  the model package", "75  the drain deadline", "78  bad configuration"] {
            assert!(stdout(&output).contains(line), "{args:?} lacks {line:?}: {}", stdout(&output));
        }
    }
    let help = scorewire(&dir, &["run", "--help"]);
    for twin in ["SCOREWIRE_CONFIG", "SCOREWIRE_UNTIL_END", "SCOREWIRE__KAFKA__BOOTSTRAP", "SCOREWIRE__SECTION__KEY"] {
        assert!(stdout(&help).contains(twin), "{twin} is missing: {}", stdout(&help));
    }
}

#[test]
fn the_exit_codes_in_the_help_are_all_there_are() {
    use scorewire::error::exit;
    let all = [
        exit::DONE,
        exit::FAILED,
        exit::USAGE,
        exit::MODEL,
        exit::UNAVAILABLE,
        exit::INTERNAL,
        exit::SYSTEM,
        exit::DELIVERY,
        exit::DRAIN,
        exit::CONFIG,
    ];
    let output = scorewire(&folder(), &["--help"]);
    let (_, table) = stdout(&output).split_once("Exit codes:").unwrap();
    let told: Vec<u8> = table.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(told, all);
}

#[test]
fn the_version_names_every_part() {
    let output = scorewire(&folder(), &["--version"]);
    assert_eq!(code(&output), 0);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[0], concat!("scorewire ", env!("CARGO_PKG_VERSION"), " (commit ", env!("SCOREWIRE_COMMIT"), ")"));
    assert!(lines[1].starts_with("librdkafka 2."), "{lines:?}");
    assert!(lines[2].starts_with("onnxruntime "), "{lines:?}");
}

#[test]
fn a_bad_configuration_exits_with_78_and_lists_all_problems_on_stderr() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.toml"), "[kafka]\nbootstrap = \"b\"\n[limit]\nx = 1\n").unwrap();
    for args in
        [&["config", "check", "-c", "bad.toml"][..], &["config", "show", "-c", "bad.toml"], &["run", "-c", "bad.toml"]]
    {
        let output = scorewire(&dir, args);
        assert_eq!((code(&output), stdout(&output)), (78, ""), "{args:?}: {output:?}");
        for part in [
            "has 4 problems",
            "bad.toml:3: limit: unknown key",
            "did you mean limits?",
            "kafka.group",
            "is not HOST:PORT",
        ] {
            assert!(stderr(&output).contains(part), "{args:?} lacks {part:?}: {}", stderr(&output));
        }
    }
    let output = scorewire(&dir, &["load", "--bootstrap", "b"]);
    assert_eq!(code(&output), 78, "{output:?}");
    let output = scorewire(&dir, &["config", "check", "--config", "absent.toml"]);
    assert_eq!(code(&output), 78, "{output:?}");
}

#[test]
fn what_init_writes_holds() {
    let dir = folder();
    let init = scorewire(&dir, &["config", "init", "--output", "scorewire.toml"]);
    assert_eq!((code(&init), stdout(&init)), (0, ""), "{init:?}");
    let check = scorewire(&dir, &["config", "check", "--config", "scorewire.toml"]);
    // The package that it names is looked at as well: the folder here is none.
    assert_eq!((code(&check), stdout(&check)), (65, ""), "{check:?}");
    assert!(stderr(&check).contains("model.toml: cannot be read"), "{check:?}");
    assert!(stderr(&check).contains("kafka.start_at is not given"), "{check:?}");

    let again = scorewire(&dir, &["config", "init", "--output", "scorewire.toml"]);
    assert_eq!(code(&again), 1, "an existing file is left alone: {again:?}");
    let printed = scorewire(&dir, &["config", "init"]);
    assert_eq!(stdout(&printed), *scorewire::config::REFERENCE);
}

#[test]
fn show_lays_flags_over_environment_over_file() {
    let dir = folder();
    let path = dir.path().join("scorewire.toml");
    std::fs::write(&path, scorewire::config::REFERENCE.as_str()).unwrap();
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.current_dir(dir.path()).env_clear();
    command.env("SCOREWIRE_CONFIG", &path);
    command.env("SCOREWIRE__KAFKA__GROUP", "from-env").env("SCOREWIRE__LANES__COUNT", "2");
    command.env("SCOREWIRE__KAFKA__PROPERTIES__SASL__PASSWORD", "c4n4ry");
    command.args([
        "config",
        "show",
        "--json",
        "--set",
        "limits.idle_wait_ms=7",
        "--set",
        "lanes.count=3",
        "--lanes",
        "1",
    ]);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["kafka"]["group"], "from-env");
    assert_eq!(json["lanes"]["count"], 1, "a named flag wins over --set");
    assert_eq!(json["limits"]["idle_wait_ms"], 7);
    assert_eq!(json["limits"]["batch_rows_max"], 512);
    assert_eq!(json["kafka"]["properties"]["sasl.password"], "***");
    assert!(!stdout(&output).contains("c4n4ry") && !stderr(&output).contains("c4n4ry"));
}

#[test]
fn no_broker_at_the_address_exits_with_69() {
    let dir = folder();
    // A port that was free a moment ago: nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let set = format!("127.0.0.1:{port}");
    let args = [
        "config",
        "check",
        "--connect",
        "--timeout",
        "1",
        "--bootstrap",
        &set,
        "--group",
        "g",
        "--package",
        "models/card-fraud-gbdt",
    ];
    let output = scorewire(&dir, &args);
    assert_eq!(code(&output), 69, "{output:?}");
    let said = format!("problem  no answer from Kafka at {set} (PLAINTEXT): broker {set}: nothing listens there");
    assert!(
        stdout(&output).contains(&said) && stdout(&output).contains("fix: check that the broker runs"),
        "{output:?}"
    );
    // The package is none either: both are told at once, Kafka last.
    let places = ["model.toml: cannot be read", "the cluster does not hold"].map(|part| stderr(&output).find(part));
    assert!(places[0].is_some() && places[0] < places[1], "{output:?}");
}

#[test]
fn completions_and_manual_name_the_commands() {
    let dir = folder();
    for shell in ["bash", "zsh", "fish"] {
        let output = scorewire(&dir, &["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("until-end") && stdout(&output).contains("completions"), "{shell}");
    }
    let page = scorewire(&dir, &["man"]);
    assert!(stdout(&page).starts_with(".ie") && stdout(&page).contains("Exit codes"), "{}", stdout(&page));
    assert_eq!(code(&scorewire(&dir, &["man", "--dir", "man"])), 0);
    for name in ["scorewire.1", "scorewire-run.1", "scorewire-config-check.1"] {
        assert!(Path::new(&dir.path().join("man").join(name)).is_file(), "{name}");
    }
}

/// A library that writes down, while it is opened, what it finds in its environment; then it turns out to be no ONNX Runtime.
fn witness(dir: &TempDir) -> PathBuf {
    let (source, library) = (dir.path().join("witness.c"), dir.path().join("witness.so"));
    let code = r#"
        #include <stdio.h>
        #include <stdlib.h>
        __attribute__((constructor)) static void opened(void) {
            const char *said = getenv("ORT_DISABLE_TELEMETRY");
            FILE *file = fopen("opened.txt", "w");
            if (file) { fputs(said ? said : "unset", file); fclose(file); }
        }
    "#;
    std::fs::write(&source, code).unwrap();
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.expect("a C compiler, which the build needs as well").success());
    library
}

/// The demo has the embedded broker's threads by then.
#[test]
fn telemetry_is_off_before_onnx_runtime_is_opened_and_before_there_are_threads() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt");
    for args in [&["--version"][..], &["demo", "--seconds", "1", "--package", package.to_str().unwrap()]] {
        let dir = folder();
        let mut command = Command::cargo_bin("scorewire").unwrap();
        command.current_dir(dir.path()).env_clear().env("ORT_DYLIB_PATH", witness(&dir)).args(args);
        let output = command.output().unwrap();
        let opened = std::fs::read_to_string(dir.path().join("opened.txt"));
        assert_eq!(opened.unwrap_or_else(|_| format!("never opened: {output:?}")), "1", "{args:?}");
    }
}
