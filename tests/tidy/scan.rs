//! Reads Rust sources well enough for house rules: code without comments and literals, comments without code, which
//! lines are test code, where functions begin and end, and which paths are named. No parser: line-based, with a small
//! state machine for what may hide a brace.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, Default)]
pub struct Line {
    pub raw: String,
    /// The line with comments gone and the insides of literals blank; columns are kept.
    pub code: String,
    /// What comments say on this line, their markers included.
    pub comment: String,
    pub is_test: bool,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Source {
        let mut lines = split(text);
        if is_test_path(path) {
            lines.iter_mut().for_each(|line| line.is_test = true);
        }
        let mut source = Source { path: path.to_owned(), lines };
        source.mark_test_items();
        source
    }

    /// All Rust files below the folders, in order of their paths. Folders that are not there are passed over.
    pub fn read_all(folders: &[&str]) -> Vec<Source> {
        let mut sources = Vec::new();
        folders.iter().for_each(|folder| read_folder(Path::new(folder), &mut sources));
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let helpers: BTreeSet<String> = sources.iter().flat_map(Source::test_only_modules).collect();
        for source in sources.iter_mut().filter(|source| helpers.contains(&source.path)) {
            source.lines.iter_mut().for_each(|line| line.is_test = true);
        }
        sources
    }

    /// The code of all lines, joined.
    pub fn code(&self) -> String {
        self.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Marks what `#[cfg(test)]` stands before, to its closing brace.
    fn mark_test_items(&mut self) {
        let code = self.code();
        for (at, _) in code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test")) {
            let Some(open) = code[at..].find(['{', ';']).map(|offset| at + offset) else { continue };
            let end = if code.as_bytes()[open] == b'{' { matching_brace(&code, open) } else { open };
            for line in &mut self.lines[line_of(&code, at)..=line_of(&code, end)] {
                line.is_test = true;
            }
        }
    }

    /// Files of modules that this one declares for tests only: `#[cfg(test)] mod fakes;`.
    fn test_only_modules(&self) -> Vec<String> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let own = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        let declared = self.lines.iter().filter(|line| line.is_test).filter_map(|line| {
            let item = line.code.trim().trim_start_matches("#[cfg(test)]").trim_start();
            let item = item.strip_prefix("pub(crate) ").or(item.strip_prefix("pub ")).unwrap_or(item);
            item.strip_prefix("mod ")?.strip_suffix(';')
        });
        declared.flat_map(|module| [format!("{own}/{module}.rs"), format!("{own}/{module}/mod.rs")]).collect()
    }

    /// Every function with a body.
    pub fn functions(&self) -> Vec<Function> {
        let code = self.code();
        words(&code, "fn").filter_map(|at| function_at(&code, at)).collect()
    }

    /// Every path that the code names, `use` trees spelled out: line index and segments.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let code = self.code();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(start) = code[at..].find(|c: char| is_word(c)).map(|offset| at + offset) {
            at = tree(&code, start, &[], &mut found);
        }
        // Offsets only grow, so lines are counted on from the last one.
        let (mut line, mut counted) = (0, 0);
        let with_line = |(at, path): (usize, Vec<String>)| {
            line += line_of(&code[counted..], at - counted);
            counted = at;
            (line, path)
        };
        found.into_iter().map(with_line).collect()
    }
}

pub struct Function {
    pub name: String,
    /// Index of the line with `fn`.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub length: usize,
}

fn is_test_path(path: &str) -> bool {
    !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn read_folder(folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            read_folder(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            sources.push(Source::parse(&path.to_string_lossy().replace('\\', "/"), &text));
        }
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Byte offsets where `word` stands alone.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

pub fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|&byte| byte == b'\n').count()
}

/// Offset of the brace that closes the one at `open`, or of the last byte.
fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len() - 1
}

fn function_at(code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 2..].trim_start().chars().take_while(|&c| is_word(c)).collect();
    if name.is_empty() {
        return None; // `fn(u8) -> u8` is a type
    }
    let mut depth = 0usize;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None, // a trait's or foreign function without a body
            b'{' if depth == 0 => {
                let line = line_of(code, at);
                let length = line_of(code, matching_brace(code, offset)) - line + 1;
                return Some(Function { name, line, length });
            }
            _ => {}
        }
    }
    None
}

/// Reads one path at `start`, a whole `use` tree where it ends in braces. Returns where it ended.
fn tree(code: &str, start: usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    loop {
        let length = code[at..].find(|c: char| !is_word(c)).unwrap_or(code.len() - at);
        path.push(code[at..at + length].to_owned());
        at += length;
        let Some(rest) = code[at..].strip_prefix("::") else { break };
        at += 2;
        if rest.starts_with('{') {
            return branches(code, at, &path, found);
        }
        if !rest.starts_with(is_word) {
            break; // `::<T>` or `::*`
        }
    }
    found.push((start, path));
    at.max(start + 1)
}

/// The branches of a `use` tree, whose brace is at `open`.
fn branches(code: &str, open: usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut at = open + 1;
    while let Some(next) = code[at..].find(|c: char| is_word(c) || c == '}').map(|offset| at + offset) {
        if code.as_bytes()[next] == b'}' {
            return next + 1;
        }
        at = tree(code, next, prefix, found);
    }
    code.len()
}

/// What the scanner is inside of.
enum Inside {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(usize),
    Text,
    /// Ends with a quote and this many hashes.
    RawText(usize),
}

fn split(text: &str) -> Vec<Line> {
    let mut inside = Inside::Code;
    text.lines().map(|raw| split_line(raw, &mut inside)).collect()
}

fn split_line(raw: &str, inside: &mut Inside) -> Line {
    let chars: Vec<char> = raw.chars().collect();
    let mut line = Line { raw: raw.to_owned(), ..Line::default() };
    let mut at = 0;
    while at < chars.len() {
        let (next, length) = match inside {
            Inside::Code => in_code(&chars, at, &mut line),
            Inside::LineComment => (None, 1),
            Inside::BlockComment(depth) => in_block_comment(&chars[at..], *depth),
            Inside::Text => match chars[at] {
                '\\' => (None, 2),
                '"' => (Some(Inside::Code), 1),
                _ => (None, 1),
            },
            Inside::RawText(hashes) => {
                let closes = chars[at] == '"' && hash_run(&chars[at + 1..]) >= *hashes;
                if closes { (Some(Inside::Code), 1 + *hashes) } else { (None, 1) }
            }
        };
        let is_comment = |inside: &Inside| matches!(inside, Inside::LineComment | Inside::BlockComment(_));
        let commented = is_comment(inside) || next.as_ref().is_some_and(is_comment);
        let was_code = matches!(inside, Inside::Code) && next.is_none();
        let quotes = !commented && next.is_some();
        for &c in &chars[at..chars.len().min(at + length)] {
            if commented {
                line.comment.push(c);
            }
            line.code.push(if (was_code && length == 1) || (quotes && c == '"') { c } else { ' ' });
        }
        if let Some(next) = next {
            *inside = next;
        }
        at += length;
    }
    if matches!(inside, Inside::LineComment) {
        *inside = Inside::Code;
    }
    line
}

/// What begins at `at` in code, and how many characters that takes. A character literal is passed over whole.
fn in_code(chars: &[char], at: usize, line: &mut Line) -> (Option<Inside>, usize) {
    let rest = &chars[at..];
    let after_word = line.code.chars().next_back().is_some_and(is_word);
    match rest {
        ['/', '/', ..] => (Some(Inside::LineComment), 2),
        ['/', '*', ..] => (Some(Inside::BlockComment(1)), 2),
        ['"', ..] => (Some(Inside::Text), 1),
        ['b' | 'c', 'r', tail @ ..] if !after_word && starts_raw(tail) => {
            (Some(Inside::RawText(hash_run(tail))), 3 + hash_run(tail))
        }
        ['r', tail @ ..] if !after_word && starts_raw(tail) => {
            (Some(Inside::RawText(hash_run(tail))), 2 + hash_run(tail))
        }
        ['\'', '\\', tail @ ..] => (None, 3 + tail.iter().skip(1).position(|&c| c == '\'').unwrap_or(0) + 1),
        ['\'', _, '\'', ..] => (None, 3),
        _ => (None, 1),
    }
}

fn in_block_comment(rest: &[char], depth: usize) -> (Option<Inside>, usize) {
    match rest {
        ['*', '/', ..] if depth == 1 => (Some(Inside::Code), 2),
        ['*', '/', ..] => (Some(Inside::BlockComment(depth - 1)), 2),
        ['/', '*', ..] => (Some(Inside::BlockComment(depth + 1)), 2),
        _ => (None, 1),
    }
}

fn hash_run(rest: &[char]) -> usize {
    rest.iter().take_while(|&&c| c == '#').count()
}

fn starts_raw(rest: &[char]) -> bool {
    rest.get(hash_run(rest)) == Some(&'"')
}
