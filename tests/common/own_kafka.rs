//! A real Kafka of a test's own, for tests that freeze or stop brokers: nothing the shared one may suffer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::kafka::{RealKafka, unique_name};

/// Started by `scripts/kafka up`, stopped and removed when dropped.
pub struct OwnKafka {
    name: String,
    kafka: RealKafka,
}

impl OwnKafka {
    /// Starts `brokers` brokers (4 s for one, 10 s for three). `None` (said loudly) where [`RealKafka::connect`] says
    /// so: a machine without a shared Kafka has none to start either.
    pub fn up(purpose: &str, brokers: u32) -> Option<OwnKafka> {
        RealKafka::connect()?;
        let name = unique_name(purpose);
        let count = brokers.to_string();
        let output = script().args(["up", "--name", &name, "--brokers", &count]).output().expect("scripts/kafka runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let bootstrap = stdout.lines().last().and_then(|line| line.strip_prefix("bootstrap="));
        let Some(bootstrap) = bootstrap.filter(|_| output.status.success()) else {
            panic!("scripts/kafka up: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        };
        Some(OwnKafka { kafka: RealKafka::at(bootstrap), name })
    }

    pub fn kafka(&self) -> &RealKafka {
        &self.kafka
    }

    /// SIGSTOP to broker `id` (from 1): it keeps its connections and answers nothing.
    pub fn freeze(&self, id: u32) {
        self.signal(id, Signal::STOP);
    }

    pub fn thaw(&self, id: u32) {
        self.signal(id, Signal::CONT);
    }

    /// SIGKILL to broker `id`.
    pub fn crash(&self, id: u32) {
        self.signal(id, Signal::KILL);
    }

    fn signal(&self, id: u32, signal: Signal) {
        let file = root().join(format!("target/kafka/{}/node-{id}/pid", self.name));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let pid = text.trim().parse().ok().and_then(Pid::from_raw).expect("scripts/kafka writes a process number");
        kill_process(pid, signal).expect("the broker runs");
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        // `down` wakes a frozen broker before it ends it. Nothing more can be done if it fails.
        let _ = script().args(["down", "--name", &self.name]).output();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script() -> Command {
    Command::new(PathBuf::from(root()).join("scripts/kafka"))
}
