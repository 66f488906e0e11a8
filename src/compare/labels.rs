//! What became of transactions: a table of ids and whether each was fraud, as a CSV file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::error::{Fatal, exit};

/// Names of the column of ids, in any case; the first that is there is taken.
const ID_COLUMNS: [&str; 2] = ["transaction_id", "id"];
/// Names of the column of labels; only one may be there.
const LABEL_COLUMNS: [&str; 4] = ["fraud", "label", "is_fraud", "tx_fraud"];
const SEPARATORS: [u8; 3] = *b",;\t";
/// A longer line is no line of this table: another file, most likely.
const LINE_BYTES_MAX: usize = 1 << 20;

const FIX: &str =
    "give a CSV file with a header and the columns id and fraud: `id,fraud`, then a line for each transaction";

/// Labels by transaction id: 16 bytes beside each id, ten million need about 300 MB.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    ids: Vec<u8>,
    /// Sorted by id, each id once.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    len: u32,
    /// The number of its line in the upper 31 bits, and whether it is fraud.
    line_and_fraud: u32,
}

impl Entry {
    fn id(self, ids: &[u8]) -> &[u8] {
        &ids[self.start as usize..self.start as usize + self.len as usize]
    }

    fn is_fraud(self) -> bool {
        self.line_and_fraud & 1 == 1
    }

    fn line(self) -> u32 {
        self.line_and_fraud >> 1
    }
}

/// Reads a table of labels: a header with a column `id` or `transaction_id` and one of `fraud`, `label`, `is_fraud` and
/// `tx_fraud`, separated by commas, semicolons or tabs; labels are 0 or 1, true or false, yes or no. Other columns are passed
/// over. An id that comes again with the same label counts once.
///
/// # Errors
/// [`exit::FAILED`] where the file cannot be read or is no such table, with the number of the line; an id with two labels is an
/// error too. No id is shown.
pub fn read(path: &Path) -> Result<Labels, Fatal> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| {
        let fix = "name a file that is there and may be read";
        Fatal::new(exit::FAILED, format!("cannot read {place}: {error}"), fix)
    })?;
    parse(BufReader::with_capacity(1 << 16, file), &place)
}

fn parse(mut input: impl BufRead, place: &str) -> Result<Labels, Fatal> {
    let mut lines = Lines { input: &mut input, place, number: 0, bytes: Vec::new() };
    let header = loop {
        if !lines.advance()? {
            return Err(lines.problem("there is no header"));
        }
        if !lines.line().is_empty() {
            break Header::of(lines.line()).map_err(|what| lines.problem(&what))?;
        }
    };
    let mut labels = Labels::default();
    let mut id = Vec::new();
    while lines.advance()? {
        if lines.line().is_empty() {
            continue;
        }
        let fraud = header.row(lines.line(), &mut id).map_err(|what| lines.problem(what))?;
        let (start, len) = (labels.ids.len() as u64, id.len() as u32);
        labels.ids.extend_from_slice(&id);
        labels.entries.push(Entry {
            start,
            len,
            line_and_fraud: (lines.number.min(u32::MAX >> 1) << 1) | u32::from(fraud),
        });
    }
    labels.sort().map_err(|(line, other)| {
        let what = format!("{place}: lines {line} and {other} have the same id and other labels");
        Fatal::new(exit::FAILED, what, "decide what became of this transaction, and leave one line")
    })?;
    Ok(labels)
}

impl Labels {
    /// Whether this transaction was fraud; `None` where the table does not say. A number is looked up as its decimal text.
    pub fn of(&self, id: &[u8]) -> Option<bool> {
        let place = self.entries.binary_search_by(|entry| entry.id(&self.ids).cmp(id)).ok()?;
        Some(self.entries[place].is_fraud())
    }

    /// Transactions with a label.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many of them are fraud.
    pub fn fraud(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_fraud()).count()
    }

    /// By id, each once; or the first two lines that contradict each other.
    fn sort(&mut self) -> Result<(), (u32, u32)> {
        let ids = &self.ids;
        // Stable: equal ids stay in the order of their lines.
        self.entries.sort_by(|a, b| a.id(ids).cmp(b.id(ids)));
        let differ = |pair: &[Entry]| pair[0].id(ids) == pair[1].id(ids) && pair[0].is_fraud() != pair[1].is_fraud();
        let found = self.entries.windows(2).filter(|pair| differ(pair)).map(|pair| (pair[0].line(), pair[1].line()));
        if let Some(lines) = found.min_by_key(|(_, second)| *second) {
            return Err(lines);
        }
        self.entries.dedup_by(|b, a| a.id(ids) == b.id(ids));
        Ok(())
    }
}

/// Lines with their numbers, from 1.
struct Lines<'a, R> {
    input: &'a mut R,
    place: &'a str,
    number: u32,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    fn advance(&mut self) -> Result<bool, Fatal> {
        self.bytes.clear();
        self.number = self.number.saturating_add(1);
        let mut limited = std::io::Read::take(&mut *self.input, LINE_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut self.bytes).map_err(|error| self.problem(&error.to_string()))?;
        if read == LINE_BYTES_MAX && !self.bytes.ends_with(b"\n") {
            return Err(self.problem("the line is longer than 1 MiB"));
        }
        Ok(read > 0)
    }

    /// Without its end, and without the mark that some programs begin a file with. White space alone is nothing.
    fn line(&self) -> &[u8] {
        let mark: &[u8] = if self.number == 1 { b"\xef\xbb\xbf" } else { b"" };
        let line = self.bytes.strip_prefix(mark).unwrap_or(&self.bytes);
        // A tab at either end may separate an empty cell.
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        if line.trim_ascii().is_empty() { b"" } else { &line[..end] }
    }

    fn problem(&self, what: &str) -> Fatal {
        Fatal::new(exit::FAILED, format!("{}, line {}: {what}", self.place, self.number), FIX)
    }
}

/// Where the two columns are.
struct Header {
    separator: u8,
    id: usize,
    label: usize,
}

impl Header {
    fn of(line: &[u8]) -> Result<Header, String> {
        let mut problem = String::new();
        for separator in SEPARATORS {
            let names = names(line, separator);
            let places = |known: &str| names.iter().position(|name| name.eq_ignore_ascii_case(known));
            let id = ID_COLUMNS.iter().find_map(|known| places(known));
            let labels: Vec<&str> = LABEL_COLUMNS.into_iter().filter(|known| places(known).is_some()).collect();
            match (id, labels.as_slice()) {
                (Some(id), [label]) => return Ok(Header { separator, id, label: places(label).unwrap_or(id) }),
                (Some(_), [_, ..]) => problem = format!("several columns may be the label: {}", labels.join(", ")),
                (Some(_), []) if names.len() > 1 => problem = format!("no column is called {}", either(&LABEL_COLUMNS)),
                (None, [_, ..]) if names.len() > 1 => problem = format!("no column is called {}", either(&ID_COLUMNS)),
                _ => {}
            }
        }
        let none = || format!("no columns called {}, and {}", either(&ID_COLUMNS), either(&LABEL_COLUMNS));
        Err(if problem.is_empty() { none() } else { problem })
    }

    /// Writes the id of a row over `id`, and gives its label.
    fn row(&self, line: &[u8], id: &mut Vec<u8>) -> Result<bool, &'static str> {
        id.clear();
        let mut label = None;
        let mut columns = 0;
        let mut rest = Some(line);
        while let Some(at) = rest {
            let (cell, left) = cell(at, self.separator)?;
            if columns == self.id {
                cell.write(id);
            } else if columns == self.label {
                label = Some(fraud(cell.bytes)?);
            }
            columns += 1;
            rest = left;
        }
        match label.filter(|_| columns > self.id) {
            None => Err("the line has fewer columns than the header needs"),
            Some(_) if id.is_empty() => Err("the id is empty"),
            Some(fraud) => Ok(fraud),
        }
    }
}

fn either(names: &[&str]) -> String {
    names.join(" or ")
}

fn names(line: &[u8], separator: u8) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = Some(line);
    while let Some((cell, left)) = rest.and_then(|at| cell(at, separator).ok()) {
        names.push(String::from_utf8_lossy(cell.bytes).trim().to_owned());
        rest = left;
    }
    names
}

/// A cell without its quotes, and whether quotes in it are doubled.
struct Cell<'a> {
    bytes: &'a [u8],
    is_escaped: bool,
}

impl Cell<'_> {
    fn write(&self, to: &mut Vec<u8>) {
        let mut was_quote = false;
        for &byte in self.bytes {
            was_quote = self.is_escaped && byte == b'"' && !was_quote;
            if !was_quote {
                to.push(byte);
            }
        }
    }
}

/// The first cell of a line, and what is behind its separator.
fn cell(line: &[u8], separator: u8) -> Result<(Cell<'_>, Option<&[u8]>), &'static str> {
    let line = line.trim_ascii_start_but(separator);
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let end = line.iter().position(|byte| *byte == separator);
        let bytes = &line[..end.unwrap_or(line.len())];
        return Ok((Cell { bytes: bytes.trim_ascii(), is_escaped: false }, end.map(|end| &line[end + 1..])));
    };
    let mut at = 0;
    let mut is_escaped = false;
    loop {
        let quote = quoted[at..].iter().position(|byte| *byte == b'"').ok_or("a quote is not closed on its line")?;
        at += quote + 1;
        if quoted.get(at) != Some(&b'"') {
            break;
        }
        (is_escaped, at) = (true, at + 1);
    }
    let left = quoted[at..].trim_ascii_start_but(separator);
    let rest = match left.first() {
        None => None,
        Some(byte) if *byte == separator => Some(&left[1..]),
        Some(_) => return Err("something stands behind a closing quote"),
    };
    Ok((Cell { bytes: &quoted[..at - 1], is_escaped }, rest))
}

trait TrimStart {
    fn trim_ascii_start_but(&self, separator: u8) -> &[u8];
}

impl TrimStart for [u8] {
    /// Without white space at its start; a tab stays where it separates.
    fn trim_ascii_start_but(&self, separator: u8) -> &[u8] {
        let start = self.iter().position(|byte| *byte == separator || !byte.is_ascii_whitespace());
        &self[start.unwrap_or(self.len())..]
    }
}

fn fraud(cell: &[u8]) -> Result<bool, &'static str> {
    let is = |words: &[&str]| words.iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()));
    // Tables with empty cells, as data frames write them, have 0.0 and 1.0.
    if is(&["1", "true", "yes", "1.0"]) {
        Ok(true)
    } else if is(&["0", "false", "no", "0.0"]) {
        Ok(false)
    } else {
        Err("the label is none of 0 and 1, true and false, yes and no")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Labels {
        parse(text.as_bytes(), "labels.csv").unwrap()
    }

    fn problem(text: &str) -> String {
        parse(text.as_bytes(), "labels.csv").unwrap_err().what
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for text in [
            "id,fraud\na,1\nb,0\n",
            "\u{feff}Transaction_ID;amount;TX_FRAUD\r\n\r\na;1,5;true\r\nb;;FALSE",
            "\tlabel\tid\n0\tYes\ta\n\tno\tb\n",
            "\"id\", \"is_fraud\" ,note\n \"a\" , 1.0 ,\"x, \"\"y\"\"\"\nb, 0.0\nb,0,\n",
        ] {
            let labels = of(text);
            let told = [&b"a"[..], b"b", b"", b"c"].map(|id| labels.of(id));
            assert_eq!(told, [Some(true), Some(false), None, None], "{text:?}");
            assert_eq!((labels.len(), labels.fraud()), (2, 1), "{text:?}");
        }
    }

    #[test]
    fn quotes_keep_what_separates() {
        let labels = of("id,fraud\n\"a,\"\"b\"\" \",1\n");
        assert_eq!(labels.of(b"a,\"b\" "), Some(true));
    }

    #[test]
    fn transaction_id_goes_before_id() {
        assert_eq!(of("id,fraud,transaction_id\n1,1,t\n").of(b"t"), Some(true));
    }

    #[test]
    fn many_ids_are_found() {
        let rows: String = (0..5_000).rev().map(|n| format!("{n},{}\n", n % 7 / 6)).collect();
        let labels = of(&format!("id,label\n{rows}"));
        assert_eq!((labels.len(), labels.fraud()), (5_000, 714));
        assert!((0..5_000).all(|n: i32| labels.of(n.to_string().as_bytes()) == Some(n % 7 == 6)));
    }

    #[test]
    fn every_problem_names_its_line() {
        for (text, words) in [
            ("", "labels.csv, line 1: there is no header"),
            ("id;amount\n", "line 1: no column is called fraud or label or is_fraud or tx_fraud"),
            ("card,label\n", "line 1: no column is called transaction_id or id"),
            ("a|b\n", "line 1: no columns called transaction_id or id, and fraud"),
            ("id,fraud,label\n", "line 1: several columns may be the label: fraud, label"),
            ("id,fraud\na,1\n\nb,2\n", "line 4: the label is none of 0 and 1"),
            ("id,fraud\na,\n", "line 2: the label is none of 0 and 1"),
            ("id,fraud\na\n", "line 2: the line has fewer columns"),
            ("fraud,id\n1\n", "line 2: the line has fewer columns"),
            ("id,fraud\n,1\n", "line 2: the id is empty"),
            ("id,fraud\n\"a,1\n", "line 2: a quote is not closed on its line"),
            ("id,fraud\n\"a\"b,1\n", "line 2: something stands behind a closing quote"),
            ("id,fraud\nb,1\na,1\nb,1\na,0\nb,0\n", "labels.csv: lines 3 and 5 have the same id and other labels"),
        ] {
            assert!(problem(text).contains(words), "{text:?}: {}", problem(text));
        }
        assert!(problem(&format!("id,fraud\n{}", "x".repeat(LINE_BYTES_MAX))).contains("line 2: the line is longer"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("/nonexistent/labels.csv")).unwrap_err();
        assert!(error.what.starts_with("cannot read /nonexistent/labels.csv"), "{error}");
    }
}
