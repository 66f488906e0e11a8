//! Advice that names a command, a flag, a key or a file that does not exist leads whoever follows it nowhere. Every text in
//! `src/` is read: what it names must be there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use scorewire::config::keys::{KEYS, Named, name};

/// Texts of the sources, with their files: literals outside comments and tests, continued lines joined.
fn texts() -> Vec<(PathBuf, String)> {
    let mut files = vec![Path::new("src").to_owned()];
    let mut found = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_of_tests(&path) {
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.extend(literals(source).into_iter().map(|text| (path.clone(), text)));
        }
    }
    assert!(found.len() > 2_000, "only {} texts: wrong folder?", found.len());
    found
}

fn is_of_tests(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.to_str().unwrap().ends_with("tests.rs")
}

fn literals(source: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(at) = rest.find(['"', '/', '\'']) {
        rest = match rest.as_bytes()[at] {
            b'/' if rest[at..].starts_with("//") => rest[at..].split_once('\n').map_or("", |(_, after)| after),
            // A character, or a lifetime.
            b'\'' => match rest[at + 1..].chars().next() {
                Some('\\') => &rest[at + 3 + rest[at + 3..].find('\'').unwrap_or(0)..][1..],
                Some(char) if rest[at + 1 + char.len_utf8()..].starts_with('\'') => &rest[at + 2 + char.len_utf8()..],
                _ => &rest[at + 1..],
            },
            b'"' => {
                let hashes = rest[..at].len() - rest[..at].trim_end_matches('#').len();
                let is_raw = rest[..at - hashes].ends_with('r') || rest[..at].ends_with("br");
                let (text, after) = if is_raw { raw(&rest[at + 1..], hashes) } else { quoted(&rest[at + 1..]) };
                found.push(text);
                after
            }
            _ => &rest[at + 1..],
        };
    }
    found
}

fn raw(rest: &str, hashes: usize) -> (String, &str) {
    let end = format!("\"{}", "#".repeat(hashes));
    let (text, after) = rest.split_once(&end).unwrap_or((rest, ""));
    (text.to_owned(), after)
}

fn quoted(rest: &str) -> (String, &str) {
    let (mut text, mut chars) = (String::new(), rest.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (text, &rest[at + 1..]),
            '\\' => match chars.next() {
                Some((_, '\n')) => {
                    while chars.as_str().starts_with(char::is_whitespace) {
                        chars.next();
                    }
                }
                Some((_, 'n')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    (text, "")
}

/// What may be a command, a key, a flag or a path.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "_-./".contains(char);
    text.split(move |char| !is_part(char)).map(|word| word.trim_end_matches(['.', '/'])).filter(|word| !word.is_empty())
}

#[track_caller]
fn assert_none(wrong: BTreeSet<String>) {
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every command with its own commands, and every long flag there is.
fn commands_and_flags() -> (Vec<(String, Vec<String>)>, BTreeSet<String>) {
    let (mut commands, mut flags) = (Vec::new(), BTreeSet::from(["--help".to_owned(), "--version".to_owned()]));
    let mut all = vec![scorewire::cli::command()];
    while let Some(command) = all.pop() {
        flags.extend(command.get_arguments().filter_map(|of| Some(format!("--{}", of.get_long()?))));
        let below = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
        commands.push((command.get_name().to_owned(), below));
        all.extend(command.get_subcommands().cloned());
    }
    (commands, flags)
}

#[test]
fn every_command_that_a_text_names_is_there() {
    // The product as the subject of a sentence, and not as the program's name: `scorewire tells`.
    let is_prose = |word: &str| word == "itself" || (word.ends_with('s') && !["topics", "completions"].contains(&word));
    let (commands, _) = commands_and_flags();
    let below = |name: &str| commands.iter().find(|(of, _)| of == name).map(|(_, below)| below);
    let top = below("scorewire").unwrap();
    let mut wrong = BTreeSet::new();
    for (path, text) in texts() {
        for (_, rest) in text.match_indices("scorewire ").map(|(at, start)| (at, &text[at + start.len()..])) {
            let mut next = rest.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').take(2);
            let (first, second) = (next.next().unwrap_or(""), next.next().unwrap_or(""));
            if !first.starts_with(|char: char| char.is_ascii_lowercase()) || is_prose(first) {
                continue;
            }
            let of_first = below(first).filter(|_| top.iter().any(|name| name == first));
            let is_known = of_first.is_some_and(|below| below.is_empty() || below.iter().any(|name| name == second));
            if !is_known {
                wrong.insert(format!("{}: scorewire {first} {second}: in {text:?}", path.display()));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn every_flag_that_a_text_names_is_there() {
    // Of other programs, which the text names; and those of Kafka's tools, whose command may stand in another text.
    const PROGRAMS: &[&str] = &["kafka-", "kcat", "openssl", "ulimit", "GNU ld", "keytool"];
    const OF_KAFKA: &[&str] = &[
        "--add",
        "--allow-principal",
        "--bootstrap-server",
        "--cluster",
        "--command-config",
        "--create",
        "--describe",
        "--execute",
        "--group",
        "--operation",
        "--partitions",
        "--replication-factor",
        "--reset-offsets",
        "--resource-pattern-type",
        "--to-earliest",
        "--to-offset",
        "--topic",
        "--transactional-id",
    ];
    let (_, flags) = commands_and_flags();
    let mut wrong = BTreeSet::new();
    for (path, text) in texts() {
        let is_foreign = PROGRAMS.iter().any(|program| text.contains(program));
        for word in words(&text).filter(|word| word.starts_with("--") && word.len() > 2) {
            if !flags.contains(word) && !is_foreign && !OF_KAFKA.contains(&word) {
                wrong.insert(format!("{}: {word}: in {text:?}", path.display()));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn every_file_of_the_repository_that_a_text_names_is_there() {
    let mut wrong = BTreeSet::new();
    for (path, text) in texts() {
        for word in words(&text) {
            let is_ours =
                ["scripts/", "docs/", "models/", "benches/", "examples/"].iter().any(|folder| word.starts_with(folder));
            if is_ours && !Path::new(word).exists() {
                wrong.insert(format!("{}: {word}: in {text:?}", path.display()));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn every_key_that_a_text_names_is_there() {
    // The manifest's keys, which tests/docs/model_package.rs holds against the parser.
    let page = include_str!("../../docs/model-package.md");
    let (_, table) = page.split_once("| key | value |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let of_manifest: BTreeSet<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let is_section = |name: &str| {
        let starts = |key: &&str| key.split_once('.').is_some_and(|(section, _)| section == name);
        KEYS.iter().any(starts) || of_manifest.iter().any(starts)
    };
    const FILES: &[&str] = &["toml", "onnx", "csv", "avsc", "avro", "rs", "json", "so", "sh"];
    // Of Kafka's clients and brokers, of Kubernetes, of Python.
    const FOREIGN: &[&str] = &[
        "limits.cpu",
        "log.connection.close",
        "log.queue",
        "log.thread.name",
        "model.classes_",
        "transaction.max.timeout.ms",
        "transaction.timeout.ms",
    ];
    let mut wrong = BTreeSet::new();
    for (path, text) in texts() {
        for word in words(&text) {
            let Some((section, key)) = word.split_once('.') else { continue };
            let is_file = FILES.iter().any(|extension| key.rsplit('.').next() == Some(extension));
            if !is_section(section) || is_file || !key.starts_with(|char: char| char.is_ascii_lowercase()) {
                continue;
            }
            if name(word) == Named::Unknown && !of_manifest.contains(word) && !FOREIGN.contains(&word) {
                wrong.insert(format!("{}: {word}: in {text:?}", path.display()));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn texts_are_read_as_the_compiler_reads_them() {
    let source = "// \"no\"\nlet a = \"one \\\n    two\"; let b: &'static str = r#\"raw \"three\"#; let c = '\"'; let d = \"4\\\"\";";
    assert_eq!(literals(source), ["one two", "raw \"three", "4\""]);
}
