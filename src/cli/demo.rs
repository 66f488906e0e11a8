//! `scorewire demo`: the whole journey in one process.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::oracle::PackageOracle;
use super::report_args::ReportArgs;
use super::{output, signals};
use crate::avro::written::Written;
use crate::config::{Config, LaneConfig, descriptors};
use crate::error::Fatal;
use crate::kafka::embedded::EmbeddedBroker;
use crate::kafka::settings::StartAt;
use crate::load::report::figures::count;
use crate::load::simulate::payloads::Framing;
use crate::load::verify::inject::Injection;
use crate::load::{self, LoadPlan, PipelineProbe};
use crate::model::Package;
use crate::node::{Node, RunningNode};
use crate::observe::cpu;
use crate::observe::latency::StepTimes;
use crate::observe::log::{self, LogConfig, LogFormat};
use crate::observe::stats::merged_times;
use crate::values::topics::Topics;

/// What to show. Seconds exclude the warm-up.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// How long to send
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = seconds, env = "SCOREWIRE_DEMO_SECONDS")]
    pub seconds: f64,
    /// Transactions per second
    #[arg(long, value_name = "N", default_value_t = 20_000.0, value_parser = rate, env = "SCOREWIRE_DEMO_RATE")]
    pub rate: f64,
    /// Seconds of sending before anything is measured
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = not_negative, env = "SCOREWIRE_DEMO_WARMUP")]
    pub warmup: f64,
    /// Seed of transactions, arrival times and poison
    #[arg(long, default_value_t = 1, env = "SCOREWIRE_DEMO_SEED")]
    pub seed: u64,
    /// Share of records that are spoiled on purpose and must become dead letters
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = share, env = "SCOREWIRE_DEMO_POISON")]
    pub poison: f64,
    /// Partitions of each topic; the embedded broker is quickest with few
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_000),
        env = "SCOREWIRE_DEMO_PARTITIONS")]
    pub partitions: u16,
    /// Lanes of the pipeline
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64),
        env = "SCOREWIRE_DEMO_LANES")]
    pub lanes: u16,
    /// Model package
    #[arg(long, value_name = "DIR", default_value = "models/card-fraud-gbdt", env = "SCOREWIRE_DEMO_PACKAGE")]
    pub package: PathBuf,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long, env = "SCOREWIRE_DEMO_JSON")]
    pub json: bool,
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Spoil an outcome behind the pipeline's back, to see the check fail: suppress@N, double@N, swap@N, alter@N
    #[arg(long, hide = true, value_name = "ACTION@N")]
    pub spoil: Vec<Injection>,
    /// Log level or directives
    #[arg(long, value_name = "LEVEL", default_value = "error,scorewire::load=info", env = "SCOREWIRE__LOG__LEVEL")]
    pub log_level: String,
}

pub fn execute(args: DemoArgs) -> Result<u8, Fatal> {
    log::init(&LogConfig { format: LogFormat::Text, level: args.log_level.clone() })?;
    descriptors::raise();
    let stop = signals::watch()?;
    let topics = Topics::default();
    say("all in this process: embedded broker, load, pipeline and verifier");
    say(&format!("starting the broker: 5 topics, {} partitions each", args.partitions));
    let broker = EmbeddedBroker::start(&topics, i32::from(args.partitions))?;
    say(&format!("verifying {} (may take some seconds)", args.package.display()));
    let node = Node::start(&node_config(&args, &broker), false)?.in_background()?;
    let model = node.model();
    say(&format!("scoring with {} {} on {}; waiting for partitions", model.name, model.version, model.provider));
    node.wait_until_assigned(u64::from(args.partitions), Duration::from_secs(30))?;
    let mut oracle = PackageOracle::open(Package::load(&args.package)?, args.onnxruntime.as_deref())?;
    let rate = if args.rate < 1.0 { args.rate.to_string() } else { count(args.rate.round() as u64) };
    let (warm_up, seconds) = (args.warmup, args.seconds);
    say(&format!("sending {rate} transactions/s: {warm_up} s to warm up, then {seconds} s measured"));
    let plan = load_plan(&args, &broker, topics);
    let summary = load::run_with(&plan, &Written::Outputs.texts(), Some(&node), Some(&mut oracle), &stop)?;
    node.finish()?;
    output::summary(&summary, args.json)?;
    Ok(summary.exit_code())
}

/// What is being done now: somebody is watching.
fn say(text: &str) {
    output::note(&format!("demo: {text}"));
}

fn node_config(args: &DemoArgs, broker: &EmbeddedBroker) -> Config {
    let mut config = Config::new(&broker.bootstrap(), "scorewire-demo", args.package.clone());
    config.kafka.start_at = Some(StartAt::Earliest);
    for (key, value) in EmbeddedBroker::consumer_properties() {
        config.kafka.consumer_properties.insert(key.to_owned(), value.to_owned());
    }
    for (key, value) in EmbeddedBroker::producer_properties() {
        config.kafka.producer_properties.insert(key.to_owned(), value.to_owned());
    }
    config.model.onnxruntime = args.onnxruntime.clone();
    config.lanes = vec![LaneConfig::default(); usize::from(args.lanes)];
    // The demo shows itself; a port could be taken.
    config.admin_listen = None;
    config
}

fn load_plan(args: &DemoArgs, broker: &EmbeddedBroker, topics: Topics) -> LoadPlan {
    LoadPlan {
        command: "scorewire demo",
        rate: args.rate,
        duration: Duration::from_secs_f64(args.seconds),
        warm_up: Duration::from_secs_f64(args.warmup),
        seed: args.seed,
        poison_per_million: per_million(args.poison),
        framing: Framing::SingleObject,
        inject: args.spoil.clone(),
        reports: args.reports.files(),
        ..LoadPlan::new(&broker.bootstrap(), topics).for_embedded_broker()
    }
}

/// A share in millionths.
pub fn per_million(share: f64) -> u32 {
    (share * 1e6).round() as u32
}

impl PipelineProbe for RunningNode {
    fn step_times(&self) -> Option<StepTimes> {
        Some(merged_times(self.stats()))
    }

    /// The lanes' own threads: decode, score, encode and the client calls. Broker, generator and verifier share the
    /// process, so its total would say nothing.
    fn cpu_us(&self) -> Option<u64> {
        cpu::threads_us("lane-")
    }

    fn facts(&self) -> Vec<(String, String)> {
        let model = self.model();
        let facts = [
            ("node", "in this process, with an embedded broker".to_owned()),
            ("delivery", "at least once".to_owned()),
            ("model", format!("{} {} on {}", model.name, model.version, model.provider)),
            ("model sha256", model.sha256.clone()),
            ("lanes", self.stats().len().to_string()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn failure(&self) -> Option<Fatal> {
        RunningNode::failure(self)
    }
}

/// A rate in records per second.
pub fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.001..=10_000_000.0)
}

/// A span that has some length.
pub fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.1..=31_536_000.0)
}

/// A span that may be empty.
pub fn not_negative(text: &str) -> Result<f64, String> {
    number(text, 0.0..=31_536_000.0)
}

/// A share of a whole.
pub fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1.0)
}

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number: f64 = text.replace('_', "").parse().map_err(|_| "expected a number".to_owned())?;
    if range.contains(&number) { Ok(number) } else { Err(format!("expected {} to {}", range.start(), range.end())) }
}
