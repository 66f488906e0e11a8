//! `scorewire model init` on a model of each form that exporters write (`scripts/train forms`): pipelines of scikit-learn with
//! texts among them. What it leaves to a person is the output alone, and with that written the scores are Python's.

use std::path::Path;

use serde_json::Value;

use crate::model_support::forms;
use crate::place::Place;

/// A manifest's section, with its head.
fn output_section(manifest: &str) -> &str {
    let start = manifest.find("[output]").unwrap();
    let end = manifest[start..].find("\n[transaction]").unwrap();
    &manifest[start..start + end]
}

/// Drafts one form's package, and answers its line of the table.
fn check(form: &Path) -> String {
    let name = form.file_name().unwrap().to_str().unwrap();
    let text = |file: &str| std::fs::read_to_string(form.join(file)).unwrap();
    let place = Place::new(&std::fs::read(form.join("model.onnx")).unwrap(), &text("record.avsc"));
    let golden = text("golden.csv");
    let columns = golden.lines().next().unwrap().trim_end_matches(",score");
    // Inputs that are columns have names of their own.
    let about: Value = serde_json::from_str(&text("form.json")).unwrap();
    let is_named = about["form"].as_str().unwrap().contains("one tensor per column");
    let features = if is_named { vec![] } else { vec!["--features", columns] };
    let found = place.found(&[&features[..], &["drafted"]].concat());
    let undecided: Vec<&str> =
        found["undecided"].as_array().unwrap().iter().map(|left| left["place"].as_str().unwrap()).collect();
    assert!(undecided.iter().all(|place| place.starts_with("output.")), "{name}: {found}");
    let given = if undecided.is_empty() { "drafted".to_owned() } else { format!("left: {}", undecided.join(", ")) };
    // What is made of answers that could be probabilities as they are is a person's word too.
    if !undecided.is_empty() || about["plain"] == false {
        let manifest = place.manifest("drafted");
        let own = text("model.toml");
        let decided = manifest.replacen(output_section(&manifest), output_section(&own), 1);
        std::fs::write(place.path("drafted/model.toml"), decided).unwrap();
    }
    let rows = form.join("golden.csv");
    let made_by = ["--made-by", "Python's ONNX Runtime"];
    let update = ["model", "update", "drafted", "--golden-rows", rows.to_str().unwrap()];
    let output = place.scorewire(&[&update[..], &made_by].concat());
    assert_eq!(output.status.code(), Some(0), "{name}: {output:?}\n{}", place.manifest("drafted"));
    let output = place.scorewire(&["model", "check", "drafted"]);
    assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
    format!("| {name} | {} | {given} |", about["form"].as_str().unwrap())
}

#[test]
#[ignore = "needs the exporters of scripts/train forms: scripts/test --long"]
fn every_form_is_drafted_up_to_its_output_and_scores_as_python_does() {
    let forms = forms();
    println!("| form | what | model init |\n|---|---|---|");
    forms.iter().for_each(|form| println!("{}", check(form)));
}
