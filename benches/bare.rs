//! Bare ONNX Runtime, which the benches compare with.

use std::path::Path;

use ndarray::ArrayView2;
use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;
use ort::value::TensorRef;
use scorewire::model::{MANIFEST, Model};

/// The simplest careful use of the `ort` crate: one thread, the input borrowed, the output read where it lies.
pub struct BareSession {
    session: OrtSession,
    output: String,
    column: usize,
}

impl BareSession {
    pub fn new(model: &Model) -> BareSession {
        let dir: &Path = &model.package.dir;
        let manifest: toml::Table = std::fs::read_to_string(dir.join(MANIFEST)).unwrap().parse().unwrap();
        let file = manifest["model"]["file"].as_str().unwrap();
        let output = manifest["output"]["tensor"].as_str().unwrap();
        let column = manifest["output"].get("column").map_or(0, |column| column.as_integer().unwrap() as usize);
        BareSession::open(model, &dir.join(file), output, column)
    }

    /// Another file with `model`'s runtime.
    pub fn open(model: &Model, file: &Path, output: &str, column: usize) -> BareSession {
        let session = SessionBuilder::new(model.runtime.environment())
            .unwrap()
            .with_intra_threads(1)
            .unwrap()
            .commit_from_file(file)
            .unwrap();
        BareSession { session, output: output.to_owned(), column }
    }

    pub fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) {
        let outputs = self.session.run(ort::inputs![TensorRef::from_array_view(rows).unwrap()]).unwrap();
        let (shape, values) = outputs[self.output.as_str()].try_extract_tensor::<f32>().unwrap();
        let columns = if shape.len() == 2 { shape[1] as usize } else { 1 };
        for (score, row) in scores.iter_mut().zip(values.chunks_exact(columns)) {
            *score = f64::from(row[self.column]);
        }
    }
}
