//! Packages as the pages show them: the one of the README holds; the Python of docs/golden-records.md runs, what it writes is
//! accepted with the contract beside it, and is refused with another. Needs Python with the packages that it imports.

use std::path::Path;
use std::process::Command;

use crate::model_support::{Draft, SteppingClock, settings};
use crate::support::{Page, SCHEMA, python};
use scorewire::error::Fatal;
use scorewire::model::{MANIFEST, Model, prepare};

fn load(package: &Path) -> Result<Model, Fatal> {
    prepare(package, &settings(), &SteppingClock::new(1_000))
}

/// The model of four columns around which the pages' example is built.
fn draft() -> Draft {
    Draft::new("trees", "probabilities", Some(1)).edit(
        "golden.csv",
        "a,b,c,d",
        "amount,country,entry_mode,device_age_days",
    )
}

#[test]
fn the_readmes_package_holds() {
    let page = Page::read("README.md");
    let shown = page.blocks("toml").into_iter().find(|block| block.starts_with("format = ")).expect("a package");
    let draft = draft();
    let (_, rest) = draft.manifest.split_once("sha256 = \"").unwrap();
    let (sha256, _) = rest.split_once('"').unwrap();
    let manifest = shown.replace("SHA256SUM OF model.onnx", sha256);
    assert_ne!(manifest, shown);
    let package = draft.path().to_owned();
    std::fs::write(package.join(MANIFEST), manifest).unwrap();
    std::fs::write(package.join("transaction.avsc"), SCHEMA).unwrap();
    let model = load(&package).unwrap_or_else(|fatal| panic!("{fatal}"));
    let names: Vec<&str> = model.package.wanted.features.iter().map(|feature| &feature.name[..]).collect();
    assert_eq!(names, ["amount", "country", "entry_mode", "device_age_days"]);
}

#[test]
fn the_pages_python_writes_golden_records_that_hold_with_its_contract_and_with_no_other() {
    let Some(python) = python() else { return };
    let page = Page::read("docs/golden-records.md");
    let (toml, script) = (page.blocks("toml"), page.blocks("python"));
    let ([golden, features], [script]) = (&toml[..], &script[..]) else { panic!("other blocks than these") };
    let draft = draft();
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
