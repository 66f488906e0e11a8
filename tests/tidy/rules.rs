//! The rules that concern one file: size, form, what may not be written, and what needs a reason.

use super::scan::{Source, is_word, line_of, words};

pub const FILE_LINES_MAX: usize = 400;
pub const FUNCTION_LINES_MAX: usize = 70;

/// Where `unsafe` may stand, and what for; the lint `unsafe_code` of Cargo.toml is allowed there, file by file. Everything
/// there says why it is sound, block by block.
pub const UNSAFE_ALLOWED: &[(&str, &str)] = &[
    ("src/kafka/client/", "librdkafka's batch calls, headers and events exist in C only"),
    ("src/kafka/wrapped/", "functions of ours stand before functions of the C client"),
    ("src/model/", "ONNX Runtime's C interface, the loader, and the variable that must be set before it loads"),
    ("src/observe/cpu.rs", "another process's CPU clock is found in C"),
    ("src/cli/signals.rs", "what a second signal says and does happens in its handler"),
    ("src/memory.rs", "the allocator is asked in C"),
    ("src/state/mapped.rs", "a file is mapped: what is stored outlives the process without a system call"),
    ("benches/echo/", "the control uses the lane's own client calls, which exist in C only"),
    ("benches/trees/native.rs", "other engines for trees are C libraries, loaded at run time"),
    ("tests/counting/", "an allocator that counts is an implementation of an unsafe trait"),
];

/// Lines above an `unsafe` in which its comment may stand: a statement may begin before it.
const SAFETY_COMMENT_REACH: usize = 8;

/// What a rule found: line (from 1) and words.
pub type Finding = (usize, String);

pub fn file_size(source: &Source) -> Vec<Finding> {
    let lines = source.lines.len();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![(FILE_LINES_MAX + 1, format!("{lines} lines; a file has at most {FILE_LINES_MAX}"))]
}

pub fn function_size(source: &Source) -> Vec<Finding> {
    let functions = source.functions().into_iter().filter(|function| function.length > FUNCTION_LINES_MAX);
    let says = |name: &str, length| format!("`{name}` has {length} lines; a function has at most {FUNCTION_LINES_MAX}");
    functions.map(|function| (function.line + 1, says(&function.name, function.length))).collect()
}

/// A struct of the lane with more fields has more than one owner in it.
pub const LANE_FIELDS_MAX: usize = 12;

/// Structs of `src/lane/` that own too much.
pub fn lane_fields(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/lane/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut open: Option<(usize, String, usize)> = None;
    for (index, line) in source.lines.iter().enumerate() {
        let code = line.code.trim_end();
        if let Some((start, name, fields)) = &mut open {
            let is_field =
                code.strip_prefix("    ").is_some_and(|rest| !rest.starts_with([' ', '#', '}']) && rest.contains(": "));
            *fields += usize::from(is_field);
            if code == "}" {
                if *fields > LANE_FIELDS_MAX {
                    found.push((
                        *start,
                        format!("`{name}` has {fields} fields; a struct of the lane has at most {LANE_FIELDS_MAX}"),
                    ));
                }
                open = None;
            }
        } else if !code.starts_with(' ') && code.ends_with('{') {
            let name = words(code, "struct").next().map(|at| code[at + "struct".len()..].trim());
            let name = name.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect::<String>());
            open = name.map(|name| (index + 1, name, 0));
        }
    }
    found
}

/// A reader learns from the first line what a file is for.
pub fn opening_doc(source: &Source) -> Vec<Finding> {
    let first = source.lines.first().map_or("", |line| line.raw.as_str());
    if first.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty()) {
        return Vec::new();
    }
    vec![(1, "a file opens with a `//!` line that says what it is for".into())]
}

/// Nothing half done.
pub fn unfinished(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        for name in ["todo", "unimplemented", "dbg"] {
            if words(&line.code, name).any(|at| line.code[at + name.len()..].starts_with('!')) {
                found.push((index + 1, format!("`{name}!` may not stay")));
            }
        }
        for mark in ["TODO", "FIXME", "XXX"] {
            if words(&line.comment, mark).next().is_some() {
                found.push((index + 1, format!("a comment that says {mark}: do it, or open an issue")));
            }
        }
    }
    found
}

/// An exception to a lint, or a test that does not run, says why: in the attribute, or in a comment at it.
pub fn reasons(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let mut found = Vec::new();
    for (at, _) in code.match_indices('#') {
        let attribute = &code[at..attribute_end(&code, at)];
        let Some(name) = ["allow", "expect", "ignore"].into_iter().find(|name| is_exception(attribute, name)) else {
            continue;
        };
        let (first, last) = (line_of(&code, at), line_of(&code, at + attribute.len()));
        if !has_reason(source, name, attribute, first, last) {
            found.push((first + 1, format!("`{name}` without a reason")));
        }
    }
    found
}

fn attribute_end(code: &str, at: usize) -> usize {
    let mut depth = 0usize;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'[' => depth += 1,
            b']' if depth <= 1 => return offset,
            b']' => depth -= 1,
            _ if depth == 0 && offset > at + 1 => return at,
            _ => {}
        }
    }
    code.len()
}

/// `#[allow(..)]`, `#![allow(..)]`, `#[ignore]`, and the same behind `cfg_attr`.
fn is_exception(attribute: &str, name: &str) -> bool {
    let inner = attribute.trim_start_matches(['#', '!', '[']);
    let is_it = |text: &str| text.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_word));
    is_it(inner) || (inner.starts_with("cfg_attr") && inner.split(',').skip(1).any(|part| is_it(part.trim_start())))
}

fn has_reason(source: &Source, name: &str, attribute: &str, first: usize, last: usize) -> bool {
    let lines = &source.lines[first..=last.min(source.lines.len() - 1)];
    let in_attribute = match name {
        "ignore" => attribute.contains("ignore = \"") && !lines.iter().any(|line| line.raw.contains("\"\"")),
        _ => words(attribute, "reason").next().is_some(),
    };
    let above = first.checked_sub(1).map(|index| &source.lines[index]);
    let comment_above = above.is_some_and(|line| {
        line.code.trim().is_empty() && line.comment.starts_with("//") && !line.comment.starts_with("///")
    });
    in_attribute || comment_above || lines.iter().any(|line| !line.comment.is_empty())
}

/// `unsafe` only where it is listed, and never without its argument. A declaration (`unsafe fn`) promises nothing yet: the
/// blocks inside it do, and clippy asks public ones for their `# Safety` section.
pub fn unsafe_code(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let is_listed = UNSAFE_ALLOWED.iter().any(|(place, _)| source.path.starts_with(place));
    let mut found = Vec::new();
    for (at, _) in code.match_indices("allow(unsafe_code").filter(|_| !is_listed) {
        found.push((
            line_of(&code, at) + 1,
            "`unsafe_code` allowed outside the places that UNSAFE_ALLOWED lists".into(),
        ));
    }
    for at in words(&code, "unsafe") {
        let line = line_of(&code, at);
        let rest = code[at + "unsafe".len()..].trim_start();
        let is_declared = rest.starts_with("fn") || rest.starts_with("extern");
        if !is_listed {
            found.push((
                line + 1,
                "`unsafe` outside the places that UNSAFE_ALLOWED in tests/tidy/rules.rs lists".into(),
            ));
        } else if !is_declared && !is_argued(source, line) {
            found.push((line + 1, "`unsafe` without a `SAFETY:` comment above it".into()));
        }
    }
    found
}

fn is_argued(source: &Source, line: usize) -> bool {
    // Lines of comment alone cost no reach: an argument may be long.
    let mut left = SAFETY_COMMENT_REACH;
    for index in (0..=line).rev() {
        if source.lines[index].comment.contains("SAFETY:") {
            return true;
        }
        if !source.lines[index].code.trim().is_empty() {
            left -= 1;
        }
        if left == 0 {
            return false;
        }
    }
    false
}

/// The words with which a file tells what would have to change in a library for it to go.
const UNNECESSARY: &str = "//! Unnecessary when ";

/// Functions of the Kafka client that the linker is told to put ours before, and how many files tell when that can end: one
/// of each, in the paragraph that begins so.
pub fn wrapped_without_end(told_to_linker: &str, sources: &[Source]) -> Vec<(String, usize)> {
    let names = told_to_linker.split('"').filter(|text| text.starts_with("rd_kafka_"));
    let ends: Vec<String> = sources.iter().filter(|source| source.path.starts_with("src/kafka/")).map(end).collect();
    let told = names.map(|name| (name, ends.iter().filter(|end| words(end, name).next().is_some()).count()));
    told.filter(|(_, files)| *files != 1).map(|(name, files)| (name.to_owned(), files)).collect()
}

/// The paragraph of a file's own documentation that tells when it is unnecessary.
fn end(source: &Source) -> String {
    let lines = source.lines.iter().map(|line| line.raw.as_str()).skip_while(|line| !line.starts_with(UNNECESSARY));
    lines.take_while(|line| line.starts_with("//! ")).collect::<Vec<_>>().join("\n")
}
