//! A feature's transform, and the steps behind it, as `model.toml` has them.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::avro::step::Step;
use crate::avro::transform::Transform;
use crate::model::problem::Problems;
use crate::model::section::Section;

/// Those with something to say beside their name are tables, known by that key.
pub fn read_transform(value: &Value, place: &str, problems: &mut Problems) -> Option<Transform> {
    match value {
        Value::String(text) if text == "number" => Some(Transform::Number),
        Value::String(text) if text == "is_present" => Some(Transform::IsPresent),
        Value::String(text) if text == "length" => Some(Transform::Length),
        Value::Table(table) => read_table(table, place, problems),
        _ => {
            let [others @ .., last] = Transform::SPELLINGS;
            problems.add(place, format!("is {value}"), format!("write {} or {last}", others.join(", ")));
            None
        }
    }
}

fn read_table(table: &Table, place: &str, problems: &mut Problems) -> Option<Transform> {
    let mut section = Section::new(table, place);
    const OF_TEXT: [&str; 4] = ["index", "otherwise", "equals", "is_in"];
    const NAMES: [&str; 6] = ["key", "contains", "hour", "weekday", "ratio_to", "difference_from"];
    let read = match NAMES.into_iter().find(|key| table.contains_key(*key)) {
        Some("key") => {
            let key = section.text("key", "the map's key", problems);
            // Without a word of a text, its value is a number.
            let of = match OF_TEXT.into_iter().any(|key| table.contains_key(key)) {
                true => read_of_text(table, &mut section, problems),
                false => {
                    OF_TEXT.into_iter().for_each(|key| section.ask(key));
                    Some(Transform::Number)
                }
            };
            key.zip(of).map(|(key, of)| Transform::Key { key, of: Box::new(of) })
        }
        Some("contains") => section.text("contains", "the text to look for", problems).map(Transform::Contains),
        Some("hour") => section.text("hour", ZONE, problems).map(Transform::Hour),
        Some("weekday") => section.text("weekday", ZONE, problems).map(Transform::Weekday),
        Some("ratio_to") => section.text("ratio_to", "the path to divide by", problems).map(Transform::RatioTo),
        Some(_) => section.text("difference_from", "the path to subtract", problems).map(Transform::DifferenceFrom),
        None if table.contains_key("one_hot") => {
            let symbols = read_symbols(&mut section, "one_hot", problems);
            let rejects_others = read_handle_unknown(&mut section, problems);
            symbols.zip(rejects_others).map(|(symbols, rejects_others)| Transform::OneHot {
                symbols,
                place: 0,
                rejects_others,
            })
        }
        None => read_of_text(table, &mut section, problems),
    };
    section.finish(problems);
    read
}

const ZONE: &str = "a time zone, such as \"Europe/Berlin\" or \"UTC\"";

/// What a text means. The arm for `index` is the last: what else is a table is told as a slip in this one.
fn read_of_text(table: &Table, section: &mut Section<'_>, problems: &mut Problems) -> Option<Transform> {
    if table.contains_key("equals") {
        return section.text("equals", "the text to compare with", problems).map(Transform::Equals);
    }
    if table.contains_key("is_in") {
        return read_symbols(section, "is_in", problems).map(Transform::IsIn);
    }
    let symbols = read_symbols(section, "index", problems);
    let otherwise = match table.contains_key("otherwise") {
        true => section.single("otherwise", problems).map(Some),
        false => section.get("otherwise").map_or(Some(None), |_| None),
    };
    Some(Transform::Index { symbols: symbols?, otherwise: otherwise? })
}

/// Whether what is not in the list is rejected: scikit-learn's words, and its default.
fn read_handle_unknown(section: &mut Section<'_>, problems: &mut Problems) -> Option<bool> {
    match section.get("handle_unknown") {
        None => Some(true),
        Some(Value::String(text)) if text == "error" => Some(true),
        Some(Value::String(text)) if text == "ignore" => Some(false),
        Some(other) => {
            let fix = "write \"error\" (a dead letter) or \"ignore\" (0 in all its columns)";
            problems.add(section.place("handle_unknown"), format!("is {other}"), fix);
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

/// The list `then` of a feature; empty where it is left out.
pub fn read_steps(section: &mut Section<'_>, problems: &mut Problems) -> Option<Vec<Step>> {
    let place = section.place("then");
    match section.get("then") {
        None => Some(Vec::new()),
        Some(Value::Array(list)) => {
            let steps = list.iter().enumerate();
            let steps: Vec<_> =
                steps.map(|(at, value)| read_step(value, &format!("{place}[{at}]"), problems)).collect();
            steps.into_iter().collect()
        }
        Some(other) => {
            problems.add(place, format!("is {other}"), "write a list of steps, such as then = [\"log1p\"]");
            None
        }
    }
}

fn read_step(value: &Value, place: &str, problems: &mut Problems) -> Option<Step> {
    match value {
        Value::String(text) if text == "log1p" => Some(Step::Log1p),
        Value::Table(table) if table.contains_key("clip") => {
            let mut section = Section::new(table, place);
            let clip = read_clip(&mut section, problems);
            section.finish(problems);
            clip
        }
        Value::Table(table) if table.contains_key("mean") => {
            let mut section = Section::new(table, place);
            let mean = section.number("mean", "the training's mean", problems);
            let scale = section.number("scale", "the training's scale, such as a standard deviation", problems);
            let scale = scale.filter(|scale| {
                if *scale == 0.0 {
                    problems.add(section.place("scale"), "is 0, and it divides", "write the training's scale_");
                }
                *scale != 0.0
            });
            section.finish(problems);
            mean.zip(scale).map(|(mean, scale)| Step::Standard { mean, scale })
        }
        Value::Table(table) if table.contains_key("scale") || table.contains_key("offset") => {
            let mut section = Section::new(table, place);
            let scale = section.number("scale", "the number to multiply by", problems);
            let offset = match table.contains_key("offset") {
                true => section.number("offset", "the number to subtract before", problems),
                false => section.get("offset").map_or(Some(0.0), |_| None),
            };
            section.finish(problems);
            scale.zip(offset).map(|(scale, offset)| Step::Scale { offset, scale })
        }
        _ => {
            let [others @ .., last] = Step::SPELLINGS;
            problems.add(place, format!("is {value}"), format!("write {} or {last}", others.join(", ")));
            None
        }
    }
}

fn read_clip(section: &mut Section<'_>, problems: &mut Problems) -> Option<Step> {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) if !number.is_nan() => Some(*number),
        _ => None,
    };
    if let Some(Value::Array(ends)) = section.get("clip")
        && let [min, max] = &ends[..]
        && let (Some(min), Some(max)) = (number(min), number(max))
        && min <= max
    {
        return Some(Step::Clip { min, max });
    }
    let fix = "write both ends, the lower one first: { clip = [0.0, 1000.0] }; inf and -inf are open ends";
    problems.add(section.place("clip"), "is not a range", fix);
    None
}
