//! `scorewire --version`.

use crate::kafka;
use crate::model::Runtime;

/// One line per part, so that a report of a fault names them all.
pub fn text() -> String {
    let onnxruntime = Runtime::load(None)
        .map_or_else(|fatal| format!("is not usable: {}", fatal.what), |runtime| runtime.version().to_owned());
    format!(
        "scorewire {} (commit {})\nlibrdkafka {}\nonnxruntime {onnxruntime}\n",
        env!("CARGO_PKG_VERSION"),
        env!("SCOREWIRE_COMMIT"),
        kafka::client_version(),
    )
}
