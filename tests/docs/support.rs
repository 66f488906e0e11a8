//! The pages of the repository as a reader takes them: blocks of code, commands, and a Python to run what is Python.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One page.
pub struct Page {
    /// Relative to the repository.
    pub path: PathBuf,
    pub text: String,
}

impl Page {
    pub fn read(path: &str) -> Page {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Page { path: path.into(), text }
    }

    /// README.md, docs/ and the other pages for readers.
    pub fn all() -> Vec<Page> {
        let mut paths: Vec<String> = ["README.md", "CHANGELOG.md"].map(str::to_owned).to_vec();
        for folder in ["docs", "benches", "tests"] {
            let entries = std::fs::read_dir(root().join(folder)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            paths.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
        }
        paths.sort();
        paths.iter().map(|path| Page::read(path)).collect()
    }

    /// Those that tell how the program is used as it is now: the others also quote what once was.
    pub fn guides() -> Vec<Page> {
        let is_guide = |page: &Page| page.path == Path::new("README.md") || page.path.starts_with("docs");
        Page::all().into_iter().filter(is_guide).collect()
    }

    /// The page's blocks of code in one language, in order.
    pub fn blocks(&self, language: &str) -> Vec<&str> {
        blocks(&self.text, language)
    }
}

/// A text's blocks of code in one language, in order.
pub fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The reader's schema of the payment that the pages score.
pub const SCHEMA: &str = r#"{"type": "record", "name": "Payment", "fields": [
    {"name": "id", "type": "string"},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "country", "type": "string"},
    {"name": "entry_mode", "type": ["null", {"type": "enum", "name": "EntryMode", "symbols": ["CHIP", "STORED"]}]},
    {"name": "device", "type": ["null", {"type": "record", "name": "Device", "fields": [
        {"name": "age_days", "type": ["null", "int"]}]}]}]}"#;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The interpreter that scripts/test names; without one the test is left out, and says so.
pub fn python() -> Option<String> {
    let python = std::env::var("SCOREWIRE_TEST_PYTHON").ok();
    if python.is_none() {
        let how = "set SCOREWIRE_TEST_PYTHON to a Python with the packages of scripts/faults.d/requirements.txt, or run \
                   scripts/test";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "nothing may be left out: {how}");
        // Past the test harness's capture, which would hide what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python for what the pages show ({how})");
    }
    python
}

/// The interpreter of the long tests, with the packages of scripts/train.d/requirements.txt.
pub fn training_python() -> PathBuf {
    let pinned = root().join("target/long/venv/bin/python");
    std::env::var_os("SCOREWIRE_TEST_TRAINING_PYTHON").map_or(pinned, PathBuf::from)
}
