//! Where records come from: a container file, or lines of hex.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::avro::container::Blocks;
use crate::avro::problem::SchemaError;
use crate::error::{Fatal, exit};

/// Bytes of one line at most: a value of a megabyte, twice over.
const LINE_BYTES_MAX: u64 = 16 << 20;
const BUFFER_BYTES: usize = 1 << 18;
const MAGIC: &[u8] = b"Obj\x01";

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub record: u64,
    pub within: Within,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// The block that begins at this byte of a container file.
    Block(u64),
    /// Counted from 1.
    Line(u64),
}

type Source = BufReader<Box<dyn Read>>;

pub enum Input {
    Container(Box<Blocks<Source>>),
    Lines(Source, String),
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The input as it is told.
pub fn place(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Takes each record; says whether there is to be more.
pub type Take<'a> = dyn FnMut(&[u8], Position) -> Result<bool, Fatal> + 'a;

impl Input {
    /// # Errors
    /// [`exit::FAILED`] when the file cannot be read, or begins like a container file and is none.
    pub fn open(path: &Path) -> Result<Input, Fatal> {
        let place = place(path);
        let source: Box<dyn Read> = match is_stdin(path) {
            true => Box::new(std::io::stdin()),
            false => Box::new(File::open(path).map_err(|error| cannot_read(&place, &error))?),
        };
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        // A pipe may give its first bytes one by one.
        let start = source.fill_buf().map_err(|error| cannot_read(&place, &error))?;
        match !start.is_empty() && MAGIC.starts_with(&start[..start.len().min(MAGIC.len())]) {
            true => Ok(Input::Container(Box::new(Blocks::open(source, &place).map_err(refused)?))),
            false => Ok(Input::Lines(source, place)),
        }
    }

    /// The schema that the records were written with, where the file says it.
    pub fn writer_text(&self) -> Option<&str> {
        match self {
            Input::Container(blocks) => Some(blocks.writer().text()),
            Input::Lines(..) => None,
        }
    }

    /// Hands over each record, until there is none or none is wanted.
    ///
    /// # Errors
    /// [`exit::FAILED`] when the file is damaged or a line is no hex; and what `take` says.
    pub fn read(&mut self, take: &mut Take<'_>) -> Result<(), Fatal> {
        match self {
            Input::Container(blocks) => read_container(blocks, take),
            Input::Lines(source, place) => read_lines(source, place, take),
        }
    }
}

fn read_container(blocks: &mut Blocks<Source>, take: &mut Take<'_>) -> Result<(), Fatal> {
    let mut record = 0;
    while let Some(mut block) = blocks.next_block().map_err(refused)? {
        let within = Within::Block(block.offset());
        while let Some(value) = block.next_record().map_err(refused)? {
            record += 1;
            if !take(value, Position { record, within })? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_lines(source: &mut Source, place: &str, take: &mut Take<'_>) -> Result<(), Fatal> {
    let (mut bytes, mut record, mut line) = (Vec::new(), 0, 0);
    loop {
        bytes.clear();
        let read = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        if read.map_err(|error| cannot_read(place, &error))? == 0 {
            return Ok(());
        }
        line += 1;
        if bytes.len() as u64 == LINE_BYTES_MAX && !bytes.ends_with(b"\n") {
            let what = format!("{place} line {line} is longer than {LINE_BYTES_MAX} bytes");
            return Err(Fatal::new(exit::FAILED, what, "write each value on a line of its own"));
        }
        let text = bytes.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let value = of_hex(text).map_err(|why| {
            let what = format!("{place} line {line} {why}");
            Fatal::new(
                exit::FAILED,
                what,
                "write a value's bytes as pairs of hex digits, or give an Avro container file",
            )
        })?;
        record += 1;
        if !take(&value, Position { record, within: Within::Line(line) })? {
            return Ok(());
        }
    }
}

/// Pairs of hex digits; `0x` before them and spaces between them are no part of the value.
fn of_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"\\x")).unwrap_or(text);
    let digits: Option<Vec<u8>> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.ok_or("is no hex")?;
    if digits.len() % 2 == 1 {
        return Err(format!("has {} digits of hex, an odd number: a byte has two", digits.len()));
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn cannot_read(place: &str, error: &std::io::Error) -> Fatal {
    let fix = "name an Avro container file or one with lines of hex; - reads stdin";
    Fatal::new(exit::FAILED, format!("cannot read {place}: {error}"), fix)
}

fn refused(error: SchemaError) -> Fatal {
    Fatal::new(exit::FAILED, format!("{}: {}", error.place, error.what), error.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_tools_print_it() {
        assert_eq!(of_hex(b"00 0a FF"), Ok(vec![0, 10, 255]));
        assert_eq!(of_hex(b"0x00aB"), Ok(vec![0, 0xAB]));
        assert_eq!(of_hex(b"\\x0102"), Ok(vec![1, 2]));
        for wrong in [&b"xyz1"[..], b"0g", b"{\"a\": 1}"] {
            assert_eq!(of_hex(wrong), Err("is no hex".to_owned()), "{wrong:?}");
        }
        for cut in [&b"0x00a"[..], b"00 a"] {
            assert_eq!(of_hex(cut), Err("has 3 digits of hex, an odd number: a byte has two".to_owned()), "{cut:?}");
        }
    }
}
