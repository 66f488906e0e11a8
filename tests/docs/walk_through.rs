//! docs/walk-through.md, done as it says: its blocks in their order, in one shell, with a Kafka and a registry of the walk's own,
//! and what each command says is what stands below it. Only what belongs to the reader's machine may differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::registry::RealRegistry;
use crate::common::{RealKafka, free_port, unique_name};
use crate::support::{Page, root, training_python};

const PAGE: &str = "docs/walk-through.md";

/// A block of code, in the order of the page.
struct Block {
    /// The heading that it stands under.
    step: String,
    language: String,
    code: String,
}

/// The blocks of the numbered steps; what stands before the first one is there already where tests run.
fn blocks(page: &str) -> Vec<Block> {
    let is_step = |heading: &str| heading.starts_with(|first: char| first.is_ascii_digit());
    let sections = page.split("\n## ").filter_map(|section| section.split_once('\n'));
    let steps = sections.filter(|(heading, _)| is_step(heading));
    let of_step = |(heading, text): (&str, &str)| {
        // Every second part lies between two fences.
        let parts = text.split("\n```").skip(1).step_by(2).map(|part| part.split_once('\n').unwrap_or((part, "")));
        let block = |(language, code): (&str, &str)| Block {
            step: heading.to_owned(),
            language: language.to_owned(),
            code: code.to_owned(),
        };
        parts.map(block).collect::<Vec<_>>()
    };
    steps.flat_map(of_step).collect()
}

/// The reader's shell, and what it starts.
struct Walk {
    /// Of the Kafka and the registry that the page starts.
    name: String,
    folder: tempfile::TempDir,
    admin: String,
}

impl Walk {
    fn new() -> Walk {
        let walk = Walk {
            name: unique_name("walk"),
            folder: tempfile::tempdir().unwrap(),
            admin: format!("127.0.0.1:{}", free_port()),
        };
        fs::write(walk.exports(), "").unwrap();
        walk
    }

    /// What one block exports the next one has.
    fn exports(&self) -> PathBuf {
        self.folder.path().join("exports.sh")
    }

    /// Runs a block as a terminal shows it: what is said on both ways, in its order.
    fn run(&self, code: &str) -> String {
        let exports = self.exports();
        let exports = exports.to_str().unwrap();
        let code = code.replace("--name walk", &format!("--name {}", self.name));
        let script = format!("source {exports}\ncd \"$PWD\"\n{code}\nexport -p > {exports}\n");
        let said = self.folder.path().join("said.txt");
        let out = fs::File::create(&said).unwrap();
        let mut command = Command::new("timeout");
        command.args(["300", "bash", "-euo", "pipefail", "-c", &script]).current_dir(root());
        command.stdout(out.try_clone().unwrap()).stderr(out);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SCOREWIRE__")) {
            command.env_remove(name);
        }
        let program = Path::new(env!("CARGO_BIN_EXE_scorewire")).parent().unwrap().to_owned();
        let python = training_python().parent().unwrap().to_owned();
        let before = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{}:{before}", program.display(), python.display()));
        command.env("TMPDIR", self.folder.path()).env("SCOREWIRE__ADMIN__LISTEN", &self.admin);
        let status = command.status().unwrap();
        let said = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
        assert!(status.success(), "{status} of\n{code}\n{said}");
        said
    }

    /// Writes a file of the page into the folder where the walk is.
    fn save(&self, name: &str, text: &str) {
        let folder = self.run("pwd");
        fs::write(Path::new(folder.trim()).join(name), text).unwrap();
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        for script in ["scripts/kafka", "scripts/registry"] {
            // Nothing more can be done if it fails.
            let _ = Command::new(root().join(script)).args(["down", "--name", &self.name]).output();
        }
    }
}

#[test]
#[ignore = "needs LightGBM and its converter, and a Kafka and a registry of its own: scripts/test --long"]
fn the_walk_says_what_the_page_shows() {
    // A machine without shared ones has none to start either.
    let (Some(_), Some(_)) = (RealKafka::connect(), RealRegistry::connect()) else { return };
    let page = Page::read(PAGE);
    let walk = Walk::new();
    let mut took: Vec<(String, Duration)> = Vec::new();
    let mut last = None;
    for Block { step, language, code } in blocks(&page.text) {
        match language.as_str() {
            "python" | "toml" => walk.save(file_name(&code), &format!("{code}\n")),
            "sh" => {
                if code.contains("ReadOutputsById.java") {
                    let reading = Page::read("docs/reading-outputs.md");
                    walk.save("ReadOutputsById.java", reading.blocks("java")[1]);
                }
                let from = Instant::now();
                let said = walk.run(&code);
                let spent = from.elapsed();
                match took.last_mut().filter(|(of, _)| *of == step) {
                    Some((_, sum)) => *sum += spent,
                    None => took.push((step, spent)),
                }
                last = Some((code, said));
            }
            "text" | "json" => {
                let (command, said) = last.take().expect("a command stands before what it says");
                let (said, shown) = (plain(&said), plain(&code));
                let (said_lines, shown_lines): (Vec<_>, Vec<_>) = (said.lines().collect(), shown.lines().collect());
                assert!(fits(&said_lines, &shown_lines), "{command}\nsays\n{said}\nand the page shows\n{shown}");
            }
            other => panic!("nothing is known of blocks of {other}"),
        }
    }
    let all: Duration = took.iter().map(|(_, spent)| *spent).sum();
    took.iter().for_each(|(step, spent)| println!("{:6.1} s  {step}", spent.as_secs_f64()));
    println!("{:6.1} s  in all", all.as_secs_f64());
    assert!(all < Duration::from_secs(600), "ten minutes");
}

/// A file's first line is a comment with its name.
fn file_name(code: &str) -> &str {
    let first = code.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a name");
    first.split(':').next().unwrap()
}

/// Whether all was said that is shown, and nothing else but where the page has a line of three dots.
fn fits(said: &[&str], shown: &[&str]) -> bool {
    match (said, shown) {
        (_, ["...", rest @ ..]) => (0..=said.len()).any(|left_out| fits(&said[left_out..], rest)),
        ([one, said @ ..], [other, shown @ ..]) => one == other && fits(said, shown),
        _ => said.is_empty() && shown.is_empty(),
    }
}

/// Without what differs from machine to machine and from run to run: addresses, ids that the registry gives, times, the hash of
/// the model and the digits of a score behind the fourth, and what a library of Confluent's Python says of itself.
fn plain(text: &str) -> String {
    let is_librarys = |line: &&str| line.contains("AuthlibDeprecationWarning") || line.contains("import httpx2");
    text.lines().filter(|line| !is_librarys(line)).map(|line| plain_line(line.trim_end()) + "\n").collect()
}

fn plain_line(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let run = |is_one: fn(&char) -> bool| rest.chars().take_while(is_one).count();
        let (digits, hex) = (run(char::is_ascii_digit), run(char::is_ascii_hexdigit));
        let is_given = ["127.0.0.1:", " id ", "commits="].iter().any(|before| plain.ends_with(before));
        let time = "2026-11-30T06:21:01.526454Z".len();
        let (shown, len) = match first {
            '0'..='9' if plain.is_empty() && rest.get(10..11) == Some("T") && rest.len() > time => ("#", time),
            _ if hex == 64 => ("#", hex),
            '0'..='9' if is_given => ("#", digits),
            '0'..='9' if plain.ends_with('.') && digits > 4 => (&rest[..4], digits),
            '0'..='9' => (&rest[..digits], digits),
            _ => (&rest[..first.len_utf8()], first.len_utf8()),
        };
        plain.push_str(shown);
        rest = &rest[len..];
    }
    plain
}

#[test]
fn what_may_differ_is_left_out_and_nothing_else() {
    for (text, expected) in [
        ("ok  broker 1 at 127.0.0.1:23141", "ok  broker 1 at 127.0.0.1:#"),
        ("model-outputs-value: registered, id 41", "model-outputs-value: registered, id #"),
        ("score 0.0031, 0.000262677669, 5000 records", "score 0.0031, 0.0002, 5000 records"),
        ("2026-11-30T06:21:01.526454Z  INFO x commits=3 committed=5", "#  INFO x commits=# committed=5"),
        (&"0123456789abcdef".repeat(4), "#"),
    ] {
        assert_eq!(plain_line(text), expected);
    }
    let said = ["a", "b", "c", "d"];
    for (shown, is_said) in [
        (&said[..], true),
        (&["a", "...", "d"], true),
        (&["...", "c", "d", "..."], true),
        (&["a", "..."], true),
        (&["a", "b", "c"], false),
        (&["a", "...", "e"], false),
        (&["b", "..."], false),
    ] {
        assert_eq!(fits(&said, shown), is_said, "{shown:?}");
    }
}

/// What a page's block pins of one package.
fn pins(text: &str) -> Vec<(String, String)> {
    let words = text.split([' ', '\n', '\'']).filter_map(|word| word.split_once("=="));
    // `confluent-kafka[avro,schemaregistry]` is installed without what it asks for beside it.
    words.map(|(name, version)| (name.split('[').next().unwrap().to_owned(), version.to_owned())).collect()
}

#[test]
fn the_page_has_the_packages_that_its_test_runs_with() {
    let page = Page::read(PAGE);
    let told = page.blocks("sh").into_iter().flat_map(pins).collect::<Vec<_>>();
    assert!(told.len() > 5, "{told:?}");
    let installed = pins(&fs::read_to_string(root().join("scripts/train.d/requirements.txt")).unwrap());
    told.iter().for_each(|pin| assert!(installed.contains(pin), "{pin:?} is not in scripts/train.d/requirements.txt"));
}

#[test]
fn the_pages_table_has_every_step_and_their_sum_is_below_ten_minutes() {
    let page = Page::read(PAGE);
    let (_, table) = page.text.split_once("| step | seconds |\n").expect("a table");
    let cells = |line: &str| {
        let [name, seconds] = line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        (name.to_owned(), seconds.parse::<u64>().unwrap_or_else(|_| panic!("{line}")))
    };
    let rows: Vec<(String, u64)> = table.lines().skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    let (all, rows) = rows.split_last().unwrap();
    let mut steps: Vec<String> = blocks(&page.text).into_iter().map(|block| block.step).collect();
    steps.dedup();
    assert_eq!(rows.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), steps);
    assert_eq!(rows.iter().map(|(_, seconds)| seconds).sum::<u64>(), all.1);
    assert!(all.1 < 300, "well under ten minutes");
}
