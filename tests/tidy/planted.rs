//! Every rule shown to fail where it must, and to hold where a careless one would cry: on planted sources.

use super::circles::circles;
use super::layers::{ban_lints, bans, fences, imports, thread_starters};
use super::rules::{self, Finding};
use super::scan::Source;

fn lines_found(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::parse(path, text)).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn an_import_against_the_direction_is_found() {
    let upwards = "use crate::lane::Lane;";
    assert_eq!(lines_found(imports, "src/doors/mod.rs", upwards), [1]);
    assert_eq!(lines_found(imports, "src/avro/decode.rs", "use crate::{\n    error::Reject,\n    kafka::X,\n};"), [3]);
    assert_eq!(lines_found(imports, "src/lane/drive.rs", "fn f() -> crate::kafka::consumer::C {}"), [1]);
    assert_eq!(lines_found(imports, "src/model/session.rs", "use super::super::load::X;"), [1]);
    assert_eq!(lines_found(imports, "src/kafka/producer/sink.rs", "use crate::observe::stats::X;"), [1]);
    assert_eq!(lines_found(imports, "src/values/topics.rs", "use crate::doors::X;"), [1]);
    assert_eq!(lines_found(imports, "src/error.rs", "use super::values::X;"), [1]);
    assert_eq!(lines_found(imports, "src/main.rs", "use scorewire::lane::drive;"), [1]);
    assert_eq!(lines_found(imports, "src/surprise/mod.rs", ""), [1], "a new folder needs a place");
}

#[test]
fn an_import_with_the_direction_is_fine() {
    for (path, text) in [
        ("src/cli/run.rs", "use crate::lane::Lane;"),
        ("src/lane/deliver/emit.rs", "use crate::{avro::encode::Encoder, doors::{Sink, Source}};"),
        ("src/lane/deliver/emit.rs", "use super::batch::Batch;"),
        ("src/model/deep/inner.rs", "use super::super::contract::Contract;"),
        ("src/kafka/producer/sink.rs", "use crate::values::settings::ForwardHeaders;"),
        ("src/doors/mod.rs", "// use crate::lane::Lane;\nconst S: &str = \"crate::lane\";"),
        ("src/avro/plan.rs", "#[cfg(test)]\nmod tests {\n    use crate::load::simulate::simulator::Simulator;\n}"),
    ] {
        assert!(lines_found(imports, path, text).is_empty(), "{path}: {text}");
    }
    let below_tests = "#[cfg(test)]\nmod tests {\n}\nuse crate::cli::X;";
    assert_eq!(lines_found(imports, "src/avro/plan.rs", below_tests), [4], "after the tests the rule holds again");
}

/// What is found among files of `src/lane/`, each a name and its text.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let parse = |(name, text): &(&str, &str)| Source::parse(&format!("src/lane/{name}.rs"), text);
    let module = (!files.iter().any(|(name, _)| *name == "mod")).then(|| Source::parse("src/lane/mod.rs", "mod a;"));
    circles(&files.iter().map(parse).chain(module).collect::<Vec<_>>())
}

#[test]
fn a_circle_of_three_files_is_found_with_its_arrows() {
    let ring = [
        ("a", "use super::b::B;"),
        ("b", "use crate::lane::c;\nfn f() { c::f() }"),
        ("deep/mod", "use crate::lane::a;"),
        ("c", "impl X for super::a::{A, Z} {}"),
    ];
    let found = circles_of(&ring);
    let words = "3 files import each other in a circle: src/lane/a.rs, src/lane/b.rs, src/lane/c.rs\n    \
        src/lane/a.rs -> src/lane/b.rs: B\n    src/lane/b.rs -> src/lane/c.rs: c\n    src/lane/c.rs -> src/lane/a.rs: A, Z";
    assert_eq!(found, [words]);

    // What a module passes on comes from the file that has it, under whatever name.
    let passed = [
        ("mod", "mod a;\nmod b;\nmod c;\npub use {a::A, b::{self, B}};\npub(super) use c::make as build;"),
        ("a", "use super::B;"),
        ("b", "use crate::lane::build;"),
        ("c", "use super::{A as First, A};"),
    ];
    assert!(circles_of(&passed)[0].starts_with("3 files import each other in a circle: src/lane/a.rs, src/lane/b.rs"));

    // A parent that needs its children, which need it.
    let parent =
        [("mod", "use a::A;\nuse self::b::B;\npub struct Lane;"), ("a", "use super::Lane;"), ("b", "use super::*;")];
    assert!(circles_of(&parent)[0].starts_with("3 files"), "{:?}", circles_of(&parent));
    let two_rings = [("a", "use super::b::B;"), ("b", "use super::{a::A, c::C};"), ("c", "use super::b::B;")];
    assert_eq!(circles_of(&two_rings).len(), 1, "two pairs that share a file are a knot of three");
}

#[test]
fn what_is_no_circle_of_three_is_fine() {
    for files in [
        &[("a", "use super::b::B;"), ("b", "use super::a::A;"), ("c", "use super::a::A;")][..],
        &[
            ("a", "use super::b::B;"),
            ("b", "use super::c::C;"),
            ("c", "#[cfg(test)]\nmod tests {\n    use super::super::a::A;\n}"),
        ],
        &[
            ("a", "use super::b::B;"),
            ("b", "use super::c::C;"),
            ("c", "// use super::a::A;\nconst S: &str = \"crate::lane::a\";"),
        ],
        // A module passes on what its children have; they take it of each other.
        &[("mod", "pub use a::A;\npub use b::B;"), ("a", "use super::B;"), ("b", "")],
        // To be seen by a place is not to need it.
        &[("mod", "use a::A;\nuse b::B;"), ("a", "pub(super) struct A;"), ("b", "pub(in crate::lane) fn b(self) {}")],
        // The same names from elsewhere.
        &[("a", "use super::b::B;"), ("b", "use super::c::C;"), ("c", "use ndarray::a::A;\nfn f() { a::g() }")],
    ] {
        assert_eq!(circles_of(files), [""; 0], "{files:?}");
    }
}

#[test]
fn a_struct_of_the_lane_that_owns_too_much_is_found() {
    let of = |fields: usize| {
        let fields: String =
            (0..fields).map(|n| format!("    /// Said.\n    pub(super) field_{n}: Vec<u8>,\n")).collect();
        format!("//! A.\npub struct Knot<T> {{\n{fields}}}\n")
    };
    let most = rules::LANE_FIELDS_MAX;
    assert_eq!(lines_found(rules::lane_fields, "src/lane/a.rs", &of(most + 1)), [2]);
    assert!(lines_found(rules::lane_fields, "src/lane/a.rs", &of(most)).is_empty());
    assert!(lines_found(rules::lane_fields, "src/load/a.rs", &of(most + 1)).is_empty());
}

#[test]
fn what_jumps_a_fence_is_found() {
    for text in ["use rdkafka::Message;", "use ort::{session::Session};", "use {std::io, rdkafka_sys::types};"] {
        assert_eq!(lines_found(fences, "src/avro/wire.rs", text), [1], "{text}");
        let in_test = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}");
        assert!(lines_found(fences, "src/avro/wire.rs", &in_test).is_empty(), "in tests: {text}");
    }
    assert!(lines_found(fences, "src/kafka/consumer/source.rs", "use rdkafka::Message;").is_empty());
    assert_eq!(lines_found(fences, "src/lane/drive.rs", "\nort::init()"), [2]);
    assert!(lines_found(fences, "src/avro/wire.rs", "let port = \"rdkafka::X\"; // ort::init()").is_empty());
    assert!(lines_found(fences, "src/avro/wire.rs", "fn f(port: Port, report: Sort) {}").is_empty());
}

#[test]
fn a_banned_name_is_found() {
    assert_eq!(lines_found(bans, "src/avro/decode/read.rs", "use apache_avro::Schema;"), [1]);
    assert_eq!(lines_found(bans, "src/lane/drive.rs", "apache_avro::from_avro_datum()"), [1]);
    assert!(lines_found(bans, "src/avro/compile.rs", "use apache_avro::Schema;").is_empty());
    assert_eq!(lines_found(bans, "src/kafka/client/conf.rs", "use crate::kafka::consumer::KafkaSource;"), [1]);
    assert!(lines_found(bans, "src/kafka/producer/sink.rs", "use crate::kafka::consumer::KafkaSource;").is_empty());
    assert_eq!(lines_found(bans, "src/lane/deliver/emit.rs", "use crate::error::{Fatal, Reject};"), [1]);
    assert!(lines_found(bans, "src/lane/drive.rs", "use crate::error::{Fatal, Reject};").is_empty());
    assert_eq!(lines_found(bans, "src/load/verify/verifier.rs", "use crate::{\nerror::X, avro::wire\n};"), [2]);
    assert_eq!(lines_found(bans, "src/load/verify/faults.rs", "use crate::load::run::plan::LoadPlan;"), [1]);
    assert!(lines_found(bans, "src/load/run/review.rs", "use crate::load::{report::X, verify::Y};").is_empty());
}

#[test]
fn a_crate_that_does_not_deny_what_is_forbidden_is_found() {
    let all = "deny(clippy::disallowed_methods, clippy::disallowed_macros, clippy::disallowed_types, reason = \"so\")";
    assert!(lines_found(ban_lints, "src/main.rs", &format!("#![{all}]")).is_empty());
    assert!(lines_found(ban_lints, "src/lib.rs", &format!("#![cfg_attr(not(test), {all})]")).is_empty());
    assert!(lines_found(ban_lints, "src/avro/wire.rs", "").is_empty());
    assert_eq!(lines_found(ban_lints, "src/main.rs", "#![deny(clippy::disallowed_methods)]"), [1, 1]);
    assert_eq!(lines_found(ban_lints, "src/lib.rs", &format!("// #![{all}]")), [1, 1, 1]);
}

#[test]
fn a_second_file_that_starts_threads_is_found() {
    for text in ["thread::spawn(f);", "use std::{io, thread::{self, Builder}};"] {
        assert_eq!(
            thread_starters(&[Source::parse("src/lane/a.rs", text), Source::parse("src/lane/b.rs", text)]).len(),
            1
        );
    }
    let source = |path: &str| Source::parse(path, "thread::spawn(f);");
    let pipeline = [source("src/load/a.rs"), source("src/lane/a.rs"), source("src/lane/b.rs")];
    assert_eq!(thread_starters(&pipeline), ["src/lane/b.rs"]);
    assert!(thread_starters(&pipeline[..2]).is_empty());
    assert!(thread_starters(&[source("src/lane/a.rs"), source("src/lane/a/more.rs")]).is_empty());
}

#[test]
fn a_wrapped_function_without_its_end_is_found() {
    let linker = "[\"rd_kafka_a\", \"rd_kafka_b\"]";
    let one = "//! A.\n//!\n//! Unnecessary when it is there\n//! (`rd_kafka_a`, `rd_kafka_b`).\n\nuse x;";
    let lacking = |texts: &[(&str, &str)]| {
        let sources: Vec<Source> = texts.iter().map(|(path, text)| Source::parse(path, text)).collect();
        rules::wrapped_without_end(linker, &sources)
    };
    assert_eq!(lacking(&[("src/kafka/a.rs", one)]), []);
    let elsewhere = "//! Unnecessary when `rd_kafka_ab` is.\n//!\n//! `rd_kafka_b`\nfn rd_kafka_b() {}";
    assert_eq!(lacking(&[("src/kafka/a.rs", one), ("src/kafka/b.rs", elsewhere)]), []);
    assert_eq!(lacking(&[("src/kafka/a.rs", one), ("src/kafka/b.rs", one)]).len(), 2, "each is told of once");
    assert_eq!(lacking(&[("src/load/a.rs", one)]), [("rd_kafka_a".to_owned(), 0), ("rd_kafka_b".to_owned(), 0)]);
}

#[test]
fn a_long_file_and_a_long_function_are_found() {
    let long = |lines: usize| "//\n".repeat(lines);
    assert_eq!(lines_found(rules::file_size, "src/a.rs", &long(401)), [401]);
    assert!(lines_found(rules::file_size, "src/a.rs", &long(400)).is_empty());

    let function =
        |inner: usize| format!("\nfn f<T>(x: [u8; 2]) -> T\n{{\n{}}}\nfn g() {{}}\n", "    x;\n".repeat(inner));
    assert_eq!(lines_found(rules::function_size, "src/a.rs", &function(68)), [2], "71 lines");
    assert!(lines_found(rules::function_size, "src/a.rs", &function(67)).is_empty(), "70 lines");

    // Braces that are none: in strings, raw strings, characters, comments.
    let tricky = "fn f<'a>(x: &'a str) {\n let a = \"}\\\"{\"; let b = r#\"{\"{\"#; let c = '{'; let d = '\\''; // {\n /* { /* */ { */ let e = b'{'; let g = '\\u{7b}';\n}\n";
    let sizes: Vec<_> = Source::parse("src/a.rs", &format!("{tricky}{tricky}")).functions();
    assert_eq!(sizes.iter().map(|f| (f.line, f.length)).collect::<Vec<_>>(), [(0, 4), (4, 4)]);
    let bodiless = "trait T {\n    fn f(&self) -> u8;\n    fn g(&self) {}\n}\ntype F = fn(u8) -> u8;";
    let named: Vec<_> = Source::parse("src/a.rs", bodiless).functions().into_iter().map(|f| f.name).collect();
    assert_eq!(named, ["g"]);
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_is_found() {
    for text in ["use std::fmt;", "//!\nfn f() {}", "//! \n", "", "/// of the item\nfn f() {}"] {
        assert_eq!(lines_found(rules::opening_doc, "src/a.rs", text), [1], "{text:?}");
    }
    assert!(lines_found(rules::opening_doc, "src/a.rs", "//! The thing.\n").is_empty());
}

#[test]
fn what_is_left_half_done_is_found() {
    for text in ["todo!()", "unimplemented!(\"later\")", "dbg!(x)", "// TODO: later", "/* FIXME */ f();", "/// XXX"] {
        assert_eq!(lines_found(rules::unfinished, "src/a.rs", text), [1], "{text}");
    }
    let fine = "let todo = \"todo!() TODO\"; // a todo list is no TODOS";
    assert!(lines_found(rules::unfinished, "src/a.rs", fine).is_empty());
}

#[test]
fn an_exception_without_a_reason_is_found() {
    for text in [
        "#[ignore]\nfn f() {}",
        "#[ignore = \"\"]\nfn f() {}",
        "#![allow(dead_code)]",
        "#[allow(\n    dead_code,\n    unused\n)]",
        "#[expect(dead_code)]",
        "#[cfg_attr(test, allow(dead_code))]",
        "/// About the function.\n#[allow(dead_code)]",
    ] {
        assert_eq!(lines_found(rules::reasons, "src/a.rs", text).len(), 1, "{text}");
    }
    for text in [
        "#[ignore = \"takes an hour\"]",
        "#![allow(dead_code, reason = \"a part each\")]",
        "#[allow(\n    dead_code,\n    reason = \"a part each\"\n)]",
        "// The caller's type is given.\n#[allow(clippy::ptr_arg)]",
        "#[allow(clippy::ptr_arg)] // given by the trait",
        "#[derive(Debug)]\n#[cfg(test)]",
        "let allowed = \"#[allow(x)]\"; x.ignore();",
    ] {
        assert!(lines_found(rules::reasons, "src/a.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn unsafe_code_outside_the_list_or_without_its_argument_is_found() {
    let argued = "// SAFETY: the pointer is ours.\nunsafe { f(p) };";
    let allowed = "#![allow(unsafe_code, reason = \"a whim\")]";
    assert_eq!(lines_found(rules::unsafe_code, "src/avro/decode.rs", allowed), [1], "not listed");
    assert_eq!(lines_found(rules::unsafe_code, "src/kafka/consumer/source.rs", argued), [2], "the client's room alone");
    assert!(lines_found(rules::unsafe_code, "src/kafka/client/conf.rs", allowed).is_empty());
    assert_eq!(lines_found(rules::unsafe_code, "src/avro/decode.rs", argued), [2], "not listed");
    assert_eq!(lines_found(rules::unsafe_code, "tests/a.rs", argued), [2], "not in tests either");
    assert!(lines_found(rules::unsafe_code, "src/kafka/client/conf.rs", argued).is_empty());
    assert_eq!(lines_found(rules::unsafe_code, "src/kafka/client/conf.rs", "unsafe { f(p) };"), [1]);
    assert_eq!(lines_found(rules::unsafe_code, "src/kafka/client/conf.rs", "unsafe impl Send for A {}"), [1]);
    let far = format!("// SAFETY: about something else.\n{}unsafe {{ g() }};", "f();\n".repeat(20));
    assert_eq!(lines_found(rules::unsafe_code, "src/kafka/client/conf.rs", &far), [22]);
    let declared = "pub unsafe fn f(p: *const u8) {\n    // SAFETY: the caller's promise.\n    unsafe { g(p) }\n}";
    assert!(lines_found(rules::unsafe_code, "src/model/library.rs", declared).is_empty());
    let only_a_type = "type F = unsafe extern \"C\" fn(u8);\n// unsafe in a comment, \nlet s = \"unsafe\";";
    assert!(lines_found(rules::unsafe_code, "src/model/library.rs", only_a_type).is_empty());
}
