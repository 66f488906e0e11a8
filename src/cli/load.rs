//! `scorewire load`: send transactions at a steady rate and check what comes back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::config_args::ConfigArgs;
use super::demo::{not_negative, per_million, rate, seconds, share};
use super::oracle::PackageOracle;
use super::report_args::ReportArgs;
use super::{output, signals, simulated};
use crate::avro::written::Written;
use crate::config::{Connection, descriptors};
use crate::error::{Fatal, exit};
use crate::kafka::settings::KafkaSettings;
use crate::load::send::schedule;
use crate::load::simulate::dataset::{self, Format};
use crate::load::simulate::payloads::{Framing, PayloadSource};
use crate::load::verify::inject::Injection;
use crate::load::verify::oracle::Oracle;
use crate::load::verify::verifier::Check;
use crate::load::{self, LoadPlan, NodeProbe, PipelineProbe, ProcessProbe};
use crate::model::Package;
use crate::observe::log;
use crate::values::topics::Topics;

/// Longer than any file lasts.
const WHOLE_FILE_SECONDS: f64 = 1e9;

/// Scores checked unless said otherwise: a moment's work, and a broken feature rarely spares so many.
const CHECK_SCORES: u64 = 500;

/// What is looked at in an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckDepth {
    /// Header, key, place, and the output record itself.
    Full,
    /// Header, key and place: lost, doubled, out of order.
    Header,
}

/// How records arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arrival {
    /// Evenly spaced.
    Constant,
    /// Exponential gaps.
    Poisson,
}

#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// Transactions per second
    #[arg(long, value_name = "N", default_value_t = 1_000.0, value_parser = rate, env = "SCOREWIRE_LOAD_RATE")]
    rate: f64,
    /// How long to send
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = seconds, env = "SCOREWIRE_LOAD_SECONDS")]
    seconds: f64,
    /// Seconds of sending before anything is measured
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = not_negative, env = "SCOREWIRE_LOAD_WARMUP")]
    warmup: f64,
    /// Threads that send; more where the generator is the bottleneck. Partitions are shared out among them, due times stay
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64),
        env = "SCOREWIRE_LOAD_THREADS")]
    threads: u16,
    /// Milliseconds between two requests to a partition at least: what becomes due meanwhile leaves together, and outcomes
    /// are fetched a millisecond apart. It spares a broker that shares its machine with the scorer; waiting counts as latency
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = not_negative, env = "SCOREWIRE_LOAD_GATHER")]
    gather: f64,
    /// Seed of transactions, arrival times and poison
    #[arg(long, default_value_t = 1, env = "SCOREWIRE_LOAD_SEED")]
    seed: u64,
    /// Share of records that are spoiled on purpose and must become dead letters
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, env = "SCOREWIRE_LOAD_POISON")]
    poison: f64,
    /// Spacing of the records
    #[arg(long, value_enum, default_value_t = Arrival::Constant, env = "SCOREWIRE_LOAD_ARRIVAL")]
    arrival: Arrival,
    /// Send N records as fast as the broker takes them, whatever --rate and --seconds say; without --drain outcomes are not
    /// read back and nothing is checked
    #[arg(long, value_name = "N", env = "SCOREWIRE_LOAD_PRELOAD")]
    preload: Option<u64>,
    /// Measure how fast process --pid works the preload off: it is stopped while the topic is filled, then goes on, and
    /// its outputs are read back and checked afterwards. It must be running, assigned and idle
    #[arg(long, requires = "preload", requires = "pid", conflicts_with_all = ["hlog", "hgrm"])]
    drain: bool,
    /// Send simulated card transactions to the input topic although it holds records already
    #[arg(long, conflicts_with_all = ["from", "export"], env = "SCOREWIRE_LOAD_SIMULATE")]
    simulate: bool,
    /// Send the records of an Avro object container file, byte by byte as they stand there, instead of simulated ones.
    /// Codecs: null, deflate, snappy, zstandard, bzip2, xz
    #[arg(long, value_name = "FILE.avro", env = "SCOREWIRE_LOAD_FROM")]
    from: Option<PathBuf>,
    /// Field whose value becomes the record's key: text, an enum or a whole number, by its dotted path. Without it, no keys
    #[arg(long, value_name = "FIELD", requires = "from", env = "SCOREWIRE_LOAD_KEY_FIELD")]
    key_field: Option<String>,
    /// Schema id written before each payload; without one, single-object encoding with the fingerprint of the schema
    #[arg(long, value_name = "ID", env = "SCOREWIRE_LOAD_SCHEMA_ID")]
    schema_id: Option<u32>,
    /// Send the whole file once, whatever --seconds says, and stop at its end
    #[arg(long, requires = "from", conflicts_with = "repeat", env = "SCOREWIRE_LOAD_ONCE")]
    once: bool,
    /// Start the file over when it ends (the default)
    #[arg(long = "loop", requires = "from", env = "SCOREWIRE_LOAD_LOOP")]
    repeat: bool,
    /// Write simulated transactions to a .csv or .avro file instead of sending them
    #[arg(long, value_name = "FILE", requires = "count", conflicts_with_all = ["from", "preload"],
        env = "SCOREWIRE_LOAD_EXPORT")]
    export: Option<PathBuf>,
    /// Number of transactions to write
    #[arg(long, value_name = "N", requires = "export", env = "SCOREWIRE_LOAD_COUNT")]
    count: Option<u64>,
    /// Process id of the scoring process on this machine, to tell its CPU time per record
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Admin address of a scoring process, to tell its stages; once for each process. Without it the configured
    /// admin.listen is tried
    #[arg(long, value_name = "ADDRESS:PORT", env = "SCOREWIRE_LOAD_ADMIN", value_delimiter = ',')]
    admin: Vec<SocketAddr>,
    /// Write `row,score` of every scored row of the source to FILE
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// What is checked of each outcome; `header` suits a control that copies bytes
    #[arg(long, value_enum, default_value_t = CheckDepth::Full, env = "SCOREWIRE_LOAD_CHECK")]
    check: CheckDepth,
    /// About how many scores to compute again after the run, by the model package: 500 where one is configured and can be
    /// opened here, 0 for none
    #[arg(long, value_name = "N", env = "SCOREWIRE_LOAD_CHECK_SCORES")]
    check_scores: Option<u64>,
    /// Spoil an outcome behind the pipeline's back, to see the check fail: suppress@N, double@N, swap@N, alter@N
    #[arg(long, hide = true, value_name = "ACTION@N")]
    spoil: Vec<Injection>,
    /// Print the result as one JSON object
    #[arg(long, env = "SCOREWIRE_LOAD_JSON")]
    json: bool,
    #[command(flatten)]
    reports: ReportArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn execute(args: &LoadArgs) -> Result<u8, Fatal> {
    if let (Some(path), Some(count)) = (&args.export, args.count) {
        return export(path, count, args.seed);
    }
    let connection = args.config.load_connection()?;
    log::init(&connection.log)?;
    descriptors::raise();
    // Looked at by both: whether simulated transactions fit it, and what scores should be.
    let package = connection.package.as_deref().map(Package::load);
    if args.from.is_none() {
        check_simulated(args, &connection, package.as_ref())?;
    }
    let stop = signals::watch()?;
    let probe = probe(args, connection.admin_listen, connection.topics.input())?;
    let speaks = probe.as_ref().is_some_and(|probe| !probe.facts().is_empty());
    let facts = facts(&connection, package.as_ref().filter(|_| !speaks));
    let mut oracle = oracle(args, &connection, package)?;
    let probe = probe.as_ref().map(|probe| probe as &dyn PipelineProbe);
    let oracle = oracle.as_mut().map(|oracle| oracle as &mut dyn Oracle);
    let plan =
        LoadPlan { facts, retry_later: connection.retry_later, ..plan(args, &connection.kafka, &connection.topics) };
    let mut summary = load::run_with(&plan, &Written::Outputs.texts(), probe, oracle, &stop)?;
    if summary.nobody_answered() {
        summary.advice.extend(advice(&connection));
    }
    output::summary(&summary, args.json)?;
    Ok(summary.exit_code())
}

/// Simulated transactions are written only where they fit, and into a topic that holds records only when asked to.
fn check_simulated(
    args: &LoadArgs,
    connection: &Connection,
    package: Option<&Result<Package, Fatal>>,
) -> Result<(), Fatal> {
    match package {
        Some(Ok(package)) => simulated::check_package(package)?,
        Some(Err(error)) if !args.simulate => return Err(simulated::cannot_tell(error)),
        _ => {}
    }
    if args.simulate { Ok(()) } else { simulated::check_topic(connection) }
}

/// What the configuration says of the pipeline: of the model, where no node speaks for itself.
fn facts(connection: &Connection, package: Option<&Result<Package, Fatal>>) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut put = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some(Ok(package)) = package {
        put("model, by the configuration", format!("{} {}", package.name, package.version));
        put("model sha256", package.sha256.clone());
    }
    put("delivery, by the configuration", connection.delivery.words().to_owned());
    facts
}

/// Why nobody may have answered, as far as the configured node tells.
fn advice(connection: &Connection) -> Option<String> {
    let address = connection.admin_listen?;
    match NodeProbe::new(vec![address], None).check(connection.topics.input()) {
        Ok(()) => Some(format!("the node at {address} reads this topic: see its log, and http://{address}/status")),
        Err(error) if error.code == exit::USAGE => Some(error.what),
        Err(_) => Some(format!("nothing answers at {address} (admin.listen)")),
    }
}

/// Who checks scores. Asked for, it must be there; otherwise the lack of a package or of ONNX Runtime on this machine
/// costs the check and not the run.
fn oracle(
    args: &LoadArgs,
    connection: &Connection,
    package: Option<Result<Package, Fatal>>,
) -> Result<Option<PackageOracle>, Fatal> {
    let is_read_back = args.preload.is_none() || args.drain;
    if args.check_scores == Some(0) || args.check == CheckDepth::Header || !is_read_back {
        return Ok(None);
    }
    let opened = match package {
        Some(package) => package.and_then(|package| PackageOracle::open(package, connection.onnxruntime.as_deref())),
        None if args.check_scores.is_none() => return Ok(None),
        None => {
            let what = "scores cannot be checked: no model package is named";
            Err(Fatal::new(exit::CONFIG, what, "name the package that scores, with --package or model.package"))
        }
    };
    match opened {
        Ok(oracle) => Ok(Some(oracle)),
        Err(error) if args.check_scores.is_some() => Err(error),
        Err(error) => {
            output::warn(&format!("scores are not checked: {}", error.what));
            Ok(None)
        }
    }
}

/// A view into the scoring processes that were named, or into the one that answers where the configuration says; `None`
/// where there is nothing to see.
fn probe(args: &LoadArgs, configured: Option<SocketAddr>, input: &str) -> Result<Option<NodeProbe>, Fatal> {
    let process = || args.pid.map(ProcessProbe::new);
    let named = NodeProbe::new(args.admin.clone(), process());
    // Whoever named a node wants to hear that it is not there.
    named.check(input)?;
    if !args.admin.is_empty() {
        return Ok(Some(named));
    }
    let found = NodeProbe::new(configured.into_iter().collect(), process());
    match found.check(input) {
        Ok(()) => Ok(Some(found)),
        Err(_) => Ok(args.pid.map(|_| named)),
    }
}

/// The simulator's transactions as a file.
fn export(path: &Path, count: u64, seed: u64) -> Result<u8, Fatal> {
    let format = Format::of(path).ok_or_else(|| {
        let what = format!("{}: the extension says no format", path.display());
        Fatal::new(exit::USAGE, what, "name a file that ends in .csv or .avro")
    })?;
    dataset::export(path, count, seed, format)?;
    Ok(exit::DONE)
}

fn plan(args: &LoadArgs, kafka: &KafkaSettings, topics: &Topics) -> LoadPlan {
    let source = match &args.from {
        Some(path) => PayloadSource::File { path: path.clone(), key: args.key_field.clone(), repeat: !args.once },
        None => PayloadSource::default(),
    };
    // A file that is sent once is sent whole, and all of it counts.
    let (seconds, warm_up) = if args.once { (WHOLE_FILE_SECONDS, 0.0) } else { (args.seconds, args.warmup) };
    LoadPlan {
        properties: kafka.properties.clone(),
        consumer_properties: kafka.consumer_properties.clone(),
        producer_properties: kafka.producer_properties.clone(),
        rate: args.rate,
        arrival: match args.arrival {
            Arrival::Constant => schedule::Arrival::Constant,
            Arrival::Poisson => schedule::Arrival::Poisson,
        },
        duration: Duration::from_secs_f64(seconds),
        warm_up: Duration::from_secs_f64(warm_up),
        seed: args.seed,
        poison_per_million: per_million(args.poison),
        source,
        framing: args.schema_id.map_or(Framing::SingleObject, Framing::Registry),
        preload: args.preload,
        gather: Duration::from_secs_f64(args.gather / 1e3),
        threads: args.threads,
        drain: args.pid.filter(|_| args.drain),
        verify: args.preload.is_none() || args.drain,
        check: match args.check {
            CheckDepth::Full => Check::Full,
            CheckDepth::Header => Check::Header,
        },
        check_scores: args.check_scores.unwrap_or(CHECK_SCORES),
        scores_to: args.scores.clone(),
        reports: args.reports.files(),
        inject: args.spoil.clone(),
        ..LoadPlan::new(&kafka.bootstrap, topics.clone())
    }
}
