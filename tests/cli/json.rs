//! With a log in JSON, whatever a process says on stderr is JSON, line by line: why it does not start too, and why it ended.

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("package")).unwrap();
    dir
}

fn scorewire(dir: &TempDir, env: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.current_dir(dir.path()).env_clear().envs(env.iter().copied()).args(args).output().unwrap()
}

/// Its lines on stderr, each one JSON object with the names that the log's events have, after asserting its exit code.
#[track_caller]
fn told(output: &Output, code: i32) -> Vec<Value> {
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{output:?}");
    let text = std::str::from_utf8(&output.stderr).unwrap();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\nin:\n{text}"));
    let lines: Vec<Value> = text.lines().map(parse).collect();
    for line in &lines {
        for name in ["timestamp", "level", "message", "target"] {
            assert!(line[name].is_string(), "no {name} in {line}");
        }
    }
    lines
}

const ENV: (&str, &str) = ("SCOREWIRE__LOG__FORMAT", "json");
const WHOLE: &str =
    "[kafka]\nbootstrap = \"127.0.0.1:1\"\ngroup = \"g\"\nstart_at = \"earliest\"\n[model]\npackage = \"package\"\n";

#[test]
fn a_bad_configuration_is_one_line_wherever_the_format_is_said() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.toml"), "[kafka]\nbootstrap = \"b\"\n[limit]\nx = 1\n").unwrap();
    let in_file = "[kafka]\nbootstrap = \"b\"\n[limit]\nx = 1\n[log]\nformat = \"json\"\n";
    std::fs::write(dir.path().join("json.toml"), in_file).unwrap();
    for (env, args) in [
        (&[][..], &["run", "-c", "json.toml"][..]),
        (&[ENV], &["run", "-c", "bad.toml"]),
        (&[], &["run", "-c", "bad.toml", "--set", "log.format=json"]),
        (&[], &["load", "-c", "json.toml"]),
        (&[ENV], &["run", "-c", "absent.toml"]),
    ] {
        let lines = told(&scorewire(&dir, env, args), 78);
        assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
        assert_eq!((&lines[0]["level"], &lines[0]["code"]), (&"ERROR".into(), &78.into()), "{args:?}");
        let message = lines[0]["message"].as_str().unwrap();
        assert!(message.contains("problem") && message.contains("fix: "), "{args:?}: {message}");
    }
}

#[test]
fn what_ends_a_start_is_the_last_line() {
    let dir = folder();
    std::fs::write(dir.path().join("whole.toml"), WHOLE).unwrap();
    let lines = told(&scorewire(&dir, &[ENV], &["run", "-c", "whole.toml"]), 65);
    let last = lines.last().unwrap();
    assert_eq!((&last["level"], &last["code"]), (&"ERROR".into(), &65.into()), "{last}");
    assert!(last["message"].as_str().unwrap().contains("model.toml") && last["fix"].is_string(), "{last}");
}

#[test]
fn a_wrong_use_is_one_line_where_the_environment_says_the_format() {
    let dir = folder();
    let lines = told(&scorewire(&dir, &[ENV], &["run", "--no-such-flag"]), 64);
    assert_eq!((lines.len(), &lines[0]["code"]), (1, &64.into()), "{lines:?}");
    assert!(lines[0]["message"].as_str().unwrap().contains("--no-such-flag"), "{lines:?}");
}

#[test]
fn text_stays_text() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.toml"), "[kafka]\nbootstrap = \"b\"\n").unwrap();
    for (env, args, code) in [
        (&[][..], &["run", "-c", "bad.toml"][..], 78),
        (&[], &["run", "--no-such-flag"], 64),
        // Somebody reads it who may have set the format for the process that is going to run.
        (&[ENV], &["config", "check", "-c", "bad.toml"], 78),
    ] {
        let output = scorewire(&dir, env, args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = std::str::from_utf8(&output.stderr).unwrap();
        assert!(text.lines().count() > 1 && !text.starts_with('{'), "{args:?}: {text}");
    }
}
