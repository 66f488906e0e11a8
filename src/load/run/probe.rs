//! How a run learns what only the pipeline's process knows: its step times and its CPU time.

use std::net::SocketAddr;

use crate::error::{Fatal, exit};
use crate::load::run::http;
use crate::observe::cpu;
use crate::observe::latency::StepTimes;
use crate::observe::latency_log;

/// A view into the pipeline, where there is one. Called from the thread that called [`crate::load::run`], a few times
/// a run, except [`PipelineProbe::failure`], which is asked several times a second.
pub trait PipelineProbe {
    /// Step times since the pipeline's start.
    fn step_times(&self) -> Option<StepTimes>;

    /// CPU time that the pipeline's threads or process have used, microseconds.
    fn cpu_us(&self) -> Option<u64>;

    /// What the pipeline says of itself, for reports: names and values. Asked once, at the end.
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Why the pipeline ended, if it did: the run is then given up at once.
    fn failure(&self) -> Option<Fatal>;
}

/// CPU time of a process on this machine, seen from outside.
pub struct ProcessProbe {
    pid: u32,
}

/// Scoring processes seen through their admin HTTP, and CPU time by process id where one is given.
pub struct NodeProbe {
    nodes: Vec<SocketAddr>,
    process: Option<ProcessProbe>,
}

impl NodeProbe {
    pub fn new(nodes: Vec<SocketAddr>, process: Option<ProcessProbe>) -> NodeProbe {
        NodeProbe { nodes, process }
    }

    /// Asks every node whether it is there and reads `input`.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] for a node that does not answer as scorewire does, [`exit::USAGE`] for one that reads
    /// another topic.
    pub fn check(&self, input: &str) -> Result<(), Fatal> {
        for node in &self.nodes {
            let topic = status(*node).map(|status| status["topics"]["input"].as_str().unwrap_or_default().to_owned());
            let topic = topic.and_then(|topic| http::get(*node, latency_log::PATH).map(|_| topic)).map_err(|what| {
                Fatal::new(exit::UNAVAILABLE, format!("{node} tells no steps: {what}"), "check --admin")
            })?;
            if topic != input {
                let what = format!("the node at {node} reads {topic}, not {input}");
                return Err(Fatal::new(exit::USAGE, what, "name the node's own address with --admin"));
            }
        }
        Ok(())
    }
}

fn status(node: SocketAddr) -> Result<serde_json::Value, String> {
    serde_json::from_str(&http::get(node, "/status")?).map_err(|error| format!("/status is no JSON: {error}"))
}

impl PipelineProbe for NodeProbe {
    /// All nodes' steps together; `None` when one does not answer, because a part would be taken for the whole.
    fn step_times(&self) -> Option<StepTimes> {
        let mut times = StepTimes::default();
        for node in &self.nodes {
            let steps = http::get(*node, latency_log::PATH).and_then(|text| latency_log::read_steps(&text));
            match steps {
                Ok(steps) => times.add(&steps),
                Err(error) => {
                    tracing::warn!(%node, error, "the node tells no steps");
                    return None;
                }
            }
        }
        (!self.nodes.is_empty()).then_some(times)
    }

    fn cpu_us(&self) -> Option<u64> {
        self.process.as_ref().and_then(ProcessProbe::cpu_us)
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        for node in &self.nodes {
            let Ok(status) = status(*node) else { continue };
            let text = |pointer: &str| status.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
            let (name, version) = (text("/model/name"), text("/model/version"));
            let sha256 = text("/model/sha256");
            let lanes = status["lanes"].as_array().map_or(0, Vec::len);
            let mut put = |name: &str, value: String| facts.push((name.to_owned(), value));
            put(
                "node",
                format!("{} at {node}, scorewire {}, group {}", text("/node"), text("/version"), text("/group")),
            );
            put("model", format!("{name} {version} on {}", text("/model/provider")));
            put("model sha256", sha256.to_owned());
            put("lanes", lanes.to_string());
        }
        facts
    }

    fn failure(&self) -> Option<Fatal> {
        None
    }
}

impl ProcessProbe {
    pub fn new(pid: u32) -> ProcessProbe {
        ProcessProbe { pid }
    }
}

impl PipelineProbe for ProcessProbe {
    fn step_times(&self) -> Option<StepTimes> {
        None
    }

    fn cpu_us(&self) -> Option<u64> {
        cpu::process_ns(self.pid).map(|ns| ns / 1_000)
    }

    fn failure(&self) -> Option<Fatal> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_cpu_time() {
        assert!(ProcessProbe::new(std::process::id()).cpu_us().is_some());
        assert_eq!(ProcessProbe::new(u32::MAX).cpu_us(), None);
    }
}
