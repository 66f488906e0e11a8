//! The package of a point, written to a folder as users write theirs.

use std::fmt::Write as _;
use std::path::Path;

use scorewire::load::simulate::random::Random;
use scorewire::model::MANIFEST;

use super::contract::{draw, kind, schema};
use super::forest::Forest;
use super::model_support::sha256;
use super::point::{Point, Unread};

const SEED: u64 = 7;
const GOLDEN_ROWS: usize = 100;

/// What is known of a point's package from before it was written.
pub struct Made {
    pub forest: Forest,
    /// The writers' schemas, the package's own first.
    pub schemas: Vec<String>,
}

pub fn make(point: &Point, folder: &Path) -> Made {
    let mut random = Random::new(SEED);
    let forest = Forest::draw(point.trees, point.features, &mut random);
    let schemas: Vec<String> = (0..point.schemas).map(|writer| schema(point.features, point.unread, writer)).collect();
    let model = forest.onnx();
    std::fs::write(folder.join("model.onnx"), &model).unwrap();
    std::fs::write(folder.join("payment.avsc"), &schemas[0]).unwrap();
    std::fs::write(folder.join("golden.csv"), golden(point, &forest, &mut random)).unwrap();
    std::fs::write(folder.join(MANIFEST), manifest(point, &sha256(&model))).unwrap();
    Made { forest, schemas }
}

fn manifest(point: &Point, sha256: &str) -> String {
    let mut text = format!(
        "format = 1\n[model]\nname = \"growth\"\nversion = \"1\"\nfile = \"model.onnx\"\nsha256 = \"{sha256}\"\n\
         [output]\ntensor = \"y\"\n[transaction]\nschema = \"payment.avsc\"\nid = \"id\"\nevent_time = \"time\"\n\
         [thresholds]\nversion = \"1\"\nreview = 0.9\ndecline = 0.95\n\
         [golden]\nfile = \"golden.csv\"\ntolerance = 1e-6\n"
    );
    for feature in 0..point.features {
        // Writing to a string cannot fail.
        let _ =
            write!(text, "[[features]]\nname = \"f{feature}\"\npath = \"f{feature}\"\n{}", kind(feature).manifest());
    }
    text
}

fn golden(point: &Point, forest: &Forest, random: &mut Random) -> String {
    let names: Vec<String> = (0..point.features).map(|feature| format!("f{feature}")).collect();
    let mut text = format!("{},score\n", names.join(","));
    for _ in 0..GOLDEN_ROWS {
        let mut row = Vec::new();
        draw((point.features, 0), "", (Unread::Text, 0), random, (&mut Vec::new(), &mut row));
        let values: Vec<String> = row.iter().map(f32::to_string).collect();
        let _ = writeln!(text, "{},{}", values.join(","), forest.score(&row));
    }
    text
}
