//! What the pages tell a reader to type and to write: each command is one that the program takes, each configuration
//! loads, each link leads somewhere, and the README's way from a configuration to a rolled-out model works from its
//! first line to its last on a real Kafka.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{self, RealKafka, free_port, scorewire, unique_name};
use crate::support::{Page, root};
use scorewire::config::Config;
use scorewire::config::keys::KEYS;
use scorewire::config::machine::Machine;
use scorewire::config::sources::{FlagValue, Sources};
use scorewire::observe::metrics::{METRICS, Metric};

/// Commands of a page: in blocks for a shell, and quoted in its text.
fn commands(page: &Page) -> Vec<String> {
    let lines = page.blocks("sh").into_iter().flat_map(str::lines).map(str::trim);
    let quoted = page.text.split('`').skip(1).step_by(2);
    let plain = |text: &str| text.replace("\\\n", " ");
    lines.chain(quoted).filter(|text| text.starts_with("scorewire ")).map(plain).collect()
}

/// The words of a command up to what a shell makes of it.
fn words(command: &str) -> Vec<&str> {
    let ends = |word: &&str| ["#", "&", "&&", "|", "||", ">", "<", ";", "2>"].contains(word);
    command.split_whitespace().skip(1).take_while(|word| !ends(word)).collect()
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_command_of_the_pages_is_one_that_the_program_takes() {
    let mut seen = BTreeSet::new();
    for page in Page::guides() {
        for command in commands(&page) {
            if !seen.insert(command.clone()) {
                continue;
            }
            // Asked for help behind its arguments, the program first looks at the arguments.
            let output = scorewire().args(words(&command)).arg("--help").output().unwrap();
            assert!(output.status.success(), "{}: `{command}`\n{}", page.path.display(), text_of(&output));
        }
    }
    assert!(seen.len() > 10, "commands are found: {seen:?}");
    let wrong = scorewire().args(words("scorewire load --no-such-flag # x")).arg("--help").output().unwrap();
    assert_eq!(wrong.status.code(), Some(64), "a wrong one would be noticed");
}

/// A folder in which the paths of the pages' configurations lead somewhere.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("models"), folder.path().join("models")).unwrap();
    let schemas = folder.path().join("schemas");
    std::fs::create_dir(&schemas).unwrap();
    std::fs::copy(root().join("models/card-fraud-gbdt/transaction.avsc"), schemas.join("17.avsc")).unwrap();
    folder
}

/// The text with absolute paths in quotes moved under `folder`, where a file is made for each.
fn moved(text: &str, folder: &Path) -> String {
    let mut moved = text.to_owned();
    for path in text.split('"').skip(1).step_by(2).filter(|quoted| quoted.starts_with('/')) {
        let file = folder.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "secret\n").unwrap();
        moved = moved.replace(&format!("\"{path}\""), &format!("\"{}\"", file.display()));
    }
    moved
}

#[test]
fn every_configuration_of_the_pages_loads() {
    let mut loaded = 0;
    for page in Page::guides() {
        for block in page.blocks("toml") {
            let sections = block.lines().filter_map(|line| line.strip_prefix('[')?.split(['.', ']']).next());
            let ours = ["kafka", "topics", "limits", "schemas", "lanes", "admin", "log", "review", "dead_letters"];
            let is_package = block.starts_with("format = ") || block.contains("[[features]]");
            if is_package || !sections.clone().any(|section| ours.contains(&section)) {
                continue;
            }
            let folder = folder();
            let file = folder.path().join("scorewire.toml");
            std::fs::write(&file, moved(block, folder.path())).unwrap();
            let say = |key: &str, value: &str| FlagValue {
                flag: format!("--set {key}"),
                key: key.to_owned(),
                value: value.to_owned(),
            };
            // A part of a configuration gets what is required beside it.
            let rest =
                [("kafka.bootstrap", "b:9092"), ("kafka.group", "g"), ("model.package", "models/card-fraud-gbdt")];
            let of_registry = [("schemas.registry.urls", "https://r:8081"), ("schemas.registry.cache_dir", "kept")];
            let has_registry = block.contains("[schemas.registry");
            let rest = rest.iter().chain(of_registry.iter().filter(|_| has_registry));
            let lacks = |key: &str| !block.contains(&format!("\n{} = ", key.rsplit_once('.').unwrap().1));
            let flags = rest.filter(|(key, _)| lacks(key)).map(|(key, value)| say(key, value)).collect();
            let sources = Sources { file: Some(file), env: Vec::new(), flags };
            let config = Config::load(&sources, &Machine::current());
            assert!(config.is_ok(), "{}:\n{block}\n{}", page.path.display(), config.err().unwrap());
            loaded += 1;
        }
    }
    assert!(loaded >= 1, "configurations are found");
}

#[test]
fn every_key_and_every_metric_that_the_pages_name_is_one() {
    let sections: BTreeSet<&str> = KEYS.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let metrics: BTreeSet<String> = METRICS.iter().map(Metric::full_name).collect();
    let (mut keys, mut named) = (0, 0);
    for page in Page::guides() {
        for quoted in page.text.split('`').skip(1).step_by(2) {
            let word = quoted.split([' ', '=', '{']).next().unwrap();
            let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if word.starts_with("scorewire_") {
                assert!(metrics.contains(word), "{}: `{quoted}` is no metric", page.path.display());
                named += 1;
            }
            // `[output]` and `[transaction]` are sections of a package, `output.column` one of its keys.
            let Some((section, key)) = word.split_once('.').filter(|(_, key)| is_name(key)) else { continue };
            let is_file = ["toml", "md", "avro", "csv", "py", "rs", "avsc", "onnx", "properties"].contains(&key);
            // The same words in an output and in a package.
            let is_elsewhere = ["thresholds", "model", "review"].contains(&section) && !KEYS.contains(&word);
            if sections.contains(section) && !is_file && !is_elsewhere {
                assert!(KEYS.contains(&word), "{}: `{quoted}` is no key", page.path.display());
                keys += 1;
            }
        }
    }
    assert!(keys > 5 && named > 2, "{keys} keys and {named} metrics are found");
}

#[test]
fn every_link_of_the_pages_leads_to_a_file() {
    for page in Page::all() {
        let beside = root().join(&page.path).parent().unwrap().to_owned();
        for target in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, _) = target.split_once('#').unwrap_or((target, ""));
            let is_elsewhere = file.contains("://") || file.is_empty() || file.contains(' ');
            assert!(is_elsewhere || beside.join(file).exists(), "{}: {target}", page.path.display());
        }
    }
}

/// The README's way on topics, a group and a port of the test's own.
struct Way {
    folder: tempfile::TempDir,
    page: String,
    file: String,
    topics: Vec<(String, String)>,
    port: u16,
}

impl Way {
    fn new(kafka: &RealKafka) -> Way {
        let (base, port) = (unique_name("readme"), free_port());
        let names = ["input", "outputs", "review", "dead_letters", "timeouts"];
        let topics: Vec<(String, String)> = names
            .map(|name| (format!("SCOREWIRE__TOPICS__{}", name.to_uppercase()), format!("{base}.{name}")))
            .to_vec();
        topics.iter().for_each(|(_, topic)| kafka.create_topic(topic, 4, &[]));
        let file = format!("{base}.toml");
        // Only places and names that belong to the reader's own cluster.
        let own = [
            ("broker-1:9092", kafka.bootstrap()),
            ("fraud-scoring", &base),
            ("localhost:9464", &format!("127.0.0.1:{port}")),
            ("scorewire.toml", &file),
        ];
        let page = own.iter().fold(Page::read("README.md").text, |text, (shown, real)| text.replace(shown, real));
        Way { folder: tempfile::tempdir().unwrap(), page, file, topics, port }
    }

    /// Runs a block's commands as a shell does, without those that build. What runs on goes on behind its back.
    fn run(&self, block: &str) -> String {
        let is_building = |line: &str| ["cargo ", "export ", "scripts/"].iter().any(|start| line.starts_with(start));
        let lines: Vec<&str> = block.lines().filter(|line| !is_building(line)).collect();
        let script = self.folder.path().join("block.sh");
        std::fs::write(&script, lines.join("\n")).unwrap();
        let said = self.folder.path().join("said.txt");
        let to = |path: &Path| std::fs::File::create(path).unwrap();
        let mut command = Command::new("timeout");
        command.args(["120", "bash", "-euo", "pipefail"]).arg(&script).current_dir(self.folder.path());
        let program = Path::new(env!("CARGO_BIN_EXE_scorewire")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("SCOREWIRE__ADMIN__LISTEN", format!("127.0.0.1:{}", self.port));
        command.envs(self.topics.iter().cloned());
        let status = command.stdout(to(&said)).stderr(to(&said.with_extension("err"))).status().unwrap();
        let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let told = text(&said) + &text(&said.with_extension("err"));
        assert!(status.success(), "{status} of\n{}\n{told}", lines.join("\n"));
        told
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // What the page left running: it is known by the file that only this test has.
        let pattern = format!("scorewire run -c {}", self.file);
        let _ = Command::new("pkill").args(["-KILL", "-f", &pattern]).status();
    }
}

/// A block's `scorewire run` in the foreground is the first terminal's: here it goes on beside what follows.
fn beside(block: &str, way: &Way) -> String {
    let run = format!("scorewire run -c {}", way.file);
    let ready = format!("until curl -sf 127.0.0.1:{}/readyz; do sleep 0.1; done", way.port);
    block.lines().map(|line| if line == run { format!("{run} &\n{ready}\n") } else { format!("{line}\n") }).collect()
}

#[test]
fn the_readmes_way_from_a_configuration_to_a_new_model_works() {
    let Some(kafka) = RealKafka::connect() else { return };
    let way = Way::new(&kafka);
    let page = Page { path: "README.md".into(), text: way.page.clone() };
    std::os::unix::fs::symlink(root().join("models"), way.folder.path().join("models")).unwrap();
    let smallest = page.blocks("toml").into_iter().find(|block| block.starts_with("[kafka]")).expect("the smallest");
    std::fs::write(way.folder.path().join(&way.file), smallest).unwrap();

    let (_, after) = page.text.split_once("## Quick start").unwrap();
    let quick = Page { path: "README.md".into(), text: after.to_owned() };
    let blocks: Vec<&str> = quick.blocks("sh");
    let told: Vec<String> = blocks.iter().map(|block| way.run(&beside(block, &way))).collect();
    let [init, check, load, rollout] = &told[..] else { panic!("other blocks: {blocks:?}") };
    assert!(init.contains("wrote reference.toml"), "{init}");
    assert!(check.contains("enriched-context") || check.contains(&way.topics[0].1), "{check}");
    assert!(load.contains("each of") && load.contains("card-fraud-gbdt"), "every outcome, and the status:\n{load}");
    assert!(rollout.contains("card-fraud-mlp"), "{rollout}");
    let status = common::http_get(way.port, "/status").expect("the new process answers").1;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["model"]["name"], &status["ready"]), (&"card-fraud-mlp".into(), &true.into()));
}
