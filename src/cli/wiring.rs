//! Where commands meet the parts they run: the pipeline, the load generator and the model. Each function is one call
//! site; what comes before it (arguments, configuration, logs) is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::demo::DemoArgs;
use super::load::{ExportRequest, LoadRequest};
use crate::config::Config;
use crate::error::{Fatal, exit};
use crate::model::Runtime;
use crate::node::Node;

/// CALL SITE pipeline: scores until a signal, or with `until_end` until the end offsets seen at start are committed.
pub fn run(config: Config, until_end: bool) -> Result<u8, Fatal> {
    let interrupted = signals()?;
    let node = Node::start(&config, until_end)?;
    if node.wait(|| interrupted.load(Ordering::Acquire))? {
        return Ok(exit::DONE);
    }
    Err(Fatal::new(
        exit::DRAIN,
        "the drain deadline passed before everything taken in was committed",
        "what was in flight is scored again by the next owner; raise limits.drain_timeout_ms if the brokers are slow",
    ))
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

/// The version of the library that would be loaded.
pub fn onnxruntime_version() -> Result<String, Fatal> {
    Ok(Runtime::load(None)?.version().to_owned())
}

/// Set by the first SIGTERM or SIGINT; a second one ends the process at once.
fn signals() -> Result<Arc<AtomicBool>, Fatal> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: at the first signal the flag is not set yet, so only the second one leaves at once.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(exit::DRAIN), Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Fatal::new(exit::SYSTEM, format!("cannot watch for signals: {error}"), "report it"))?;
    }
    Ok(flag)
}

fn not_joined(part: &str) -> Fatal {
    Fatal::new(exit::INTERNAL, format!("{part} is not joined to the command line in this build"), "report it")
}
