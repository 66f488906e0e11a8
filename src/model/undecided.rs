//! What a draft of a contract leaves to a person: a text that begins with `?` wherever a value is missing, with the words that
//! help to decide. A contract that has one is refused, and nothing else is told of it: what would follow from the marks is noise.

use toml::{Table, Value};

use crate::model::problem::Problems;

/// Begins a text that stands for a value.
const MARK: char = '?';

/// `why` as a value that says that it is none.
pub fn marked(why: &str) -> String {
    format!("{MARK} {why}")
}

/// Tells every marked text of a manifest. Returns whether there is one.
pub fn tell(table: &Table, problems: &mut Problems) -> bool {
    let before = problems.count();
    walk_table(table, "", problems);
    problems.count() > before
}

fn walk_table(table: &Table, place: &str, problems: &mut Problems) {
    for (key, value) in table {
        // Texts of the data: one of them may be a question mark. What is undecided is marked as a whole.
        if key == "transform" && value.is_table() {
            continue;
        }
        let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        // A feature is known by its name.
        walk(value, &place, name_of(table), problems);
    }
}

fn name_of(table: &Table) -> Option<&str> {
    table.get("path").and(table.get("name")).and_then(Value::as_str)
}

fn walk(value: &Value, place: &str, feature: Option<&str>, problems: &mut Problems) {
    match value {
        Value::String(text) => {
            let Some(why) = text.strip_prefix(MARK) else { return };
            let of = feature.map(|name| format!(" (feature `{name}`)")).unwrap_or_default();
            let why = match why.trim() {
                "" => "nobody has written what it is",
                why => why,
            };
            let fix = match place.rsplit('.').next() {
                Some("confirm") => "remove the line when that is so, or put [[features]] into the right order",
                Some("path") => "write the field's path, joined by dots, in place of the text that begins with ?",
                _ => "write the value in place of the text that begins with ?",
            };
            problems.add(format!("{place}{of}"), format!("is not decided: {why}"), fix);
        }
        Value::Table(table) => walk_table(table, place, problems),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{place}[{index}]"), None, problems);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_told_with_its_place_and_its_words() {
        let text = format!(
            "format = 1\nconfirm = {:?}\n[output]\ntensor = \"p\"\nclass = \"?\"\n[[features]]\nname = \"amount\"\n\
             path = \"? no field is named so\"\ntransform = {{ index = [\"why?\", \"?\"] }}\n",
            marked("a guess")
        );
        let mut problems = Problems::default();
        assert!(tell(&text.parse().unwrap(), &mut problems));
        let told: Vec<String> =
            problems.into_all().iter().map(|told| format!("{} {}", told.place, told.what)).collect();
        assert_eq!(
            told,
            [
                "confirm is not decided: a guess",
                "features[0].path (feature `amount`) is not decided: no field is named so",
                "output.class is not decided: nobody has written what it is",
            ]
        );
        assert!(!tell(&"a = \"why?\"".parse().unwrap(), &mut Problems::default()));
    }
}
