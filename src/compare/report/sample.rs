//! A report with realistic figures, for tests: forty thousand transactions, two models, fourteen features, labels.

use ndarray::Array2;

use crate::compare::comparison::Comparison;
use crate::compare::drift::FeatureDrift;
use crate::compare::labelled::{LabelledScores, Thresholds};
use crate::compare::pair::{Answer, Inputs, Pair};
use crate::compare::report::{Count, Kind, Report, Side, Sides};
use crate::values::record::{Decision, Position};

const RECORDS: i64 = 40_000;
const FEATURES: [&str; 14] = [
    "amount",
    "amount_to_average",
    "hour",
    "weekday",
    "card_age_days",
    "merchant_risk",
    "country_mismatch",
    "transactions_1h",
    "transactions_24h",
    "distance_km",
    "terminal_fraud_7d",
    "is_chip",
    "is_online",
    "minutes_since_last",
];

/// Numbers from 0 to 1 that look random and are the same in every run: Weyl's sequence, scattered (SplitMix64).
struct Draws(u64);

impl Draws {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, with a deviation of one: twelve draws.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.draw()).sum::<f64>() - 6.0
    }
}

fn logistic(odds: f64) -> f64 {
    // As a model gives it: 32 bits.
    f64::from((1.0 / (1.0 + (-odds).exp())) as f32)
}

fn answer(score: f64, thresholds: Thresholds) -> Answer {
    let decision = match score {
        score if score >= thresholds.decline => Decision::Decline,
        score if score >= thresholds.review => Decision::Review,
        _ => Decision::Approve,
    };
    Answer { score, decision }
}

pub fn side(role: &str, sha256: &str) -> Side {
    Side {
        role: role.to_owned(),
        package: "card-fraud-gbdt".to_owned(),
        version: "1.4.0".to_owned(),
        sha256: sha256.to_owned(),
        thresholds: Thresholds { review: 0.3, decline: 0.7 },
        thresholds_version: "2026-10".to_owned(),
    }
}

fn sides() -> Sides {
    let before = side("champion, as recorded", "9f2b5c0e1d7a4b8390aa66c2f1e4d7058b3c6a9e2f10d4b7c85e3a6190f7d2b4");
    let after = Side {
        version: "1.5.0-rc1".to_owned(),
        thresholds: Thresholds { review: 0.25, decline: 0.75 },
        thresholds_version: "2026-11".to_owned(),
        ..side("challenger, replayed", "41d0c7e95ab83f26d1907be4c5a2f8036e9d14b7a0c85f32e6b19d7480fa53c1")
    };
    Sides { before, after }
}

fn scores(draws: &mut Draws, sides: &Sides) -> (Comparison, LabelledScores) {
    let (mut comparison, mut labels) = (Comparison::new(), LabelledScores::new());
    for number in 0..RECORDS {
        let is_fraud = draws.draw() < 0.008;
        let odds = if is_fraud { 0.6 + 2.2 * draws.normal() } else { -6.2 + 1.5 * draws.normal() };
        let moved = odds + 0.15 + if is_fraud { 0.5 } else { 0.0 } + 0.55 * draws.normal();
        let (before, after) = (logistic(odds), if number % 9 == 0 { logistic(odds) } else { logistic(moved) });
        let inputs = if number % 997 == 0 { Inputs::Other } else { Inputs::Same };
        let id = format!("tx-{:08}", 48_211_000 + number * 7);
        let at = Position { partition: (number % 6) as i32, offset: 1_200_000 + number / 6 };
        let (b, a) = (answer(before, sides.before.thresholds), answer(after, sides.after.thresholds));
        comparison.add(&Pair { at, id: Some(id.as_bytes()), before: b, after: a, inputs });
        if number % 4 != 0 {
            labels.add(before, after, is_fraud);
        }
    }
    (comparison, labels)
}

/// One row of features; those of the stream have drifted in two of them.
fn put_row(row: &mut [f32], draws: &mut Draws, is_stream: bool) {
    let shift = if is_stream { 1.0 } else { 0.0 };
    for (place, value) in row.iter_mut().enumerate() {
        let drawn = match FEATURES[place] {
            "amount_to_average" => (draws.normal() + 0.22 * shift).exp(),
            "hour" => (draws.draw() * (24.0 - 1.5 * shift)).floor(),
            "weekday" => (draws.draw() * 7.0).floor(),
            "is_chip" | "is_online" | "country_mismatch" => f64::from(draws.draw() < 0.12),
            "minutes_since_last" if draws.draw() < 0.08 => f64::NAN,
            _ => draws.normal().exp() * 20.0,
        };
        *value = drawn as f32;
    }
}

fn drift(draws: &mut Draws) -> FeatureDrift {
    let names = FEATURES.map(str::to_owned);
    let mut rows = |count: usize, is_stream| {
        let mut rows = Array2::zeros((count, FEATURES.len()));
        for mut row in rows.rows_mut() {
            put_row(row.as_slice_mut().unwrap_or_default(), draws, is_stream);
        }
        rows
    };
    let mut drift = FeatureDrift::new(&names, rows(4_000, false).view());
    drift.add_rows(rows(20_000, true).view());
    drift
}

pub fn report() -> Report {
    let mut draws = Draws(7);
    let sides = sides();
    let (comparison, labels) = scores(&mut draws, &sides);
    let counts = [
        Count::new("read", 40_210, "records of the input topic within the range"),
        Count::new("compared", 40_000, "have a recorded output and a replayed score"),
        Count::new("dead letters", 162, "were dead letters when recorded, and are again"),
        Count::new("without an output", 41, "their output is gone by retention, or was never written"),
        Count::new("doubled outputs", 7, "a second output for one record: the first one counts"),
    ];
    let provenance = [
        ("command", "scorewire replay --package models/card-fraud-mlp --from 2026-11-01T00:00:00Z --max-flips 0.001"),
        ("input topic", "enriched-context, 6 partitions"),
        ("output topic", "model-outputs, read committed"),
        ("offsets", "0: 1,200,000 to 1,206,702; 1: 1,200,000 to 1,206,702; 2: 1,200,000 to 1,206,701"),
        ("started", "2026-11-30T14:02:11Z"),
        ("finished", "2026-11-30T14:02:39Z"),
        ("reference rows", "golden.csv, sha256 5d1f0c77a3be2e64"),
        ("labels", "chargebacks-2026-11.csv, sha256 c0ffee2290ab1f3d"),
        ("scorewire", "0.1.0 (commit 9742b8f)"),
        ("runtime", "ONNX Runtime 1.24.1, CPU"),
    ];
    Report::new(Kind::Replay, sides, &comparison, Some(&drift(&mut draws)), Some(&labels))
        .with_counts(counts)
        .with_bound(400)
        .with_provenance(provenance)
}

/// One model whose scores are not what was recorded, few records, and nothing else known.
pub fn failed() -> Report {
    let sides = Sides { before: sides().before, after: Side { role: "the same package".to_owned(), ..sides().before } };
    let mut comparison = Comparison::new();
    let mut draws = Draws(3);
    for offset in 0..640 {
        let before = logistic(-5.0 + 1.5 * draws.normal());
        let after = if offset % 80 == 3 { f64::from((before as f32).next_up()) } else { before };
        let answers = [before, after].map(|score| answer(score, sides.before.thresholds));
        let at = Position { partition: 2, offset };
        comparison.add(&Pair { at, id: None, before: answers[0], after: answers[1], inputs: Inputs::Same });
    }
    Report::new(Kind::Challenge, sides, &comparison, None, None)
        .with_failure("12 records have no recorded output, and retention does not explain it.")
        .with_counts([Count::new("compared", 640, "have both answers")])
}
