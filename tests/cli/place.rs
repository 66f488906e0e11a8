//! A folder in which `scorewire model` is at work.

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::model_support::library;

/// A model and a schema in a folder of their own.
pub struct Place(TempDir);

impl Place {
    pub fn new(model: &[u8], schema: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::write(place.path("fraud.onnx"), model).unwrap();
        std::fs::write(place.path("payment.avsc"), schema).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn scorewire(&self, args: &[&str]) -> Output {
        let mut command = Command::cargo_bin("scorewire").unwrap();
        command.current_dir(self.0.path()).env_clear().env("SCOREWIRE_ONNXRUNTIME", library()).args(args);
        command.output().unwrap()
    }

    pub fn init(&self, more: &[&str]) -> Output {
        let args = ["model", "init", "--onnx", "fraud.onnx", "--schema", "payment.avsc"];
        self.scorewire(&[&args, more].concat())
    }

    #[track_caller]
    pub fn found(&self, more: &[&str]) -> Value {
        let output = self.init(&[&["--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Writes values in place of the marked ones, each the first of its key, and returns what stands there then.
    #[track_caller]
    pub fn decide(&self, dir: &str, decisions: &[(&str, &str)]) -> String {
        let mut manifest = self.manifest(dir);
        for (key, value) in decisions {
            let marked = |line: &&str| line.starts_with(key) && line.contains("? ");
            let line =
                manifest.lines().find(marked).unwrap_or_else(|| panic!("no mark for {key}: {manifest}")).to_owned();
            manifest = manifest.replacen(&line, value, 1);
        }
        std::fs::write(self.path(dir).join("model.toml"), &manifest).unwrap();
        manifest
    }

    pub fn manifest(&self, dir: &str) -> String {
        std::fs::read_to_string(self.path(dir).join("model.toml")).unwrap()
    }
}

pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Without the breaks that make it fit a terminal.
pub fn unwrapped(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}
