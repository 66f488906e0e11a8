//! Where commands meet the parts they run: the pipeline, the load generator and the model. Each function is one call
//! site; what comes before it (arguments, configuration, logs) is done.

use super::demo::DemoArgs;
use super::load::{ExportRequest, LoadRequest};
use super::model::CheckArgs;
use crate::config::Config;
use crate::error::{Fatal, exit};

/// CALL SITE pipeline: scores until a signal, or with `until_end` until the end offsets seen at start are committed.
pub fn run(config: Config, until_end: bool) -> Result<u8, Fatal> {
    let _ = (config, until_end);
    Err(not_joined("run"))
}

/// CALL SITE demo: embedded broker, load and pipeline.
pub fn demo(args: DemoArgs) -> Result<u8, Fatal> {
    let _ = args;
    Err(not_joined("demo"))
}

/// CALL SITE load: open-loop sending and the check of what comes back.
pub fn load(request: LoadRequest) -> Result<u8, Fatal> {
    let _ = request;
    Err(not_joined("load"))
}

/// CALL SITE load: the simulator's data set as a file.
pub fn export(request: ExportRequest) -> Result<u8, Fatal> {
    let _ = request;
    Err(not_joined("load --export"))
}

/// CALL SITE model: load, verify and probe a package, and print what was found.
pub fn check_model(args: CheckArgs) -> Result<u8, Fatal> {
    let _ = args;
    Err(not_joined("model check"))
}

/// CALL SITE model: the version of the library that would be loaded.
pub fn onnxruntime_version() -> Result<String, Fatal> {
    Err(not_joined("ONNX Runtime"))
}

fn not_joined(part: &str) -> Fatal {
    Fatal::new(exit::INTERNAL, format!("{part} is not joined to the command line in this build"), "report it")
}
