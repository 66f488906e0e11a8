//! `scorewire --version`.

use super::wiring;
use crate::kafka;

/// One line per part, so that a report of a fault names them all.
pub fn text() -> String {
    let onnxruntime = wiring::onnxruntime_version().unwrap_or_else(|fatal| format!("is not usable: {}", fatal.what));
    format!(
        "scorewire {}\nlibrdkafka {}\nonnxruntime {onnxruntime}\n",
        env!("CARGO_PKG_VERSION"),
        kafka::client_version(),
    )
}
