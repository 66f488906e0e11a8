//! What `model init` found, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::Draft;
use crate::avro::feature::{Missing, Transform};
use crate::cli::table::table;
use crate::model::draft::{Column, RowsFrom, Source, texts_shown};
use crate::model::{Problem, ScoreColumn};
use crate::observe::terminal::wrapped;

/// `rows`: the records that were given.
pub fn text(draft: &Draft, (dir, rows): (&Path, Option<&Path>), left: &[Problem]) -> String {
    let mut text = table(head(draft));
    text.push_str("\nThe model's columns and what feeds them:\n");
    for (index, column) in draft.columns.iter().enumerate() {
        let start = format!("{index:>4}  {} ", column.name);
        text.push_str(&wrapped(&start, &column_in_words(draft, index, column), 8));
    }
    let warnings = warnings(&draft.columns);
    if !warnings.is_empty() {
        text.push_str("\nTo look at:\n");
    }
    for (warning, names) in warnings {
        text.push_str(&wrapped("  - ", &format!("{}: {warning}", names.join(", ")), 4));
    }
    let _ = writeln!(text, "\nWritten: {}", written(draft, dir));
    text.push_str("\nLeft to do:\n");
    for line in left_in_words(draft, dir, left) {
        text.push_str(&wrapped("  - ", &line, 4));
    }
    let records = rows.unwrap_or(Path::new("RECORDS.avro")).display();
    let _ = write!(
        text,
        "\nNext:\n  scorewire model check {0}\n  scorewire score --package {0} {records}\n",
        dir.display()
    );
    text
}

/// Each warning once, with the columns that it is about.
fn warnings(columns: &[Column]) -> Vec<(&str, Vec<&str>)> {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for (column, warning) in columns.iter().flat_map(|column| column.warnings.iter().map(move |text| (column, text))) {
        match told.iter_mut().find(|(text, _)| text == warning) {
            Some((_, names)) => names.push(&column.name),
            None => told.push((warning, vec![&column.name])),
        }
    }
    told
}

fn head(draft: &Draft) -> Vec<(&'static str, String)> {
    let (facts, score) = (&draft.model.facts, &draft.score);
    let exporter = if facts.exporter.is_empty() { "an exporter that does not say its name" } else { &facts.exporter };
    let named = match &draft.named {
        Some(named) => format!("named by {}", named.by),
        None => "nothing in the file names them: taken in the order of the schema's numbers".to_owned(),
    };
    let or_left = |value: &Result<String, String>, why: &str| match value {
        Ok(value) => format!("{value}: {why}"),
        Err(why) => format!("not decided: {why}"),
    };
    let column = match &score.column {
        // The reason says it.
        Ok(ScoreColumn::Unsaid) => score.column_why.clone(),
        Ok(ScoreColumn::Index(index)) => format!("column {index}: {}", score.column_why),
        Ok(ScoreColumn::Class(class)) => format!("class {class}: {}", score.column_why),
        Err(why) => format!("not decided: {why}"),
    };
    let found = |found: &Option<(String, String)>, nothing: &str| match found {
        Some((path, why)) => format!("{path}: {why}"),
        None => nothing.to_owned(),
    };
    let rows = match (&draft.seen, draft.rows_from) {
        (Some(seen), _) => {
            let rejected = match (seen.rejected, seen.first_reject) {
                (0, _) | (_, None) => String::new(),
                (many, Some(first)) => format!(", {many} would be dead letters (the first one: {})", first.reason()),
            };
            format!("{} records{rejected}", seen.records)
        }
        (None, _) => "none (--rows)".to_owned(),
    };
    let lacking = score.lacking.as_ref().map(|(key, why)| ("", format!("{key} is not decided: {why}")));
    let mut lines = vec![
        ("model", format!("by {exporter}, sha256 {}", draft.model.sha256)),
        ("columns", format!("{}, {named}", draft.columns.len())),
        ("score", or_left(&score.tensor, &score.tensor_why)),
        ("", if score.tensor.is_ok() { column } else { "its column is open too".to_owned() }),
    ];
    lines.extend(lacking);
    lines.extend([
        ("id", found(&draft.transaction.id, "no field looks like one")),
        ("event time", found(&draft.transaction.event_time, "no field looks like one")),
        ("records", rows),
    ]);
    lines
}

fn column_in_words(draft: &Draft, index: usize, column: &Column) -> String {
    let mut words = match &column.source {
        Source::Field(field, how) => format!("<- {} ({}), {how}", field.path, field.type_name),
        Source::Undecided(why) => format!("? {why}"),
    };
    match &column.transform {
        Ok(Transform::Equals(symbol)) => {
            let _ = write!(words, "; 1 where it is {symbol}");
        }
        Ok(Transform::Index { symbols, .. }) => {
            let _ = write!(words, "; {}: {}", texts_shown(symbols), column.transform_why);
        }
        Err(_) if column.takes.is_text() => words.push_str("; ? which texts the model knows"),
        Err(_) => words.push_str("; ? which number stands for which text"),
        Ok(_) => {}
    }
    if column.missing.is_some() {
        let _ = write!(words, "; missing: {}, {}", missing(column), column.missing_why);
    }
    let range = draft.seen.as_ref().and_then(|seen| Some((seen.ranges.get(index).copied().flatten()?, seen.records)));
    if let Some((range, records)) = range.filter(|(range, _)| range.smallest <= range.largest) {
        let _ = write!(words, "; {}", range.values(column));
        if range.missing > 0 {
            let _ = write!(words, ", missing in {:.1} %", 100.0 * range.missing as f64 / records.max(1) as f64);
        }
    }
    words
}

fn missing(column: &Column) -> String {
    match column.missing {
        None => "never".to_owned(),
        Some(Missing::Nan) => "NaN".to_owned(),
        Some(Missing::Reject) => "a dead letter".to_owned(),
        Some(Missing::Constant(value)) => value.to_string(),
    }
}

fn written(draft: &Draft, dir: &Path) -> String {
    let golden = if draft.golden.is_some() { ", golden.csv" } else { "" };
    format!("{}: model.toml, model.onnx, transaction.avsc{golden}, README.md", dir.display())
}

fn left_in_words(draft: &Draft, dir: &Path, left: &[Problem]) -> Vec<String> {
    let mut lines: Vec<String> =
        left.iter().map(|Problem { place, what, fix }| format!("model.toml: {place} {what}; {fix}")).collect();
    lines.push(format!(
        "model.toml: set thresholds (review {:?}, decline {:?} are proposed: {})",
        draft.thresholds.review, draft.thresholds.decline, draft.thresholds.why
    ));
    let rows = match (draft.golden.is_some(), draft.rows_from) {
        (false, _) => {
            "golden.csv is not written, since no score is known: when the output is decided, scorewire model update makes it"
        }
        (true, RowsFrom::Records) => {
            "golden.csv was scored by ONNX Runtime here, on rows of the records: it shows that nothing changes"
        }
        (true, RowsFrom::RecordsInPart) => {
            "golden.csv was scored by ONNX Runtime here, on rows of the records, with drawn values for undecided columns: it shows \
             that nothing changes"
        }
        (true, RowsFrom::Draw) => {
            "golden.csv was scored by ONNX Runtime here, on drawn rows: it shows that nothing changes"
        }
    };
    lines.push(format!(
        "{rows}. What the training library itself scored proves that the model answers as it did there: scorewire model update {} \
         --golden-rows FILE --made-by WHO",
        dir.display()
    ));
    lines.push(
        "golden records, which prove that a record becomes the features of the training (docs/golden-records.md): scorewire model \
         update takes them too"
            .to_owned(),
    );
    lines
}

pub fn json(draft: &Draft, dir: &Path, left: &[Problem]) -> Value {
    let column = |(index, column): (usize, &Column)| {
        let range = draft.seen.as_ref().and_then(|seen| seen.ranges.get(index).copied().flatten());
        let range = range.filter(|range| range.smallest <= range.largest);
        json!({
            "column": index,
            "name": column.name,
            "input": column.takes.input,
            "takes": column.takes.kind(),
            "path": column.field().map(|field| field.path.as_str()),
            "type": column.field().map(|field| field.type_name.as_str()),
            "nullable": column.field().map(|field| field.is_nullable),
            "how": match &column.source {
                Source::Field(_, how) => how.to_string(),
                Source::Undecided(why) => why.clone(),
            },
            "transform": match &column.transform {
                Ok(Transform::Equals(symbol)) => json!({ "equals": symbol }),
                Ok(Transform::Index { symbols, otherwise }) => json!({ "index": symbols, "otherwise": otherwise }),
                Ok(_) => "number".into(),
                Err(_) => Value::Null,
            },
            "transform_why": Some(&column.transform_why).filter(|why| !why.is_empty()),
            "missing": column.missing.is_some().then(|| missing(column)),
            "missing_why": column.missing.is_some().then_some(&column.missing_why),
            "smallest": range.map(|range| range.smallest),
            "largest": range.map(|range| range.largest),
            "missing_records": range.map(|range| range.missing),
            "warnings": column.warnings,
        })
    };
    let problem = |problem: &Problem| json!({ "place": problem.place, "what": problem.what, "fix": problem.fix });
    let score = &draft.score;
    json!({
        "package": dir.display().to_string(),
        "sha256": draft.model.sha256,
        "exporter": draft.model.facts.exporter,
        "named_by": draft.named.as_ref().map(|named| &named.by),
        "fields": draft.fields.len(),
        "columns": draft.columns.iter().enumerate().map(column).collect::<Vec<_>>(),
        "output": {
            "tensor": score.tensor.as_ref().ok(),
            "why": score.tensor.as_ref().err().unwrap_or(&score.tensor_why),
            "column": match &score.column {
                Ok(ScoreColumn::Unsaid) | Err(_) => Value::Null,
                Ok(ScoreColumn::Index(index)) => (*index).into(),
                Ok(ScoreColumn::Class(class)) => json!({ "class": super::super::check::class(class) }),
            },
            "column_why": score.column.as_ref().err().unwrap_or(&score.column_why),
            "lacking": score.lacking.as_ref().map(|(key, why)| json!({ "key": key, "why": why })),
        },
        "id": draft.transaction.id.as_ref().map(|(path, _)| path),
        "event_time": draft.transaction.event_time.as_ref().map(|(path, _)| path),
        "records": draft.seen.as_ref().map(|seen| seen.records),
        "records_rejected": draft.seen.as_ref().map(|seen| seen.rejected),
        "golden_rows": draft.golden.is_some(),
        "undecided": left.iter().map(problem).collect::<Vec<_>>(),
    })
}
