//! A verified package as whoever scores with it has it.

use crate::avro::decoder::Decoder;
use crate::error::Fatal;
use crate::lane::LanePackage;
use crate::model::{Model, Session};
use crate::values::settings::Thresholds;

/// A package as one lane has it, with a session of its own.
///
/// # Errors
/// When ONNX Runtime opens no further session.
pub fn package(model: &Model, decoder: Decoder, thresholds: &Thresholds) -> Result<LanePackage<Session>, Fatal> {
    let package = &model.package;
    Ok(LanePackage {
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
        provider: model.report.placement.provider,
        thresholds: thresholds.clone(),
        features: package.wanted.features.iter().map(|feature| feature.name.clone()).collect(),
        decoder,
        scorer: model.session()?,
        batch_rows: model.report.batch_rows_cap,
    })
}
