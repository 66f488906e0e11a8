//! Names with their values, for a terminal of eighty columns.

use std::fmt::Write as _;

use crate::observe::terminal::wrapped;

/// Names are this wide, and what is continued stands below its value.
const NAME_COLUMNS: usize = 13;

/// One line for each name, and more where its value is longer.
pub fn table<'a>(lines: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", wrapped(&format!("{name:<width$}", width = NAME_COLUMNS), &value, NAME_COLUMNS));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::terminal::COLUMNS;

    #[test]
    fn a_long_value_is_broken_between_words_and_stands_below_itself() {
        let value = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
        let text = table([("name", value.to_owned()), ("other", "short".to_owned())]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("name         one two") && lines[1].starts_with("             t"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words.join(" "), format!("name {value} other short"), "no word is lost or broken");
    }
}
