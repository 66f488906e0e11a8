//! docs/golden-records.md as a reader takes it: its Python runs, what it writes is accepted with the contract beside it,
//! and is refused with another. Needs Python with the packages that it imports.

mod model_support;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use model_support::{Draft, SteppingClock, settings};
use scorewire::error::Fatal;
use scorewire::model::{MANIFEST, Model, prepare};

const PAGE: &str = include_str!("../docs/golden-records.md");

/// The reader's schema: the page's own, in which the writer has one.
const SCHEMA: &str = r#"{"type": "record", "name": "Payment", "fields": [
    {"name": "id", "type": "string"},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "country", "type": "string"},
    {"name": "entry_mode", "type": ["null", {"type": "enum", "name": "EntryMode", "symbols": ["CHIP", "STORED"]}]},
    {"name": "device", "type": ["null", {"type": "record", "name": "Device", "fields": [
        {"name": "age_days", "type": ["null", "int"]}]}]}]}"#;

/// The page's blocks of code in one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The interpreter that scripts/test names; without one the test is left out, and says so.
fn python() -> Option<String> {
    let python = std::env::var("SCOREWIRE_TEST_PYTHON").ok();
    if python.is_none() {
        let how = "set SCOREWIRE_TEST_PYTHON to a Python with fastavro, numpy and onnxruntime, or run scripts/test";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "nothing may be left out: {how}");
        // Past the test harness's capture, which would hide what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python for docs/golden-records.md ({how})");
    }
    python
}

fn load(package: &Path) -> Result<Model, Fatal> {
    prepare(package, &settings(), &SteppingClock::new(1_000))
}

#[test]
fn the_pages_python_writes_golden_records_that_hold_with_its_contract_and_with_no_other() {
    let Some(python) = python() else { return };
    let (toml, script) = (blocks("toml"), blocks("python"));
    let ([golden, features], [script]) = (&toml[..], &script[..]) else { panic!("other blocks than these") };
    // The model of four columns around which the page's example is built.
    let draft = Draft::new("trees", "probabilities", Some(1)).edit(
        "golden.csv",
        "a,b,c,d",
        "amount,country,entry_mode,device_age_days",
    );
    let package = draft.path().to_owned();
    let head = &draft.manifest[..draft.manifest.find("[golden]").unwrap()];
    std::fs::write(package.join(MANIFEST), format!("{head}{golden}\n{features}")).unwrap();
    std::fs::write(package.join("transaction.avsc"), SCHEMA).unwrap();

    let output = Command::new(python).args(["-B", "-c", script]).arg(&package).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let model = load(&package).unwrap_or_else(|fatal| panic!("{fatal}"));
    assert_eq!((model.package.golden_records_checked(), &model.report.warnings[..]), (5, &[][..]));
    let records = model.package.golden_records.as_ref().unwrap();
    assert_eq!(records.unreached(&model.package.wanted.features), Vec::<String>::new());

    let wrong = [
        (
            r#"["DE", "FR", "NL", "GB"]"#,
            r#"["FR", "DE", "NL", "GB"]"#,
            "feature `country` (country): expected 0, got 1 (2 of 5",
        ),
        (
            "otherwise = -1.0 }\n\n[[features]]\nname = \"entry",
            "otherwise = 4.0 }\n\n[[features]]\nname = \"entry",
            "expected -1, got 4 (1 of 5",
        ),
        ("missing = \"nan\"", "missing = { constant = 0.0 }", "expected NaN, got 0 (2 of 5"),
    ];
    for (from, to, told) in wrong {
        assert!(features.contains(from), "{from:?} is not in the page");
        std::fs::write(package.join(MANIFEST), format!("{head}{golden}\n{}", features.replacen(from, to, 1))).unwrap();
        let fatal = load(&package).err().unwrap_or_else(|| panic!("accepted: {to}"));
        assert!(fatal.what.contains(told), "{told:?} is not in: {fatal}");
    }
}
