//! The schemas of what is written only grow: others' readers depend on them. How other libraries read one version as another
//! is in `tests/docs/reading_outputs.rs`.

use scorewire::avro::written::{Version, Written};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Of every version that there has been: who must change a line here breaks readers.
const NEVER_CHANGED: [(&str, u32, &str); 5] = [
    ("ModelOutput", 2, "669f1108c5639b491d2d9bd9d4e1f5e34214a1d917b821dbdeaf770fa4a4fd63"),
    ("ModelOutput", 1, "b7da2097f5750ee641de59de14a4a551e9773be69c13a74e228d412caac76d29"),
    ("HumanReview", 2, "1c399b67950647d4c3e1168d775112b3c3a831157fa1d6b806b02619fd003f06"),
    ("HumanReview", 1, "912aec77b370c11bd6f6f50a426e94e6a91644d4cdccfbbe85d57a4ef511b9be"),
    ("ModelChallenge", 1, "b480ebc0ce00f55df15fab283c92dd1f7ee4f37f96f8d5dcaba4a7bc0272ee4d"),
];

fn json(version: Version) -> Json {
    serde_json::from_str(version.text).unwrap()
}

#[test]
fn no_version_is_ever_changed() {
    let mut found = Vec::new();
    for written in Written::ALL {
        for version in written.versions() {
            let name = json(*version)["name"].as_str().unwrap().to_owned();
            let digest = Sha256::digest(version.text);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            found.push((name, version.number, hex));
        }
    }
    let expected: Vec<_> = NEVER_CHANGED.map(|(name, number, hex)| (name.to_owned(), number, hex.to_owned())).into();
    assert_eq!(found, expected);
}

#[test]
fn versions_count_down_to_one() {
    for written in Written::ALL {
        let numbers: Vec<u32> = written.versions().iter().map(|version| version.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).rev().collect::<Vec<_>>());
    }
}

/// What is wrong with `newer` as the next version of `older`, by the rules in docs/reading-outputs.md.
fn broken_rules(older: &Json, newer: &Json, at: &str, wrong: &mut Vec<String>) {
    match (older, newer) {
        (Json::Array(before), Json::Array(after)) => {
            if before.len() > after.len() {
                wrong.push(format!("{at}: a branch is gone"));
            }
            before.iter().zip(after).for_each(|(older, newer)| broken_rules(older, newer, at, wrong));
        }
        (Json::Object(before), Json::Object(after)) => {
            for same in ["type", "name", "namespace", "logicalType", "size"] {
                let (old, new) = (before.get(same), after.get(same));
                let is_type = old.is_some_and(|of| !of.is_string());
                if !is_type && old != new {
                    wrong.push(format!("{at}: its {same} was {old:?} and is {new:?}"));
                }
            }
            for inner in ["type", "items", "values"] {
                if let (Some(older), Some(newer)) = (before.get(inner), after.get(inner)) {
                    broken_rules(older, newer, at, wrong);
                }
            }
            symbols(older, newer, at, wrong);
            fields(older, newer, at, wrong);
        }
        (older, newer) if older != newer => wrong.push(format!("{at}: was {older} and is {newer}")),
        _ => {}
    }
}

fn symbols(older: &Json, newer: &Json, at: &str, wrong: &mut Vec<String>) {
    let Some(before) = older["symbols"].as_array() else { return };
    let after = newer["symbols"].as_array().unwrap();
    if !after.starts_with(before) {
        wrong.push(format!("{at}: symbols are added behind others, and none is taken away"));
    }
}

fn fields(older: &Json, newer: &Json, at: &str, wrong: &mut Vec<String>) {
    let (Some(before), Some(after)) = (older["fields"].as_array(), newer["fields"].as_array()) else { return };
    let named = |fields: &[Json], name: &Json| fields.iter().find(|field| field["name"] == *name).cloned();
    for field in before {
        let at = format!("{at}.{}", field["name"].as_str().unwrap());
        match named(after, &field["name"]) {
            None => wrong.push(format!("{at}: is gone")),
            Some(newer) => {
                if field.get("default") != newer.get("default") {
                    wrong.push(format!("{at}: its default is another"));
                }
                broken_rules(&field["type"], &newer["type"], &at, wrong);
            }
        }
    }
    for field in after.iter().filter(|field| named(before, &field["name"]).is_none()) {
        let is_nullable = field["type"][0] == "null" && field.get("default") == Some(&Json::Null);
        if !is_nullable {
            wrong.push(format!("{at}.{}: is added without null as its default", field["name"].as_str().unwrap()));
        }
    }
}

/// Enums without a default, by their path.
fn enums_without_default(schema: &Json, at: &str, found: &mut Vec<String>) {
    if schema["type"] == "enum" && !schema["symbols"].as_array().unwrap().contains(&schema["default"]) {
        found.push(at.to_owned());
    }
    match schema {
        Json::Array(all) => all.iter().for_each(|one| enums_without_default(one, at, found)),
        Json::Object(all) => {
            all.iter().for_each(|(key, inner)| enums_without_default(inner, &format!("{at}/{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn each_version_keeps_to_the_rules_and_a_planted_breach_is_found() {
    for written in Written::ALL {
        for pair in written.versions().windows(2) {
            let (newer, older) = (json(pair[0]), json(pair[1]));
            let mut wrong = Vec::new();
            broken_rules(&older, &newer, "", &mut wrong);
            assert_eq!(wrong, Vec::<String>::new());
            breaches_are_found(&older, &newer);
        }
        let mut without = Vec::new();
        enums_without_default(&json(written.versions()[0]), "", &mut without);
        assert_eq!(without, Vec::<String>::new());
    }
}

fn breaches_are_found(older: &Json, newer: &Json) {
    type Breach = fn(&mut Json);
    let breaches: [(&str, Breach); 5] = [
        ("is gone", |schema| drop(schema["fields"].as_array_mut().unwrap().remove(0))),
        ("was \"double\"", |schema| schema["fields"][2]["type"] = "float".into()),
        ("default is another", |schema| schema["fields"][0]["default"] = "".into()),
        ("symbols", |schema| schema["fields"][3]["type"]["symbols"] = serde_json::json!(["APPROVE", "DECLINE"])),
        ("without null", |schema| {
            let field = serde_json::json!({ "name": "more", "type": "string" });
            schema["fields"].as_array_mut().unwrap().push(field);
        }),
    ];
    for (told, breach) in breaches {
        let (mut broken, mut wrong) = (newer.clone(), Vec::new());
        breach(&mut broken);
        broken_rules(older, &broken, "", &mut wrong);
        assert!(wrong.iter().any(|what| what.contains(told)), "{told}: {wrong:?}");
    }
}
