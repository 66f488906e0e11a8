//! Rust sources that the scripts name: one that has moved is not found again, and what depends on it goes stale in silence.

use std::fs;
use std::path::{Path, PathBuf};

/// The words that say where a Rust source is.
pub fn sources(text: &str) -> Vec<&str> {
    let is_outside = |c: char| !(c.is_ascii_alphanumeric() || "_-./*".contains(c));
    let is_place = |word: &str| ["src/", "tests/", "benches/"].iter().any(|folder| word.starts_with(folder));
    text.split(is_outside)
        .filter(|word| is_place(word) && word.ends_with(".rs") && !word.contains(['*', '-']))
        .collect()
}

/// Text files of a folder and the ones in it.
pub fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.extend(fs::read_to_string(&path).ok().map(|text| (path, text))),
        }
    }
    found
}

#[test]
fn a_source_is_known_by_its_place() {
    let text = "sources=\"$schema src/load/a.rs src/load/b.rs\n  scripts/train.d/*.py\" # src/model/trees/, tests/x.rs: benches/*.rs";
    assert_eq!(sources(text), ["src/load/a.rs", "src/load/b.rs", "tests/x.rs"]);
}
