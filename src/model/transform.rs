//! A feature's transform, as `model.toml` has it.

use std::collections::BTreeSet;

use toml::Value;

use crate::avro::transform::Transform;
use crate::model::problem::Problems;
use crate::model::section::Section;

/// Those with something to say beside their name are tables, known by that key.
pub fn read_transform(value: &Value, place: &str, problems: &mut Problems) -> Option<Transform> {
    match value {
        Value::String(text) if text == "number" => Some(Transform::Number),
        Value::String(text) if text == "is_present" => Some(Transform::IsPresent),
        Value::Table(table) if table.contains_key("equals") => {
            let mut section = Section::new(table, place);
            let symbol = section.text("equals", "the text to compare with", problems);
            section.finish(problems);
            symbol.map(Transform::Equals)
        }
        // Last: what else is a table is told as a slip in this one.
        Value::Table(table) => {
            let mut section = Section::new(table, place);
            let symbols = read_symbols(&mut section, "index", problems);
            let otherwise = match table.contains_key("otherwise") {
                true => section.single("otherwise", problems).map(Some),
                false => section.get("otherwise").map_or(Some(None), |_| None),
            };
            section.finish(problems);
            Some(Transform::Index { symbols: symbols?, otherwise: otherwise? })
        }
        _ => {
            let [others @ .., last] = Transform::SPELLINGS;
            problems.add(place, format!("is {value}"), format!("write {} or {last}", others.join(", ")));
            None
        }
    }
}

/// Texts, each of them once.
fn read_symbols(section: &mut Section<'_>, key: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
    let texts = section
        .get(key)
        .and_then(Value::as_array)
        .and_then(|list| list.iter().map(|symbol| symbol.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>());
    let symbols = texts.filter(|symbols| !symbols.is_empty());
    match &symbols {
        None => {
            let fix = format!("list the symbols: {{ {key} = [\"A\", \"B\"] }}");
            problems.add(section.place(key), "is not a list of texts", fix);
        }
        Some(symbols) if symbols.iter().collect::<BTreeSet<_>>().len() < symbols.len() => {
            problems.add(section.place(key), "names a symbol twice", "a symbol has one place in the list");
        }
        Some(_) => {}
    }
    symbols
}
