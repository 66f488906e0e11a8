//! Packages around the small models of `tests/data`, written into a temporary folder and spoiled on purpose.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod onnx;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use scorewire::doors::Clock;
use scorewire::error::Fatal;
use scorewire::model::{MANIFEST, Model, ModelSettings, prepare};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// What `scripts/train forms` made: a folder for each form that exporters write.
pub fn forms() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/forms");
    let made = std::fs::read_to_string(folder.join("made")).expect("scripts/train forms makes them");
    let mut forms: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    forms.sort();
    assert_eq!(forms.len().to_string(), made.trim());
    forms
}

/// ONNX Runtime for the tests. They never pass without it.
pub fn library() -> PathBuf {
    let file = "libonnxruntime.so.1.28.0";
    let fetched = format!("target/onnxruntime/1.28.0-{}/{file}", std::env::consts::ARCH);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(fetched);
    let path = std::env::var_os("SCOREWIRE_TEST_ORT").map_or(fetched, PathBuf::from);
    assert!(path.is_file(), "no ONNX Runtime at {}: run scripts/onnxruntime", path.display());
    path
}

/// Time that only moves when asked: a step for each look at it.
pub struct SteppingClock {
    now: AtomicU64,
    step_ns: u64,
}

impl SteppingClock {
    pub fn new(step_ns: u64) -> SteppingClock {
        SteppingClock { now: AtomicU64::new(0), step_ns }
    }
}

impl Clock for SteppingClock {
    fn now_ns(&self) -> u64 {
        self.now.fetch_add(self.step_ns, Ordering::Relaxed)
    }

    fn wall_us(&self) -> i64 {
        0
    }
}

/// A package under construction.
pub struct Draft {
    pub dir: TempDir,
    pub manifest: String,
}

impl Draft {
    /// A package around `tests/data/MODEL.onnx` that holds.
    pub fn new(model: &str, output: &str, column: Option<usize>) -> Draft {
        let dir = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(data(&format!("{model}.onnx"))).unwrap();
        std::fs::write(dir.path().join("model.onnx"), &bytes).unwrap();
        // Models that are refused before they answer have no rows of their own.
        let golden = Some(data(&format!("{model}.csv"))).filter(|path| path.exists());
        std::fs::copy(golden.unwrap_or_else(|| data("mlp.csv")), dir.path().join("golden.csv")).unwrap();
        std::fs::write(dir.path().join("transaction.avsc"), schema()).unwrap();
        let column = column.map(|column| format!("column = {column}\n")).unwrap_or_default();
        let manifest = format!(
            "format = 1\n\n[model]\nname = \"test-{model}\"\nversion = \"1.0.0\"\nfile = \"model.onnx\"\n\
             sha256 = \"{}\"\n\n[input]\ntensor = \"input\"\n\n[output]\ntensor = \"{output}\"\n{column}\n\
             [transaction]\nschema = \"transaction.avsc\"\nid = \"id\"\n\n\
             [thresholds]\nversion = \"2026-11-01\"\nreview = 0.2\ndecline = 0.8\n\n\
             [golden]\nfile = \"golden.csv\"\ntolerance = 1e-6\n{}",
            sha256(&bytes),
            ["a", "b", "c", "d"].map(feature).concat()
        );
        Draft { dir, manifest }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces a piece of the manifest that must be there.
    pub fn replace(mut self, from: &str, to: &str) -> Draft {
        assert!(self.manifest.contains(from), "{from:?} is not in the manifest");
        self.manifest = self.manifest.replacen(from, to, 1);
        self
    }

    /// Replaces a piece of another file of the package.
    pub fn edit(self, file: &str, from: &str, to: &str) -> Draft {
        let path = self.dir.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        self
    }

    pub fn write(self) -> Draft {
        std::fs::write(self.dir.path().join(MANIFEST), &self.manifest).unwrap();
        self
    }

    pub fn prepare(self, settings: &ModelSettings) -> Result<Model, Fatal> {
        let draft = self.write();
        prepare(draft.path(), settings, &SteppingClock::new(1_000))
    }

    /// The error that this package must give.
    pub fn refused(self) -> Fatal {
        match self.prepare(&settings()) {
            Ok(model) => panic!("{} was accepted", model.package.name),
            Err(fatal) => fatal,
        }
    }
}

/// Small batches: these tests look at answers, not at speed.
pub fn settings() -> ModelSettings {
    let mut settings = ModelSettings { onnxruntime: Some(library()), ..ModelSettings::default() };
    settings.probe.rows_max = 40;
    settings
}

pub fn feature(name: &str) -> String {
    format!("\n[[features]]\nname = \"{name}\"\npath = \"{name}\"\nmissing = \"nan\"\n")
}

fn schema() -> String {
    let fields = ["a", "b", "c", "d"].map(|name| format!(r#"{{"name": "{name}", "type": ["null", "double"]}}"#));
    let fields = fields.join(", ");
    format!(r#"{{"type": "record", "name": "T", "fields": [{{"name": "id", "type": "long"}}, {fields}]}}"#)
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
