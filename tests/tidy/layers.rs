//! The rules that concern what may know what: the direction of imports, and the fences around libraries, clocks,
//! threads and fatal errors.

use super::rules::Finding;
use super::scan::Source;

/// What each folder (or file) under `src/` may import of the crate. `lib.rs` only declares; `main.rs` only calls.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("failpoint", &[]),
    ("memory", &[]),
    ("record", &["error"]),
    ("values", &["error", "record"]),
    ("edge", &["error", "record", "values"]),
    ("avro", &["error", "record", "values", "edge"]),
    ("observe", &["error", "memory", "record", "values", "edge"]),
    ("model", &["error", "memory", "record", "values", "edge", "avro"]),
    ("kafka", &["error", "failpoint", "record", "values", "edge"]),
    ("pipeline", &["error", "failpoint", "record", "values", "edge", "avro", "observe"]),
    ("config", &["error", "record", "values", "edge", "model", "observe", "kafka"]),
    ("load", &["error", "record", "values", "edge", "avro", "observe", "kafka"]),
    // Where the real doors meet the pipeline.
    ("node", &["error", "record", "values", "edge", "avro", "model", "observe", "kafka", "pipeline", "config"]),
    (
        "cli",
        &[
            "error", "record", "values", "edge", "avro", "model", "observe", "kafka", "pipeline", "config", "load",
            "node",
        ],
    ),
    ("main", &["error", "cli"]),
    ("lib", &[]),
];

/// A name that only some places may use.
struct Fence {
    /// Consecutive segments of a path; the first one anchored at the path's start where `at_start`.
    names: &'static [&'static [&'static str]],
    at_start: bool,
    only_in: &'static [&'static str],
    why: &'static str,
}

const FENCES: &[Fence] = &[
    Fence {
        names: &[&["rdkafka"], &["rdkafka_sys"]],
        at_start: true,
        only_in: &["src/kafka/"],
        why: "only src/kafka/ knows the Kafka client",
    },
    Fence {
        names: &[&["ort"], &["ort_sys"]],
        at_start: true,
        only_in: &["src/model/"],
        why: "only src/model/ knows ONNX Runtime",
    },
    Fence {
        names: &[&["Instant", "now"], &["SystemTime"], &["elapsed"], &["clock_gettime"]],
        at_start: false,
        only_in: &[
            "src/load/",
            "src/observe/",
            "src/pipeline/clock.rs",
            // The client's own time, on its own thread; and deadlines of steps that no record waits in.
            "src/kafka/held_copies.rs",
            "src/kafka/passing.rs",
            "src/kafka/starting_offsets.rs",
            "src/kafka/last_records.rs",
            "src/kafka/ear.rs",
            "src/kafka/examine.rs",
        ],
        why: "time is read once per stage boundary and passed in (edge::Clock)",
    },
    Fence {
        names: &[&["thread", "spawn"], &["thread", "Builder"], &["thread", "scope"], &["spawn_blocking"]],
        at_start: false,
        // The last one lives for the time of a start, in which the main thread waits for brokers and hears no signal.
        only_in: &["src/load/", "src/observe/", "src/pipeline/", "src/cli/signals.rs"],
        why: "threads begin in one file of src/pipeline/, in src/load/, in src/observe/ and in src/cli/signals.rs",
    },
];

/// A name that some places may not use.
struct Ban {
    places: &'static [&'static str],
    names: &'static [&'static [&'static str]],
    why: &'static str,
}

/// Where a record's bytes are read: what is compiled from its schema, and what runs it.
const DECODING: &[&str] = &["src/avro/decode", "src/avro/plan", "src/avro/read", "src/avro/skip", "src/avro/wire"];

const ROOMS_OF_LOAD: &str = "rooms of src/load/ import one way: run -> report -> verify -> send -> simulate";

const BANS: &[Ban] = &[
    Ban {
        places: DECODING,
        names: &[&["apache_avro"], &["Fatal"]],
        why: "decoding trusts only its own plan (apache_avro accepts truncated and trailing bytes) and rejects records",
    },
    Ban { places: &["src/pipeline/"], names: &[&["apache_avro"]], why: "apache_avro is never on a record's way" },
    Ban {
        places: &[
            "src/pipeline/ingest/decode",
            "src/pipeline/ingest/inbox",
            "src/pipeline/score/",
            "src/pipeline/decide",
            "src/pipeline/deliver/emit",
        ],
        names: &[&["Fatal"]],
        why: "what handles one record rejects it, and never ends the process",
    },
    Ban {
        places: &["src/load/verify/"],
        names: &[&["crate", "pipeline"], &["crate", "avro"], &["crate", "model"]],
        why: "the verifier may not share a mistake with what it verifies",
    },
    Ban { places: &["src/load/simulate/"], names: &[&["load", "send"]], why: ROOMS_OF_LOAD },
    Ban { places: &["src/load/simulate/", "src/load/send/"], names: &[&["load", "verify"]], why: ROOMS_OF_LOAD },
    Ban {
        places: &["src/load/simulate/", "src/load/send/", "src/load/verify/"],
        names: &[&["load", "report"]],
        why: ROOMS_OF_LOAD,
    },
    Ban {
        places: &["src/load/simulate/", "src/load/send/", "src/load/verify/", "src/load/report/"],
        names: &[&["load", "run"]],
        why: ROOMS_OF_LOAD,
    },
];

/// The folder under `src/`, or the file's own name beside them.
fn layer_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    Some(inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs"))
}

/// Imports point one way.
pub fn imports(source: &Source) -> Vec<Finding> {
    let Some(layer) = layer_of(&source.path) else { return Vec::new() };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![(1, format!("`{layer}` has no place in LAYERS of tests/tidy/layers.rs: say what it may import"))];
    };
    let mut found = Vec::new();
    for (line, path) in source.paths() {
        let Some(inner) = crate_path(&source.path, &path).filter(|_| !source.lines[line].is_test) else { continue };
        let Some(target) = inner.first().filter(|target| LAYERS.iter().any(|(name, _)| name == target)) else {
            continue;
        };
        if target != layer && !allowed.contains(&target.as_str()) {
            found.push((
                line + 1,
                format!("`{layer}` may not import `{}` (it may: {})", path.join("::"), allowed.join(", ")),
            ));
        }
    }
    found
}

/// The part of a path after the crate's name, if it starts at the crate.
fn crate_path<'a>(file: &str, path: &'a [String]) -> Option<&'a [String]> {
    match path.first()?.as_str() {
        "crate" | "scorewire" => Some(&path[1..]),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let inner = file.strip_prefix("src/")?.trim_end_matches(".rs");
            let depth = inner.split('/').filter(|part| *part != "mod").count();
            (ups == depth).then(|| &path[ups..])
        }
        _ => None,
    }
}

/// Libraries, clocks and threads stay behind their fences; tests may climb over.
pub fn fences(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let paths = source.paths();
    for fence in FENCES.iter().filter(|fence| !fence.only_in.iter().any(|place| source.path.starts_with(place))) {
        for &(line, ref path) in &paths {
            let is_named = fence.names.iter().any(|name| names(path, name, fence.at_start));
            if is_named && source.path.starts_with("src/") && !source.lines[line].is_test {
                found.push((line + 1, format!("`{}`: {}", path.join("::"), fence.why)));
            }
        }
    }
    found
}

/// Names that certain files must do without.
pub fn bans(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for ban in BANS.iter().filter(|ban| ban.places.iter().any(|place| source.path.starts_with(place))) {
        for (line, path) in source.paths() {
            if ban.names.iter().any(|name| names(&path, name, false)) && !source.lines[line].is_test {
                found.push((line + 1, format!("`{}`: {}", path.join("::"), ban.why)));
            }
        }
    }
    found
}

/// More than one file of `src/pipeline/` that starts threads: the second and further ones.
pub fn thread_starters(sources: &[Source]) -> Vec<String> {
    let starts = |source: &&Source| {
        source.path.starts_with("src/pipeline/")
            && source.paths().iter().any(|(line, path)| {
                !source.lines[*line].is_test && FENCES[3].names.iter().any(|name| names(path, name, false))
            })
    };
    sources.iter().filter(starts).skip(1).map(|source| source.path.clone()).collect()
}

fn names(path: &[String], name: &[&str], at_start: bool) -> bool {
    let equals = |window: &[String]| window.iter().map(String::as_str).eq(name.iter().copied());
    if at_start { path.get(..name.len()).is_some_and(equals) } else { path.windows(name.len()).any(equals) }
}
