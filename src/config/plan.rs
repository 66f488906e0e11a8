//! From what was typed to a checked [`Config`], section by section; the limits against each other in
//! [`super::checks`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::problem::{Origin, Problem};
use super::raw::{RawConfig, Value};
use super::read::Reader;
use super::{
    Config, DeliveryMode, LaneConfig, LogFormat, Provider, Trees, UnknownSchema, WireForms, checks, properties,
    security,
};
use crate::kafka::settings::secrets::{PASSWORD, PasswordFiles, is_secret, read_secret};
use crate::kafka::settings::{GroupProtocol, Membership, StartAt, WithoutOffsets};
use crate::pipeline::settings::{
    Cores, Deadline, DeadlineFrom, ForwardHeaders, HeaderStyle, Layout, OutOfRange, PayloadPolicy, Thresholds,
};
use crate::record::{Described, described_by};

pub const DELIVERY: &[(&str, DeliveryMode)] =
    &[("at_least_once", DeliveryMode::AtLeastOnce), ("exactly_once", DeliveryMode::ExactlyOnce)];
pub const START_AT: &[(&str, StartAt)] = &[("earliest", StartAt::Earliest), ("latest", StartAt::Latest)];
pub const WITHOUT_OFFSETS: &[(&str, WithoutOffsets)] =
    &[("refuse", WithoutOffsets::Refuse), ("resume", WithoutOffsets::Resume), ("begin", WithoutOffsets::Begin)];
pub const OUT_OF_RANGE: &[(&str, OutOfRange)] = &[("stop", OutOfRange::Stop), ("earliest", OutOfRange::Earliest)];
pub const GROUP_PROTOCOLS: &[(&str, GroupProtocol)] =
    &[("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)];
pub const MEMBERSHIPS: &[(&str, Membership)] = &[("dynamic", Membership::Dynamic), ("static", Membership::Static)];
pub const PROVIDERS: &[(&str, Provider)] = &[("cpu", Provider::Cpu), ("cuda", Provider::Cuda)];
pub const TREES: &[(&str, Trees)] = &[("auto", Trees::Auto), ("onnxruntime", Trees::OnnxRuntime)];
pub const ON_UNKNOWN: &[(&str, UnknownSchema)] =
    &[("dead_letter", UnknownSchema::DeadLetter), ("wait", UnknownSchema::Wait)];
pub const LAYOUTS: &[(&str, Layout)] = &[("inline", Layout::Inline), ("dedicated", Layout::Dedicated)];
pub const PAYLOAD: &[(&str, PayloadPolicy)] = &[("raw", PayloadPolicy::Raw), ("omit", PayloadPolicy::Omit)];
pub const HEADER_STYLES: &[(&str, HeaderStyle)] =
    &[("scorewire", HeaderStyle::Scorewire), ("connect", HeaderStyle::Connect), ("streams", HeaderStyle::Streams)];
pub const DEADLINE_FROM: &[(&str, DeadlineFrom)] =
    &[("source_timestamp", DeadlineFrom::SourceTimestamp), ("receipt", DeadlineFrom::Receipt)];
pub const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
pub const WIRE_FORMS: &[&str] = &["guid", "id", "single_object", "raw"];

/// More lanes than this are a slip of the finger: each is a group member and a model session.
const LANES_MAX: u64 = 1_024;

/// Builds the plan. With problems the returned configuration is not to be used.
pub fn plan(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>, Vec<String>) {
    let mut reader = Reader { raw, problems: Vec::new(), warnings: Vec::new() };
    let mut config = Config::new("", "", "");
    config.kafka.node = machine.host.clone();
    set(&mut config.delivery, reader.choice("delivery", DELIVERY));
    reader.require("kafka.group", "name the consumer group; its committed offsets are this job's progress");
    kafka(&mut reader, &mut config);
    topics(&mut reader, &mut config);
    lanes(&mut reader, &mut config, machine);
    model(&mut reader, &mut config);
    schemas(&mut reader, &mut config);
    outcomes(&mut reader, &mut config);
    super::limits::read(&mut reader, &mut config);
    operations(&mut reader, &mut config);
    checks::check(&mut reader, &config);
    (config, reader.problems, reader.warnings)
}

/// Builds the connection alone.
pub fn connection(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>) {
    let mut reader = Reader { raw, problems: Vec::new(), warnings: Vec::new() };
    let mut config = Config::new("", "", "");
    config.kafka.node = machine.host.clone();
    kafka(&mut reader, &mut config);
    topics(&mut reader, &mut config);
    operations(&mut reader, &mut config);
    set(&mut config.model.package, reader.path("model.package"));
    config.model.onnxruntime = reader.path("model.onnxruntime");
    security::check(&mut reader, &config);
    (config, reader.problems)
}

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn kafka(reader: &mut Reader<'_>, config: &mut Config) {
    let kafka = &mut config.kafka;
    reader.require("kafka.bootstrap", "give HOST:PORT of one or more brokers, with commas");
    if let Some(bootstrap) = reader.text("kafka.bootstrap") {
        for address in bootstrap.split(',').map(str::trim) {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().map_or(true, |port| port == 0)) {
                reader.problem(
                    "kafka.bootstrap",
                    format!("{address:?} is not HOST:PORT"),
                    "give HOST:PORT, with commas",
                );
            }
        }
        kafka.bootstrap = bootstrap;
    }
    set(&mut kafka.group, reader.text("kafka.group"));
    if let Some(node) = reader.text("kafka.node") {
        if node.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            kafka.node = node;
        } else {
            reader.problem("kafka.node", "holds more than letters, digits, '.', '_' and '-'", "rename the node");
        }
    }
    kafka.start_at = reader.choice("kafka.start_at", START_AT);
    set(&mut kafka.without_offsets, reader.choice("kafka.without_offsets", WITHOUT_OFFSETS));
    set(&mut kafka.group_protocol, reader.choice("kafka.group_protocol", GROUP_PROTOCOLS));
    set(&mut kafka.membership, reader.choice("kafka.membership", MEMBERSHIPS));
    set(&mut config.out_of_range, reader.choice("kafka.on_offset_out_of_range", OUT_OF_RANGE));
    let (both, file) = client_properties(reader, "kafka.properties");
    let (of_consumer, consumer_file) = client_properties(reader, "kafka.consumer.properties");
    let (of_producer, producer_file) = client_properties(reader, "kafka.producer.properties");
    // A client's own section goes before the one for both.
    let of_client = |own: &BTreeMap<_, _>, own_file| if own.contains_key(PASSWORD) { own_file } else { file.clone() };
    kafka.password_files = PasswordFiles {
        consumer: of_client(&of_consumer, consumer_file),
        producer: of_client(&of_producer, producer_file),
    };
    (kafka.properties, kafka.consumer_properties, kafka.producer_properties) = (both, of_consumer, of_producer);
}

/// The properties of one section that pass the allow-list, secrets read from their files; and the file of the password.
fn client_properties(reader: &mut Reader<'_>, section: &str) -> (BTreeMap<String, String>, Option<PathBuf>) {
    let client = properties::Side::of_section(section);
    let raw = reader.raw;
    let (mut passed, mut password_file) = (BTreeMap::new(), None);
    for (written, setting) in raw.properties(section) {
        let key = format!("{section}.{written}");
        let Value::Property(value) = &setting.value else { continue };
        let secret_file = written.strip_suffix("_file").filter(|name| is_secret(name));
        let name = secret_file.unwrap_or(written);
        if let Err(refusal) = properties::check(name, client) {
            reader.problem(&key, refusal.what, refusal.fix);
            continue;
        }
        let value = match secret_file {
            Some(_) => {
                let path = secret_path(reader, &key, value.expose());
                let secret = secret_from_file(reader, &key, &path);
                password_file = Some(path).filter(|_| name == PASSWORD).or(password_file);
                secret
            }
            None => Some(value.expose().to_owned()),
        };
        let Some(value) = value else { continue };
        if let Err(refusal) = properties::check_value(name, &value) {
            reader.problem(&key, refusal.what, refusal.fix);
            continue;
        }
        if value.contains('\0') {
            reader.problem(&key, "holds a NUL character", "remove it");
        } else if passed.insert(name.to_owned(), value).is_some() {
            reader.problem(&key, format!("{name} is given as a value and as a file"), "give one of the two");
        }
        if secret_file.is_none() && is_secret(name) && matches!(setting.origin, Origin::File { .. }) {
            warn_if_world_readable(reader, raw.file.as_deref(), &key);
        }
    }
    (passed, password_file)
}

fn secret_path(reader: &Reader<'_>, key: &str, path: &str) -> PathBuf {
    let from_file = matches!(reader.raw.origin(key), Origin::File { .. });
    let directory = reader.raw.file_directory.as_deref().filter(|_| from_file).unwrap_or(Path::new(""));
    directory.join(path)
}

fn secret_from_file(reader: &mut Reader<'_>, key: &str, path: &Path) -> Option<String> {
    match read_secret(path) {
        Ok(secret) if secret.trim().is_empty() => {
            reader.problem(key, format!("{} is empty", path.display()), "write the secret into it");
            None
        }
        Ok(secret) => {
            warn_if_world_readable(reader, Some(path), key);
            Some(secret)
        }
        Err(error) => {
            let what = format!("cannot read {}: {error}", path.display());
            reader.problem(key, what, "give the path of a readable UTF-8 file");
            None
        }
    }
}

fn warn_if_world_readable(reader: &mut Reader<'_>, path: Option<&Path>, key: &str) {
    use std::os::unix::fs::PermissionsExt;
    let Some(path) = path else { return };
    if std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0) {
        let path = path.display();
        reader.warnings.push(format!("{key}: every user can read {path}, which holds a secret: chmod o-r {path}"));
    }
}

fn topics(reader: &mut Reader<'_>, config: &mut Config) {
    let topics = &mut config.topics;
    let places = [
        ("topics.input", &mut topics.input),
        ("topics.outputs", &mut topics.outputs),
        ("topics.review", &mut topics.review),
        ("topics.dead_letters", &mut topics.dead_letters),
        ("topics.timeouts", &mut topics.timeouts),
    ];
    for (key, place) in places {
        let Some(topic) = reader.text(key) else { continue };
        let legal = topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if legal && topic.len() <= 249 && topic != "." && topic != ".." {
            *place = topic;
        } else {
            let fix = "use up to 249 letters, digits, '.', '_' and '-'";
            reader.problem(key, format!("{topic:?} is not a legal topic name"), fix);
        }
    }
}

fn lanes(reader: &mut Reader<'_>, config: &mut Config, machine: &Machine) {
    let count = reader.integer("lanes.count", 1..=LANES_MAX);
    set(&mut config.layout, reader.choice("lanes.layout", LAYOUTS));
    let (threads, per_lane) = match config.layout {
        Layout::Inline => (1, "one core per lane"),
        Layout::Dedicated => (2, "two cores per lane, the lane's and then its model's"),
    };
    let cores: Vec<usize> = reader.list_of("lanes.cores", "a core number").unwrap_or_default();
    for core in &cores {
        if !machine.cores.contains(core) {
            let allowed: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
            let what = format!("core {core} is outside the process's cpuset");
            reader.problem("lanes.cores", what, format!("choose from {}", allowed.join(", ")));
        }
    }
    let mut distinct = cores.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < cores.len() {
        let what = if threads == 1 { "two lanes on one core" } else { "two threads on one core" };
        reader.problem("lanes.cores", what, "name each core once");
    }
    let lanes = count.map_or((cores.len() / threads).max(1), |count| count as usize);
    if !cores.is_empty() && cores.len() != lanes * threads {
        let named = cores.len();
        let what = format!("{named} core{} for {lanes} lane{}", plural(named), plural(lanes));
        reader.problem("lanes.cores", what, format!("name {per_lane}, or none at all"));
    }
    if lanes * threads > machine.cores.len() {
        let (cores, whose) = (machine.cores.len(), if threads == 1 { "lanes" } else { "lanes' threads" });
        let running = lanes * threads;
        reader
            .warnings
            .push(format!("lanes.count: {running} {whose} share {cores} cores; more {whose} than cores only wait"));
    }
    reader.warnings.extend(machine.cpu_quota_millis.and_then(|millis| quota_shortage(millis, lanes * threads)));
    let of_lane = |lane: usize| {
        let of_thread = |thread: usize| cores.get(lane * threads + thread).copied().filter(|_| thread < threads);
        LaneConfig { cores: Cores { lane: of_thread(0), model: of_thread(1) } }
    };
    config.lanes = (0..lanes).map(of_lane).collect();
}

/// What to tell where threads that are busy under load share a quota of less than a core for each.
fn quota_shortage(quota_millis: u64, busy: usize) -> Option<String> {
    let is_short = quota_millis < busy as u64 * 1_000;
    is_short.then(|| {
        let (quota, s) = (quota_millis as f64 / 1_000.0, plural(busy));
        format!(
            "lanes.count: {busy} thread{s} of lanes under a CPU quota of {quota} cores: under load the kernel stops the whole \
             process for the rest of each period, tens of milliseconds. Raise the quota of the control group to more than \
             {busy} (cpu.max; CPUQuota= of systemd; limits.cpu of Kubernetes), remove it, or run fewer lanes"
        )
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn model(reader: &mut Reader<'_>, config: &mut Config) {
    let model = &mut config.model;
    reader.require("model.package", "name the model package's directory, such as models/card-fraud-gbdt");
    set(&mut model.package, reader.path("model.package"));
    model.onnxruntime = reader.path("model.onnxruntime");
    set(&mut model.provider, reader.choice("model.provider", PROVIDERS));
    set(&mut model.trees, reader.choice("model.trees", TREES));
    set(&mut model.batch_slice_us, reader.integer("model.batch_slice_us", 1..=1_000_000));
    set(&mut model.batch_latency_us_max, reader.integer("model.batch_latency_us_max", 1..=10_000_000));
    model.batch_rows = reader.integer("model.batch_rows", 1..=65_536).map(|rows| rows as usize);
}

fn schemas(reader: &mut Reader<'_>, config: &mut Config) {
    let schemas = &mut config.schemas;
    schemas.directory = reader.path("schemas.directory");
    if let Some(directory) = schemas.directory.as_ref().filter(|directory| !directory.is_dir()) {
        let what = format!("{} is not a directory", directory.display());
        reader.problem("schemas.directory", what, "name the directory of the .avsc files");
    }
    set(&mut schemas.on_unknown, reader.choice("schemas.on_unknown", ON_UNKNOWN));
    if let Some(forms) = reader.list("schemas.wire_forms") {
        for form in forms.iter().filter(|form| !WIRE_FORMS.contains(&form.as_str())) {
            let fix = format!("choose from {}", WIRE_FORMS.join(", "));
            reader.problem("schemas.wire_forms", format!("{form:?} is no wire form"), fix);
        }
        if forms.is_empty() {
            reader.problem("schemas.wire_forms", "no wire form: nothing could be decoded", "name at least one");
        }
        let has = |name: &str| forms.iter().any(|form| form == name);
        schemas.wire_forms =
            WireForms { guid: has("guid"), id: has("id"), single_object: has("single_object"), raw: has("raw") };
    }
    schemas.raw_schema = reader.path("schemas.raw_schema");
    if let Some(path) = schemas.raw_schema.as_ref().filter(|path| !path.is_file()) {
        let what = format!("{} is not a file", path.display());
        reader.problem("schemas.raw_schema", what, "name the .avsc file that raw payloads are written with");
    }
}

fn outcomes(reader: &mut Reader<'_>, config: &mut Config) {
    let review = reader.number("thresholds.review", 0.0..=1.0);
    let decline = reader.number("thresholds.decline", 0.0..=1.0);
    let version = reader.text("thresholds.version");
    config.thresholds = match (review, decline, version) {
        (Some(review), Some(decline), Some(version)) => Some(Thresholds { review, decline, version }),
        _ => None,
    };
    let sample = reader.integer("review.sample_per_million", 0..=1_000_000);
    set(&mut config.review.sample_per_million, sample.map(|share| share as u32));
    set(&mut config.review.payload, reader.choice("review.payload", PAYLOAD));
    set(&mut config.dead_letters.payload, reader.choice("dead_letters.payload", PAYLOAD));
    set(&mut config.dead_letters.header_style, reader.choice("dead_letters.header_style", HEADER_STYLES));
    let share = reader.integer("dead_letters.alarm_share_per_million", 0..=1_000_000);
    set(&mut config.dead_letters.alarm_share_per_million, share);
    let from = reader.choice("deadline.from", DEADLINE_FROM).unwrap_or(DeadlineFrom::SourceTimestamp);
    let limit = reader.integer("deadline.limit_ms", 1..=86_400_000);
    config.deadline = limit.map(|limit_ms| Deadline { limit_ms, from });
    if let Some(names) = reader.list("headers.forward") {
        let all = names.iter().any(|name| name == "*");
        if all && names.len() > 1 {
            reader.problem("headers.forward", "\"*\" beside names", "give [\"*\"] alone, or names alone");
        }
        for (name, part) in names.iter().filter_map(|name| Some((name, described_by(name.as_bytes())?))) {
            let part = match part {
                Described::Key => "key",
                Described::Value => "value",
            };
            let what =
                format!("{name:?} describes the source's {part}: beside another {part} it would mislead readers");
            let fix = format!("remove it: it travels by itself wherever the source's {part} does, and nowhere else");
            reader.problem("headers.forward", what, fix);
        }
        config.forward_headers = if all { ForwardHeaders::All } else { ForwardHeaders::Only(names) };
    }
}

fn operations(reader: &mut Reader<'_>, config: &mut Config) {
    if let Some(listen) = reader.text("admin.listen") {
        config.admin_listen = match (listen.as_str(), listen.parse::<SocketAddr>()) {
            ("off", _) => None,
            (_, Ok(address)) => Some(address),
            (_, Err(_)) => {
                let what = format!("{listen:?} is not ADDRESS:PORT");
                reader.problem("admin.listen", what, "give an IP address and port, such as 127.0.0.1:9464, or \"off\"");
                None
            }
        };
    }
    if let Some(address) = config.admin_listen.filter(|address| !address.ip().is_loopback()) {
        reader.warnings.push(format!("admin.listen: {address} is open to the network, without authentication"));
    }
    set(&mut config.log.format, reader.choice("log.format", LOG_FORMATS));
    if let Some(level) = reader.text("log.level") {
        if let Err(error) = crate::observe::log::filter(&level) {
            let what = format!("{level:?} is no log filter: {error}");
            reader.problem("log.level", what, "give error, warn, info, debug or trace, or target=level with commas");
        }
        config.log.level = level;
    }
}
