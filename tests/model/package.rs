//! Packages that do not hold: each is refused before a record is scored, with exit code 65, and the message says
//! what is wrong, where, and what to do.

use crate::model_support::{Draft, data, feature, settings, sha256};
use scorewire::error::{Fatal, exit};
use scorewire::model::Package;

fn good() -> Draft {
    Draft::new("trees", "probabilities", Some(1))
}

/// The message holds all these pieces, and the code is the model's.
fn assert_says(fatal: &Fatal, pieces: &[&str]) {
    assert_eq!(fatal.code, exit::MODEL, "{fatal}");
    assert!(fatal.to_string().contains("  fix: "), "{fatal}");
    for piece in pieces {
        assert!(fatal.to_string().contains(piece), "{piece:?} is missing in: {fatal}");
    }
}

#[test]
fn a_good_package_gives_what_the_pipeline_needs() {
    let draft = good().write();
    let package = Package::load(draft.path()).unwrap();
    assert_eq!((package.name.as_str(), package.version.as_str()), ("test-trees", "1.0.0"));
    assert_eq!(package.sha256, sha256(&std::fs::read(data("trees.onnx")).unwrap()));
    assert_eq!(package.wanted.features.len(), 4);
    assert_eq!(package.wanted.transaction_id.as_deref(), Some("id"));
    assert_eq!(package.wanted.event_time, None);
    assert_eq!((package.thresholds.review, package.thresholds.decline), (0.2, 0.8));
    assert_eq!(package.golden.rows.dim(), (8, 4));
    assert!(package.reader.text().contains("\"record\""));
}

#[test]
fn every_feature_form_of_the_format_is_read() {
    use scorewire::avro::feature::{Missing, Transform};
    let features = r#"
[[features]]
name = "a"
path = "card.limit"
missing = { constant = -1 }
min = 0
max = 1e6
[[features]]
name = "b"
path = "channel"
transform = { index = ["POS", "ECOM"], otherwise = -1.0 }
[[features]]
name = "c"
path = "country"
transform = { equals = "DE" }
missing = "reject"
[[features]]
name = "d"
path = "device"
transform = "is_present"
"#;
    let plain = ["a", "b", "c", "d"].map(feature).concat();
    let schema = r#"{"type":"record","name":"T","fields":[{"name":"id","type":"string"},{"name":"device","type":["null","string"]},
        {"name":"card","type":["null",{"type":"record","name":"Card","fields":[{"name":"limit","type":"int"}]}]},
        {"name":"channel","type":{"type":"enum","name":"Channel","symbols":["POS","ECOM"]}},
        {"name":"country","type":["null","string"]}]}"#;
    let draft = good().replace(&plain, features).write();
    std::fs::write(draft.path().join("transaction.avsc"), schema).unwrap();
    let wanted = Package::load(draft.path()).unwrap().wanted.features;
    assert_eq!(wanted[0].missing, Some(Missing::Constant(-1.0)));
    assert_eq!((wanted[0].min, wanted[0].max, wanted[0].path.as_str()), (Some(0.0), Some(1e6), "card.limit"));
    let symbols = vec!["POS".to_owned(), "ECOM".to_owned()];
    assert_eq!(wanted[1].transform, Transform::Index { symbols, otherwise: Some(-1.0) });
    assert_eq!(wanted[2].transform, Transform::Equals("DE".to_owned()));
    assert_eq!((wanted[2].missing, wanted[1].missing), (Some(Missing::Reject), None));
    assert_eq!(wanted[3].transform, Transform::IsPresent);
}

#[test]
fn all_problems_of_a_manifest_are_told_at_once_with_the_nearest_key() {
    let fatal = good()
        .replace("review = 0.2", "reveiw = 0.2")
        .replace("decline = 0.8", "decline = 1.8")
        .replace("missing = \"nan\"", "missing = \"nil\"")
        .replace("[input]", "[inptu]")
        .replace("tolerance = 1e-6", "tolerance = \"small\"")
        .refused();
    assert_says(
        &fatal,
        &[
            "problems",
            "thresholds.reveiw: is an unknown key",
            "did you mean `review`?",
            "thresholds.review: is missing",
            "thresholds.decline: is outside 0 to 1",
            "features[0].missing: is \"nil\"",
            "inptu: is an unknown key",
            "did you mean `input`?",
            "golden.tolerance: is \"small\"",
        ],
    );
}

#[test]
fn each_single_mistake_is_named() {
    let cases: [(Draft, &[&str]); 17] = [
        (good().replace("format = 1", "format = 2"), &["format: is 2", "format 1"]),
        (good().replace("[model]\n", "[model\n"), &["model.toml: is not TOML"]),
        (good().replace("file = \"model.onnx\"", "file = \"../model.onnx\""), &["model.file", "own folder"]),
        (good().replace("file = \"model.onnx\"", "file = \"modle.onnx\""), &["modle.onnx: cannot be read"]),
        (good().replace("name = \"b\"", "name = \"a\""), &["features[1]", "`a` is used twice"]),
        (good().replace("name = \"b\"", "name = \"b,b\""), &["features[1].name", "letters"]),
        (good().replace("path = \"b\"\n", ""), &["features[1].path: is missing"]),
        (good().replace("review = 0.2", "review = 0.9"), &["thresholds.review: is above"]),
        (good().replace("column = 1", "column = -1"), &["output.column: is -1"]),
        (good().edit("golden.csv", "a,b,c,d,score", "b,a,c,d,score"), &["golden.csv line 1", "write a,b,c,d,score"]),
        // As pandas writes its index.
        (good().edit("golden.csv", "a,b,c,d,score", ",a,b,c,d,score"), &["column 1 is without a name, not `a`"]),
        (
            good().edit("golden.csv", "a,b,c,d,score", "a;b;c;d;score"),
            &["column 1 is `a;b;c;d;score`, not `a`", "separate cells by commas"],
        ),
        (good().edit("golden.csv", "\n-", "\nx"), &["golden.csv line 2: column 1 is not a number"]),
        (good().edit("golden.csv", "\n-", "\n0,-"), &["golden.csv line 2: has 6 cells, not 5"]),
        (
            good().replace("path = \"b\"", "path = \"amount\""),
            &["transaction.avsc: feature `b` (amount)", "no field `amount`"],
        ),
        (good().edit("transaction.avsc", "{", ""), &["transaction.avsc: is no JSON"]),
        (good().replace("missing = \"nan\"", "missing = { constant = 1e39 }"), &["32-bit"]),
    ];
    for (draft, pieces) in cases {
        assert_says(&draft.refused(), pieces);
    }
}

#[test]
fn a_folder_that_is_not_there_and_one_without_a_contract_are_told() {
    let empty = tempfile::tempdir().unwrap();
    assert_says(&Package::load(empty.path()).unwrap_err(), &["model.toml: cannot be read"]);
    assert_says(&Package::load(&empty.path().join("none")).unwrap_err(), &["no such folder"]);
}

#[test]
fn a_model_whose_bytes_changed_is_refused_by_its_hash() {
    let draft = good();
    let path = draft.path().join("model.onnx");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    assert_says(&draft.refused(), &["model.onnx: its sha256 is", &sha256(&bytes), "the contract says"]);
}

#[test]
fn a_file_that_is_no_model_is_refused_though_its_hash_holds() {
    let good_hash = sha256(&std::fs::read(data("trees.onnx")).unwrap());
    for junk in [&b"not a model at all"[..], b"", &[0x3a, 0xff, 0xff, 0xff, 0x7f, 0x00]] {
        let draft = good().replace(&good_hash, &sha256(junk));
        std::fs::write(draft.path().join("model.onnx"), junk).unwrap();
        assert_says(&draft.refused(), &["is not an ONNX model"]);
    }
}

#[test]
fn a_model_cut_anywhere_is_refused() {
    let whole = std::fs::read(data("mlp.onnx")).unwrap();
    for cut in 0..whole.len() {
        let draft = Draft::new("mlp", "p", None).replace(&sha256(&whole), &sha256(&whole[..cut]));
        std::fs::write(draft.path().join("model.onnx"), &whole[..cut]).unwrap();
        // Where only the last field is gone the structure is whole, and ONNX Runtime finds what is missing.
        let inside = ["is not an ONNX model", "ONNX Runtime refuses the model"];
        let fatal = draft.refused();
        assert_eq!(fatal.code, exit::MODEL);
        assert!(inside.iter().any(|piece| fatal.what.contains(piece)), "cut at {cut}: {fatal}");
    }
}

#[test]
fn data_in_other_files_and_foreign_operators_are_refused_before_opening() {
    let fatal = Draft::new("external_data", "p", None).refused();
    assert_says(&fatal, &["keeps data in other files", "`w1`", "save_as_external_data=False"]);
    let fatal = Draft::new("foreign_domain", "p", None).refused();
    assert_says(&fatal, &["unknown domains: `com.example.magic`"]);
}

#[test]
fn a_contract_that_does_not_fit_the_model_is_refused() {
    let fewer = good().replace(&feature("d"), "").edit("golden.csv", "a,b,c,d,score", "a,b,c,score");
    assert_says(&fewer.replace("1e-6", "1e-3").refused(), &["golden.csv line 2: has 5 cells, not 4"]);
    let fatal = good().replace("tensor = \"input\"", "tensor = \"imput\"").refused();
    assert_says(&fatal, &["input.tensor: the model has no input `imput`", "write `input`"]);
    let fatal = good().replace("tensor = \"probabilities\"", "tensor = \"probability\"").refused();
    assert_says(&fatal, &["output.tensor: the model has no output `probability`", "`probabilities`"]);
    let fatal = good().replace("tensor = \"probabilities\"\ncolumn = 1", "tensor = \"label\"").refused();
    assert_says(&fatal, &["`label` is Tensor<i64>", "name the tensor of probabilities: probabilities"]);
    assert_says(&good().replace("column = 1", "column = 2").refused(), &["output.column: is 2, the output has 2"]);
    assert_says(&good().replace("column = 1\n", "").refused(), &["output.column: is missing"]);
    let fatal = Draft::new("mlp", "p", Some(1)).refused();
    assert_says(&fatal, &["output.column: is 1, the output has 1"]);
    let fatal = Draft::new("mean", "mean", None).refused();
    assert_says(&fatal, &["3 rows give `mean` the shape [1, 1]"]);
}

#[test]
fn the_wrong_number_of_features_is_refused() {
    let draft = good().replace(&feature("d"), "");
    let golden = std::fs::read_to_string(draft.path().join("golden.csv")).unwrap();
    let narrower: String = golden
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{},{},{}\n", cells[0], cells[1], cells[2], cells[4])
        })
        .collect();
    std::fs::write(draft.path().join("golden.csv"), narrower).unwrap();
    assert_says(&draft.refused(), &["the contract has 3 features, the model takes 4"]);
}

/// Converters have written such ids, and ONNX Runtime reads behind the row.
#[test]
fn trees_that_ask_for_a_feature_beyond_the_contract_are_refused() {
    let draft = Draft::new("forest", "probabilities", Some(1));
    let path = draft.path().join("model.onnx");
    let mut bytes = std::fs::read(&path).unwrap();
    let before = sha256(&bytes);
    // The first split's feature is the first number of its list, after the attribute's name.
    let name = b"nodes_featureids";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 1;
    assert_eq!(bytes[at], 0);
    bytes[at] = 120;
    std::fs::write(path, &bytes).unwrap();
    let fatal = draft.replace(&before, &sha256(&bytes)).refused();
    assert_says(&fatal, &["its trees ask for feature 120, counted from 0, and the contract has 4"]);
}

#[test]
fn golden_rows_that_do_not_hold_name_row_expected_and_got() {
    let draft = good();
    let path = draft.path().join("golden.csv");
    let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let cells: Vec<&str> = lines[3].split(',').collect();
    let score: f64 = cells[4].parse().unwrap();
    lines[3] = format!("{},{},{},{},{}", cells[0], cells[1], cells[2], cells[3], score + 2e-6);
    std::fs::write(path, lines.join("\n")).unwrap();
    let fatal = draft.refused();
    assert_says(&fatal, &["golden row 3 scored", &score.to_string(), "expected", &(score + 2e-6).to_string()]);
}

/// The good package with these scores in the last column of its golden rows.
fn with_scores(scores: &[&str]) -> Draft {
    let draft = good();
    let path = draft.path().join("golden.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows = rows.lines().zip(scores).map(|(row, score)| format!("{},{score}\n", row.rsplit_once(',').unwrap().0));
    std::fs::write(path, format!("{header}\n{}", rows.collect::<String>())).unwrap();
    draft
}

/// ONNX Runtime never writes the column that the contract names: what stood in the answers' memory was taken for scores.
#[test]
fn a_column_that_the_model_never_writes_is_no_score() {
    let fatal = Draft::new("unwritten", "probabilities", Some(1)).refused();
    assert_says(&fatal, &["golden row 1 scored NaN alone, expected 0"]);
}

#[test]
fn golden_scores_are_clamped_where_they_are_a_hair_outside() {
    let draft = with_scores(&["1.0000001192092896", "-0.00001", "0.25"]).write();
    assert_eq!(Package::load(draft.path()).unwrap().golden.scores, [1.0, 0.0, 0.25]);
}

#[test]
fn golden_scores_that_are_no_probabilities_are_told_with_what_they_look_like() {
    let cases = [
        (["0.4", "-3.5", "4.25"], "2 of 3 (66.7 %)", "line 3", "smallest -3.5000", "raw scores (logits)", "sigmoid"),
        (["0.5", "12", "88"], "2 of 3 (66.7 %)", "line 3", "largest 88.0000", "scores from 0 to 100", "one = 100.0"),
        (["-0.1", "0.05", "0.08"], "1 of 3 (33.3 %)", "line 2", "median 0.0500", "anomaly scores", "calibration"),
        (["1.02", "0", "1"], "1 of 3 (33.3 %)", "line 2", "largest 1.0200", "overshoots", "which cuts off"),
    ];
    for (scores, share, line, number, kind, fix) in cases {
        assert_says(
            &with_scores(&scores).refused(),
            &["golden.csv", share, line, number, kind, fix, "write the golden rows anew"],
        );
    }
    for score in ["nan", "inf", "high"] {
        assert_says(&with_scores(&[score]).refused(), &["golden.csv line 2: the score is not a finite number"]);
    }
}

#[test]
fn a_model_that_needs_another_provider_says_so() {
    use scorewire::model::ModelSettings;
    use scorewire::values::model::Provider;
    let cuda = ModelSettings { provider: Provider::Cuda, ..settings() };
    let Err(fatal) = good().prepare(&cuda) else { panic!("this library has no CUDA provider") };
    assert_eq!(fatal.code, exit::SYSTEM);
    assert!(fatal.to_string().contains("CUDA") && fatal.fix.contains("CPU provider"), "{fatal}");
}

/// A mistake is told by its cause. What follows from it (columns that are not there, a header that is another) sent people to
/// the wrong file.
#[test]
fn a_mistake_is_told_without_what_follows_from_it() {
    let of_feature = good().replace("missing = \"nan\"", "missing = \"null\"").refused();
    assert_says(&of_feature, &["features[0].missing: is \"null\"", "write \"reject\", \"nan\""]);
    let alike = good().replace("[[features]]", "[[feature]]").refused();
    assert_says(&alike, &["feature: is an unknown key", "did you mean `features`?"]);
    for fatal in [of_feature, alike] {
        assert!(!fatal.what.contains("golden.csv") && !fatal.what.contains("trees ask"), "{fatal}");
    }
    let other_class = good().replace("column = 1", "column = 0").refused();
    assert_says(&other_class, &["golden row 1 scored", "1 minus it", "output.class"]);
    let header = good().edit("golden.csv", "a,b,c,d", "a,b,x,d").refused();
    assert_says(&header, &["golden.csv line 1", "column 3 is `x`, not `c`", "write a,b,c,d,score"]);
    let text =
        good().edit("transaction.avsc", r#""b", "type": ["null", "double"]"#, r#""b", "type": ["null", "string"]"#);
    assert_says(&text.refused(), &["feature `b` (b): its type is string", "transform = { index = "]);
    let record = r#""b", "type": {"type": "record", "name": "B", "fields": [{"name": "in", "type": "double"}]}"#;
    let record = good().edit("transaction.avsc", r#""b", "type": ["null", "double"]"#, record);
    assert_says(&record.refused(), &["its type is record B", "one of its fields, behind a dot: in"]);
}
