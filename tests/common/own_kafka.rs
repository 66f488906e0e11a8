//! A real Kafka of a test's own, for tests that freeze or stop brokers: nothing the shared one may suffer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::kafka::{RealKafka, unique_name};

/// Started by `scripts/kafka up`, stopped and removed when dropped.
pub struct OwnKafka {
    name: String,
    kafka: RealKafka,
    /// What `up` said of further listeners: name and value.
    said: BTreeMap<String, String>,
}

impl OwnKafka {
    /// Starts `brokers` brokers (4 s for one, 10 s for three). `None` (said loudly) where [`RealKafka::connect`] says
    /// so: a machine without a shared Kafka has none to start either.
    pub fn up(purpose: &str, brokers: u32) -> Option<OwnKafka> {
        OwnKafka::start(purpose, &["--brokers", &brokers.to_string()])
    }

    /// One broker with a second listener ([`OwnKafka::guarded`]); by the first one everybody may do everything.
    pub fn with_rights(purpose: &str) -> Option<OwnKafka> {
        OwnKafka::start(purpose, &["--sasl"])
    }

    /// One broker with listeners for TLS, mTLS, SCRAM and PLAIN ([`OwnKafka::said`]; `scripts/lib/kafka_secured.sh`).
    pub fn secured(purpose: &str) -> Option<OwnKafka> {
        OwnKafka::start(purpose, &["--secured"])
    }

    fn start(purpose: &str, options: &[&str]) -> Option<OwnKafka> {
        RealKafka::connect()?;
        let name = unique_name(purpose);
        let output = script().args(["up", "--name", &name]).args(options).output().expect("scripts/kafka runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let bootstrap = stdout.lines().last().and_then(|line| line.strip_prefix("bootstrap="));
        let Some(bootstrap) = bootstrap.filter(|_| output.status.success()) else {
            panic!("scripts/kafka up: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        };
        let pairs = stdout.lines().filter_map(|line| line.split_once('='));
        let said = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(OwnKafka { kafka: RealKafka::at(bootstrap), name, said })
    }

    /// The listener for SASL_PLAINTEXT with SCRAM-SHA-256.
    pub fn guarded(&self) -> &str {
        self.said("proxied")
    }

    /// What `up` said: where a listener is (`saslssl`), or the folder of the certificates (`tls`).
    pub fn said(&self, name: &str) -> &str {
        self.said.get(name).unwrap_or_else(|| panic!("scripts/kafka up said nothing of {name}"))
    }

    /// Runs one of Kafka's own tools on this cluster, by the listener where everybody may do everything.
    #[track_caller]
    pub fn tool(&self, class: &str, args: &[&str]) {
        let mut command = script();
        command.args(["tool", class, "--bootstrap-server", self.kafka.bootstrap()]).args(args);
        let output = command.output().expect("scripts/kafka runs");
        assert!(output.status.success(), "{class} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// New connections of this user need this password.
    #[track_caller]
    pub fn set_password(&self, user: &str, password: &str) {
        let value = format!("SCRAM-SHA-256=[iterations=4096,password={password}]");
        let user = ["--entity-type", "users", "--entity-name", user];
        self.tool("kafka.admin.ConfigCommand", &[&["--alter", "--add-config", &value], &user[..]].concat());
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
