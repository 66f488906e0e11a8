//! Pieces of HTML: text that cannot be markup, and tables.

use std::fmt::Write;

use crate::values::words::escaped;

/// Text as HTML, in elements and in attributes.
pub fn escape(text: &str) -> String {
    escaped(text, printable)
}

/// Text as a terminal may have it: no sequence that moves a cursor or hides what follows.
pub fn plain(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// No control character belongs on a page, nor one that turns the direction of what is beside it.
fn printable(character: char) -> char {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns { '\u{fffd}' } else { character }
}

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The name of its row.
    Head,
    Text,
    /// Text that stays on one line.
    Word,
    /// Digits below each other.
    Number,
    /// Broken anywhere: hashes, ids, paths.
    Code,
}

impl Column {
    fn class(self) -> &'static str {
        match self {
            Column::Head | Column::Text => "",
            Column::Word => " class=\"w\"",
            Column::Number => " class=\"n\"",
            Column::Code => " class=\"code\"",
        }
    }
}

/// A table with a caption for those who do not see it. Cells are HTML already.
pub struct Table {
    columns: Vec<Column>,
    out: String,
}

impl Table {
    pub fn new(caption: &str, heads: &[(&str, Column)]) -> Table {
        let caption = escape(caption);
        let mut out = format!("<div class=\"scroll\"><table><caption>{caption}</caption>\n<thead><tr>");
        // Writing to a String cannot fail, here and below.
        for (head, column) in heads {
            let class = if *column == Column::Number { " class=\"n\"" } else { "" };
            if head.is_empty() {
                out.push_str("<td></td>");
            } else {
                let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape(head));
            }
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        Table { columns: heads.iter().map(|(_, column)| *column).collect(), out }
    }

    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.row_of("", cells);
    }

    /// A row with a class of the style sheet.
    pub fn row_of<S: AsRef<str>>(&mut self, class: &str, cells: impl IntoIterator<Item = S>) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = write!(self.out, "<tr{class}>");
        for (cell, column) in cells.into_iter().zip(&self.columns) {
            let (cell, class) = (cell.as_ref(), column.class());
            let _ = match column {
                Column::Head => write!(self.out, "<th scope=\"row\">{cell}</th>"),
                _ => write!(self.out, "<td{class}>{cell}</td>"),
            };
        }
        self.out.push_str("</tr>\n");
    }

    pub fn html(self) -> String {
        self.out + "</tbody></table></div>\n"
    }
}
