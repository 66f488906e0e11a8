//! The house rules as a test: layers, fences, sizes, and reasons for exceptions. Reads the sources as text, so it knows
//! nothing of types; where a rule is in the way of something good, change the rule here and say why.

mod circles;
mod layers;
mod named;
mod planted;
mod rules;
mod scan;

use std::path::Path;

use rules::Finding;
use scan::Source;

const FOLDERS: &[&str] = &["src", "tests", "benches", "examples", "fuzz"];

/// Applies one rule to every file and fails with all findings, each as `path:line: words`.
#[track_caller]
fn hold(rule: fn(&Source) -> Vec<Finding>) {
    let sources = Source::read_all(FOLDERS);
    assert!(sources.len() > 15, "only {} sources found: wrong folder?", sources.len());
    let mut report = String::new();
    for source in &sources {
        for (line, words) in rule(source) {
            report += &format!("\n  {}:{line}: {words}", source.path);
        }
    }
    assert!(report.is_empty(), "{report}\n");
}

#[test]
fn imports_point_one_way() {
    hold(layers::imports);
}

#[test]
fn files_import_each_other_in_pairs_at_most() {
    let circles = circles::circles(&Source::read_all(FOLDERS));
    assert!(circles.is_empty(), "\n  {}\n", circles.join("\n  "));
}

#[test]
fn libraries_stay_behind_their_fences() {
    hold(layers::fences);
}

#[test]
fn what_clippy_forbids_is_denied_where_it_counts() {
    hold(layers::ban_lints);
}

#[test]
fn what_handles_a_record_knows_neither_apache_avro_nor_fatal_and_the_verifier_stands_alone() {
    hold(layers::bans);
}

#[test]
fn one_file_of_the_lane_starts_threads() {
    let others = layers::thread_starters(&Source::read_all(FOLDERS));
    assert!(others.is_empty(), "threads also start in {others:?}");
}

#[test]
fn what_stands_before_the_kafka_clients_functions_says_when_it_can_go() {
    let lacking = rules::wrapped_without_end(include_str!("../../scripts/build.rs"), &Source::read_all(FOLDERS));
    assert!(
        lacking.is_empty(),
        "functions, and how many files of src/kafka/ say `Unnecessary when` of each: {lacking:?}"
    );
}

#[test]
fn no_struct_of_the_lane_owns_too_much() {
    hold(rules::lane_fields);
}

#[test]
fn files_are_short() {
    hold(rules::file_size);
}

#[test]
fn functions_are_short() {
    hold(rules::function_size);
}

#[test]
fn files_open_with_what_they_are_for() {
    hold(rules::opening_doc);
}

#[test]
fn nothing_is_left_half_done() {
    hold(rules::unfinished);
}

#[test]
fn exceptions_have_reasons() {
    hold(rules::reasons);
}

#[test]
fn unsafe_code_is_listed_and_argued() {
    hold(rules::unsafe_code);
}

#[test]
fn scripts_name_sources_that_are_there() {
    let files = named::files(Path::new("scripts"));
    let named: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| named::sources(text).into_iter().map(move |named| (path, named)))
        .collect();
    assert!(named.len() >= 5, "only {named:?}: wrong folder?");
    let gone: Vec<_> = named.into_iter().filter(|(_, named)| !Path::new(named).exists()).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
