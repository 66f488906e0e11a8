//! Schemas made to cost. The story: eight kilobytes hang the start for ten minutes, and sixty-seven take 2.8 GB. Whoever may
//! put a file into the folder, or register a schema, must not be able to stop a node.
//!
//! Each shape is read and compiled once. Memory is bounded here; the time is printed (`--nocapture`), since a test that
//! asserts times fails on busy machines, and every limit counts work instead.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use crate::avro_support::features;
use crate::counting::held_max;
use scorewire::avro::plan::Plan;
use scorewire::avro::planner::{Answer, News, Planner, Plans};
use scorewire::avro::schemas::{AvroSchema, SchemaDirectory};
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::OnUnknown;

/// The most that one schema may take while it is read and compiled, whatever is in it.
const HELD_MAX: u64 = 320 << 20;

const READER: &str = r#"{"type":"record","name":"T","fields":[{"name":"x","type":"double"}]}"#;

/// A record whose field `x` is wanted, beside others.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"T","fields":[{fields}{{"name":"x","type":"int"}}]}}"#)
}

/// `levels` records, each with two fields of the one before: 2^levels values of `leaf`.
fn doubling(levels: usize, leaf: &str) -> String {
    let mut kind = format!(r#"{{"type":"record","name":"L0","fields":[{{"name":"i","type":{leaf}}}]}}"#);
    for level in 1..levels {
        let below = level - 1;
        kind = format!(
            r#"{{"type":"record","name":"L{level}","fields":[{{"name":"a","type":{kind}}},{{"name":"b","type":"L{below}"}}]}}"#
        );
    }
    record(&format!(r#"{{"name":"bomb","type":{kind}}},"#))
}

fn listed(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, at| {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(all, "{comma}{}", one(at));
        all
    })
}

/// So many fields of one type, in one namespace.
fn mentions(count: usize, space: &str) -> String {
    let fields: String = (0..count).map(|at| format!(r#"{{"name":"f{at}","type":"F"}},"#)).collect();
    let first = format!(r#"{{"name":"e","type":{{"type":"fixed","name":"F","size":4}}}},{fields}"#);
    record(&first).replacen("\"T\"", &format!(r#""T","namespace":"{space}""#), 1)
}

/// What it is, its text, and what becomes of it: a part of the error, or nothing where it is usable.
fn shapes() -> Vec<(&'static str, String, Option<&'static str>)> {
    let wide = |count| {
        let field =
            |at| format!(r#"{{"name":"f{at}","aliases":["a{at}","b{at}"],"type":["null","double"],"default":null}},"#);
        record(&(0..count).map(field).collect::<String>())
    };
    let space = "s".repeat(60_000);
    let aliases = listed(100_000, |at| format!("\"a{at}\""));
    let enums = |count, fits: &str| {
        let branch = |at| format!(r#"{{"type":"enum","name":"E{at}","symbols":["A"]}}"#);
        format!(r#"{{"type":"record","name":"T","fields":[{{"name":"x","type":[{},{fits}]}}]}}"#, listed(count, branch))
    };
    vec![
        ("a wide one of 1,667 fields", wide(1_667), None),
        ("a wide one of 20,000 fields", wide(20_000), None),
        ("a wide one of 34,000 fields", wide(34_000), Some("more than 100000 types")),
        ("forty levels of two ints", doubling(40, "\"int\""), Some("expands to more than 262144 types")),
        ("forty levels of two unions", doubling(40, r#"["int","string","long"]"#), Some("expands to more than 65536")),
        ("forty levels of two doubles", doubling(40, "\"double\""), Some("larger than any payload")),
        ("a union of 30,000 enums and an int", enums(30_000, "\"int\""), None),
        ("a union of 33,000 enums", enums(33_000, "\"null\""), Some("cannot be read")),
        (
            "an enum of 100,000 symbols",
            record(&format!(
                r#"{{"name":"e","type":{{"type":"enum","name":"E","symbols":[{}]}}}},"#,
                listed(100_000, |at| format!("\"S{at}\""))
            )),
            None,
        ),
        (
            "100,000 aliases in a namespace of 60 kB",
            record(&format!(
                r#"{{"name":"e","type":{{"type":"fixed","name":"F","namespace":"{space}","size":4,"aliases":[{aliases}]}}}},"#
            )),
            Some("longer than"),
        ),
        ("30,000 mentions of a name of 500 bytes", mentions(30_000, &"s".repeat(490)), None),
        (
            "a union of a type named 200,000 times",
            {
                let all = listed(200_000, |_| "\"F\"".to_owned());
                record(&format!(
                    r#"{{"name":"e","type":{{"type":"fixed","name":"F","size":4}}}},{{"name":"u","type":[{all}]}},"#
                ))
            },
            Some("more than 100000 types"),
        ),
        (
            "an attribute of 550,000 objects",
            {
                let all = listed(550_000, |_| r#"{"":0}"#.to_owned());
                record(&format!(r#"{{"name":"e","type":"int","attribute":[{all}]}},"#))
            },
            None,
        ),
        ("five megabytes of spaces", record(&" ".repeat(5 << 20)), Some("is larger than 4194304 bytes")),
    ]
}

#[test]
fn schemas_made_to_cost_take_a_bounded_amount_of_memory() {
    let reader = AvroSchema::parse(READER, "reader").unwrap();
    let wanted = features(&["x"]);
    println!("{:<42} {:>9} {:>9} {:>10}  outcome", "schema", "bytes", "ms", "held, MiB");
    for (name, text, expected) in shapes() {
        let start = Instant::now();
        let compile = || {
            let schema = AvroSchema::parse(&text, "bomb").map_err(|error| error.to_string())?;
            Plan::compile(&schema, &reader, &wanted).map(Arc::new).map_err(|error| error.to_string())
        };
        let (outcome, held) = held_max(compile);
        let (ms, mib) = (start.elapsed().as_millis(), held >> 20);
        let says = outcome.as_ref().map_or_else(|why| why.as_str(), |_| "usable");
        println!("{name:<42} {:>9} {ms:>9} {mib:>10}  {:.70}", text.len(), says.replace('\n', " "));
        match (&outcome, expected) {
            (Ok(plan), None) => assert!(plan.remarks().iter().all(|remark| remark.len() < 10_000), "{name}"),
            (Err(why), Some(part)) => assert!(why.contains(part) && why.len() < 10_000, "{name}: {why:.300}"),
            _ => panic!("{name}: {says:.300}"),
        }
        assert!(held <= HELD_MAX, "{name}: {mib} MiB");
    }
}

/// `levels` arrays around a type.
fn nested(levels: usize, leaf: &str) -> String {
    (0..levels).fold(leaf.to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#))
}

/// On a thread with the stack that the node's has: what is deeper is refused before the stack ends.
#[test]
fn types_deep_within_each_other_are_refused_before_the_stack_ends() {
    let deep = |files: usize| {
        let folder = tempfile::tempdir().unwrap();
        for at in 0..files {
            let next = if at + 1 < files { format!("\"N{}\"", at + 1) } else { "\"int\"".to_owned() };
            let field = format!(r#"{{"name":"f","type":{}}}"#, nested(100, &next));
            let text = format!(r#"{{"type":"record","name":"N{at}","fields":[{field},{{"name":"x","type":"int"}}]}}"#);
            std::fs::write(folder.path().join(format!("{at}.avsc")), text).unwrap();
        }
        let source = SchemaDirectory::open(folder.path(), OnUnknown::DeadLetter).unwrap();
        let reader = Arc::new(AvroSchema::parse(&READER.replace("\"T\"", "\"N0\""), "reader").unwrap());
        let mut planner = Planner::new(reader, features(&["x"]), Box::new(source)).unwrap();
        planner.ask(SchemaKey::Id(0), true);
        let answers = std::iter::from_fn(|| planner.news());
        let told = answers.map(|news| match news {
            News::Note(note) => note.text,
            News::Answer(_, Answer::Plan(plan)) => format!("usable: {}", plan.is_some()),
            News::Answer(_, Answer::Pending(why)) => why,
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<String>>()
    };
    let run = move |files| std::thread::Builder::new().stack_size(2 << 20).spawn(move || deep(files)).unwrap().join();
    assert_eq!(run(1).unwrap(), ["usable: true"]);
    let told = run(2).unwrap();
    assert!(told[0].contains("nested deeper than 128 levels"), "{told:?}");
    let told = run(4).unwrap();
    assert!(told[0].contains("nested deeper than 256 levels"), "{told:?}");
}

/// A start must not wait for a pipe, nor read a device to its end.
#[test]
fn what_is_no_regular_file_of_bounded_size_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("1.avsc"), READER).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place("2.avsc")).unwrap();
    std::fs::create_dir(place("3.avsc")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place("4.avsc")).status().unwrap().success());
    std::fs::File::create(place("5.avsc")).unwrap().set_len(1 << 40).unwrap();
    let (source, held) = held_max(|| SchemaDirectory::open(folder.path(), OnUnknown::DeadLetter).unwrap());
    let problems: Vec<String> = source.problems().map(ToString::to_string).collect();
    for (file, part) in
        [("2", "no regular file"), ("3", "no regular file"), ("4", "no regular file"), ("5", "larger than")]
    {
        let told = problems.iter().any(|text| text.contains(&format!("{file}.avsc")) && text.contains(part));
        assert!(told, "{file}: {problems:?}");
    }
    assert!(problems.len() == 4 && held < 16 << 20, "{held} bytes: {problems:?}");
}
