//! What scores: each engine is given rows in the form that it reads, and is then called on some of them.

use std::ops::Range;
use std::path::Path;

use ndarray::ArrayView2;
use scorewire::doors::Scorer;
use scorewire::model::Session;
use scorewire::values::model::Trees;

use crate::bare::BareSession;
use crate::kernels;
use crate::native::{LightGbm, Lleaves};
use crate::package::Bench;

pub trait Engine {
    /// In one line.
    fn describe(&self) -> String;
    /// Takes rows, as decoding would have left them for this engine.
    fn stage(&mut self, rows: &[f32]);
    /// One call on rows that were staged.
    fn call(&mut self, rows: Range<usize>);
    /// Of the staged rows, each once it was called.
    fn scores(&self) -> &[f64];
}

pub fn open(bench: &Bench, name: &str, kernel: Option<&str>, library: Option<&Path>) -> Box<dyn Engine> {
    let library = || library.unwrap_or_else(|| panic!("{name} needs --library"));
    match name {
        "auto" => Box::new(by_session(bench, Trees::Auto)),
        "onnxruntime" => Box::new(by_session(bench, Trees::OnnxRuntime)),
        "kernel" => {
            let kernel = kernel.expect("--kernel names one");
            let session = kernels::open(bench, kernel).unwrap_or_else(|why| panic!("{why}"));
            Box::new(Staged::new(bench, kernel.to_owned(), session))
        }
        "bare" => {
            let model = bench.model(Trees::OnnxRuntime);
            let session = match bench.file("bare") {
                Some(file) => BareSession::open(&model, &file, "probability_tensor", 1),
                None => BareSession::new(&model),
            };
            Box::new(Staged::new(bench, "the ort crate's own calls".to_owned(), session))
        }
        "lleaves" => Box::new(Lleaves::open(library(), bench.width())),
        "lightgbm" => {
            let text = bench.file("lightgbm").expect("this model is not LightGBM's");
            Box::new(LightGbm::open(library(), &text, bench.width()))
        }
        other => panic!("no such engine: {other}"),
    }
}

fn by_session(bench: &Bench, trees: Trees) -> Staged<Session> {
    let model = bench.model(trees);
    let says = format!("{:?}", model.graph.nodes);
    Staged::new(bench, says, model.session().unwrap_or_else(|fatal| panic!("{fatal}")))
}

/// What scores rows of `float32`.
pub trait Rows {
    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]);
}

impl Rows for Session {
    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) {
        Scorer::score(self, rows, scores).unwrap();
    }
}

impl Rows for BareSession {
    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) {
        BareSession::score(self, rows, scores);
    }
}

pub struct Staged<R> {
    says: String,
    scorer: R,
    width: usize,
    rows: Vec<f32>,
    scores: Vec<f64>,
}

impl<R: Rows> Staged<R> {
    fn new(bench: &Bench, says: String, scorer: R) -> Staged<R> {
        Staged { says, scorer, width: bench.width(), rows: Vec::new(), scores: Vec::new() }
    }
}

impl<R: Rows> Engine for Staged<R> {
    fn describe(&self) -> String {
        self.says.clone()
    }

    fn stage(&mut self, rows: &[f32]) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.scores.resize(rows.len() / self.width, f64::NAN);
    }

    fn call(&mut self, rows: Range<usize>) {
        let values = &self.rows[rows.start * self.width..rows.end * self.width];
        let view = ArrayView2::from_shape((rows.len(), self.width), values).unwrap();
        self.scorer.score(view, &mut self.scores[rows]);
    }

    fn scores(&self) -> &[f64] {
        &self.scores
    }
}
