//! Text that fits a terminal of eighty columns.

/// The width of a terminal that nobody has made wider.
pub const COLUMNS: usize = 80;

/// `text` behind `start`, broken between words before the eightieth column; what follows is indented. A word that is longer
/// than a line (a path, a hash) has a line of its own and stays whole. Breaks that `text` has itself stay.
pub fn wrapped(start: &str, text: &str, indent: usize) -> String {
    let mut out = start.to_owned();
    let mut column = start.chars().count();
    for (index, line) in text.lines().enumerate() {
        let of_line = line.chars().take_while(|char| *char == ' ').count();
        let indent = if index == 0 { indent } else { indent.max(of_line + 2) };
        if index > 0 {
            out.push('\n');
            out.push_str(&line[..of_line]);
            column = of_line;
        }
        let mut is_first = true;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let width = word.chars().count();
            if !is_first && column + 1 + width > COLUMNS {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if !is_first {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
            is_first = false;
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_long_words_stay_whole() {
        let path = "x".repeat(100);
        let text = wrapped("warning: ", &format!("first\n  fix: see {path} and no more"), 2);
        assert_eq!(text, format!("warning: first\n  fix: see\n    {path}\n    and no more\n"));
    }
}
