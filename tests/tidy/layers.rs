//! The rules that concern what may know what: the direction of imports, and the fences around libraries, threads of the
//! lane and fatal errors. Clocks, threads and whatever else the house does without everywhere are clippy.toml's.

use super::rules::Finding;
use super::scan::Source;

/// What each folder (or file) under `src/` may import of the crate. `lib.rs` only declares; `main.rs` only calls.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("failpoint", &[]),
    ("memory", &[]),
    ("values", &["error"]),
    ("doors", &["error", "values"]),
    ("compare", &["error", "values"]),
    ("avro", &["error", "values", "doors"]),
    ("observe", &["error", "memory", "values", "compare", "doors"]),
    ("registry", &["error", "values", "doors", "avro", "observe"]),
    // What a node keeps on its disk.
    ("state", &["error", "values", "doors", "observe"]),
    ("model", &["error", "memory", "values", "doors", "avro"]),
    ("kafka", &["error", "failpoint", "values", "doors"]),
    ("lane", &["error", "failpoint", "values", "compare", "doors", "avro", "observe"]),
    ("config", &["error", "values", "doors", "model", "observe", "kafka", "registry"]),
    ("load", &["error", "values", "doors", "avro", "observe", "kafka"]),
    // Where the real doors meet the lane.
    (
        "node",
        &[
            "error", "values", "compare", "doors", "avro", "model", "observe", "registry", "state", "kafka", "lane",
            "config",
        ],
    ),
    // What reads bounded pieces of topics stands on it.
    ("piece", &["error", "doors", "kafka"]),
    // Beside a node: it reads what the node reads and wrote.
    ("prove", &["error", "values", "compare", "doors", "avro", "model", "kafka", "lane", "config", "node", "piece"]),
    // Beside it too: it reads the node's dead letters, and writes its input.
    ("redrive", &["error", "failpoint", "values", "doors", "kafka", "lane", "config", "piece"]),
    (
        "cli",
        &[
            "error", "values", "compare", "doors", "avro", "model", "observe", "registry", "state", "kafka", "lane",
            "config", "load", "node", "piece", "prove", "redrive",
        ],
    ),
    // The allocator is chosen there.
    ("main", &["error", "memory", "cli"]),
    ("lib", &[]),
];

/// A name that only some places may use.
struct Fence {
    /// First segments of a path.
    names: &'static [&'static str],
    only_in: &'static [&'static str],
    why: &'static str,
}

const FENCES: &[Fence] = &[
    Fence {
        names: &["rdkafka", "rdkafka_sys"],
        only_in: &["src/kafka/"],
        why: "only src/kafka/ knows the Kafka client",
    },
    Fence { names: &["ureq"], only_in: &["src/registry/"], why: "only src/registry/ speaks HTTP to others" },
    Fence { names: &["ort", "ort_sys"], only_in: &["src/model/"], why: "only src/model/ knows ONNX Runtime" },
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

const ROOMS_OF_KAFKA: &str =
    "rooms of src/kafka/ import one way: producer -> consumer -> cluster -> {failures, wrapped} -> client -> settings";

const BANS: &[Ban] = &[
    Ban {
        places: DECODING,
        names: &[&["apache_avro"], &["Fatal"]],
        why: "decoding trusts only its own plan (apache_avro accepts truncated and trailing bytes) and rejects records",
    },
    Ban { places: &["src/lane/"], names: &[&["apache_avro"]], why: "apache_avro is never on a record's way" },
    Ban {
        places: &[
            "src/lane/ingest/decode",
            "src/lane/ingest/inbox",
            "src/lane/score/",
            "src/lane/decide",
            "src/lane/deliver/emit",
        ],
        names: &[&["Fatal"]],
        why: "what handles one record rejects it, and never ends the process",
    },
    Ban {
        places: &["src/load/verify/"],
        names: &[&["crate", "lane"], &["crate", "avro"], &["crate", "model"]],
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
    Ban { places: &["src/kafka/settings"], names: &[&["kafka", "client"]], why: ROOMS_OF_KAFKA },
    Ban {
        places: &["src/kafka/settings", "src/kafka/client/"],
        names: &[&["kafka", "failures"], &["kafka", "wrapped"]],
        why: ROOMS_OF_KAFKA,
    },
    Ban {
        places: &["src/kafka/settings", "src/kafka/client/", "src/kafka/failures/", "src/kafka/wrapped/"],
        names: &[&["kafka", "cluster"], &["kafka", "consumer"], &["kafka", "producer"]],
        why: ROOMS_OF_KAFKA,
    },
    Ban {
        places: &["src/kafka/cluster/"],
        names: &[&["kafka", "consumer"], &["kafka", "producer"]],
        why: ROOMS_OF_KAFKA,
    },
    Ban { places: &["src/kafka/consumer/"], names: &[&["kafka", "producer"]], why: ROOMS_OF_KAFKA },
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

/// Libraries stay behind their fences; tests may climb over.
pub fn fences(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let paths = source.paths();
    for fence in FENCES.iter().filter(|fence| !fence.only_in.iter().any(|place| source.path.starts_with(place))) {
        for &(line, ref path) in &paths {
            let is_named = path.first().is_some_and(|first| fence.names.contains(&first.as_str()));
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
            if ban.names.iter().any(|name| names(&path, name)) && !source.lines[line].is_test {
                found.push((line + 1, format!("`{}`: {}", path.join("::"), ban.why)));
            }
        }
    }
    found
}

/// What starts threads.
const STARTS: &[&[&str]] = &[&["thread", "spawn"], &["thread", "Builder"], &["thread", "scope"], &["spawn_blocking"]];

/// More than one file of `src/lane/` that starts threads, with the folder of its name: the second and further ones.
pub fn thread_starters(sources: &[Source]) -> Vec<String> {
    let starts = |source: &&Source| {
        source.path.starts_with("src/lane/")
            && source
                .paths()
                .iter()
                .any(|(line, path)| !source.lines[*line].is_test && STARTS.iter().any(|name| names(path, name)))
    };
    let place = |source: &Source| source.path["src/lane/".len()..].split(['/', '.']).next().map(str::to_owned);
    let all: Vec<&Source> = sources.iter().filter(starts).collect();
    let first = all.first().map(|source| place(source));
    all.iter().filter(|source| Some(place(source)) != first).map(|source| source.path.clone()).collect()
}

/// Whether these are consecutive segments of the path.
fn names(path: &[String], name: &[&str]) -> bool {
    path.windows(name.len()).any(|window| window.iter().map(String::as_str).eq(name.iter().copied()))
}

/// The two crates of the product deny what clippy.toml forbids: Cargo.toml lets tests and benches do it.
pub fn ban_lints(source: &Source) -> Vec<Finding> {
    if !["src/lib.rs", "src/main.rs"].contains(&source.path.as_str()) {
        return Vec::new();
    }
    let code: String = source.code().split_whitespace().collect();
    let denied = code.split_once("deny(").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
    let lints = ["clippy::disallowed_methods", "clippy::disallowed_macros", "clippy::disallowed_types"];
    let missing = lints.iter().filter(|lint| !denied.split(',').any(|part| part == **lint));
    missing.map(|lint| (1, format!("does not deny `{lint}`: clippy.toml would hold nowhere"))).collect()
}
