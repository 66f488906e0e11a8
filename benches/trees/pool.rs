//! Rows to score: many, walked through one after the other.

use std::path::Path;

pub struct Pool {
    values: Vec<f32>,
    pub width: usize,
    at: usize,
}

impl Pool {
    pub fn new(values: Vec<f32>, width: usize) -> Pool {
        assert!(
            !values.is_empty() && values.len().is_multiple_of(width),
            "{} values are no rows of {width}",
            values.len()
        );
        Pool { values, width, at: 0 }
    }

    /// Little-endian `float32` and nothing else.
    pub fn read(file: &Path, width: usize) -> Pool {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let values = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        Pool::new(values, width)
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    pub fn slice(&self, begin: usize, rows: usize) -> &[f32] {
        &self.values[begin * self.width..(begin + rows) * self.width]
    }

    /// The next rows; from the beginning again where too few are left.
    pub fn next(&mut self, rows: usize) -> &[f32] {
        if self.at + rows > self.rows() {
            self.at = 0;
        }
        self.at += rows;
        self.slice(self.at - rows, rows)
    }
}
