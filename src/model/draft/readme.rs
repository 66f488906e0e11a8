//! The package's README: facts about the model, for whoever meets the folder later.

use std::fmt::Write as _;

use crate::avro::feature::{Missing, Transform};
use crate::model::draft::column::{Column, Source};
use crate::model::draft::manifest::Manifest;

/// The text.
pub fn readme(manifest: &Manifest<'_>) -> String {
    let (model, mut text) = (manifest.model, format!("# {}\n\n", manifest.name));
    let facts = &model.facts;
    let [onnx, schema] = manifest.origins;
    let _ = writeln!(
        text,
        "A model package of scorewire, drafted by `scorewire model init` from `{onnx}` and `{schema}`. What is decided stands in \
         `model.toml`; the facts below are those of the model's file.\n"
    );
    text.push_str("| of the model | |\n| :- | :- |\n");
    let exporter = if facts.exporter.is_empty() { "does not say" } else { &facts.exporter };
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|").replace('\n', " "));
    };
    row("sha256", &model.sha256);
    row("exporter", exporter);
    row("opsets", &facts.opsets_in_words());
    let outlet = |outlet: &crate::model::outlets::Outlet| format!("`{}`: {}", outlet.name, outlet.describe());
    row("inputs", &facts.inputs.iter().map(outlet).collect::<Vec<_>>().join("; "));
    row("outputs", &facts.outputs.iter().map(outlet).collect::<Vec<_>>().join("; "));
    row("operators", &facts.operators_in_words());
    if model.trees.trees > 0 {
        let trees = &model.trees;
        row("trees", &format!("{}, with {} splits and {} leaves", trees.trees, trees.splits, trees.leaves));
    }
    let named_by = manifest.named_by.unwrap_or("nobody: they stand in the order of the schema's numbers");
    let _ = writeln!(text, "\nThe columns were named by {named_by}.\n");
    text.push_str("| column | feature | field | type | missing |\n| :- | :- | :- | :- | :- |\n");
    for (index, column) in manifest.columns.iter().enumerate() {
        let (field, kind) = match &column.source {
            Source::Field(field, _) => (format!("`{}`", field.path), field.type_name.clone()),
            Source::Undecided(_) => ("undecided".to_owned(), String::new()),
        };
        let _ = writeln!(
            text,
            "| {index} | `{}` | {field}{} | {kind} | {} |",
            column.name,
            transform(column),
            missing(column)
        );
    }
    text
}

fn transform(column: &Column) -> String {
    match &column.transform {
        Ok(Transform::Equals(symbol)) => format!(" = {symbol}"),
        Ok(Transform::Index { symbols, .. }) => format!(", {} texts", symbols.len()),
        _ => String::new(),
    }
}

/// What a missing value of a column becomes.
pub(super) fn missing(column: &Column) -> String {
    match column.missing {
        None => "never".to_owned(),
        Some(Missing::Nan) => "NaN".to_owned(),
        Some(Missing::Reject) => "dead letter".to_owned(),
        Some(Missing::Constant(value)) => value.to_string(),
    }
}
