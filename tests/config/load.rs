//! The configuration as an operator meets it: every mistake at once with its place and fix, sources in their order,
//! secrets never shown, and a reference that is true.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use scorewire::config::keys::{self, KEYS};
use scorewire::config::machine::Machine;
use scorewire::config::problem::{ConfigError, Origin, Problem};
use scorewire::config::sources::{FlagValue, Sources};
use scorewire::config::{Config, DeliveryMode, LaneConfig, Loaded, REFERENCE, show};
use scorewire::error::{Fatal, exit};
use scorewire::kafka::settings::{GroupProtocol, Membership, StartAt};
use scorewire::values::settings::{Cores, Deadline, DeadlineFrom, ForwardHeaders, Layout, WhenLate};
use tempfile::TempDir;

use super::table::{collect, uncommented};

/// A folder with a package, and a machine with cores 0, 1 and 4.
pub struct Bench {
    dir: TempDir,
}

pub const MINIMAL: &str = "[kafka]\nbootstrap = \"broker:9092\"\ngroup = \"g\"\n[model]\npackage = \"package\"\n";

impl Bench {
    pub fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("package")).unwrap();
        Bench { dir }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn load(&self, text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let machine = Machine {
            cores: BTreeSet::from([0, 1, 4]),
            host: "host-1".to_owned(),
            cpu_quota_millis: None,
            state_directory: None,
        };
        let sources = Sources {
            file: Some(self.write("scorewire.toml", text)),
            env: env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
            flags: flags
                .iter()
                .map(|(key, value)| FlagValue {
                    flag: "--set".to_owned(),
                    key: (*key).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
        };
        Config::load(&sources, &machine)
    }

    /// The configuration of the minimal file with more lines.
    fn with(&self, more: &str) -> Config {
        self.load(&format!("{MINIMAL}{more}"), &[], &[]).unwrap().config
    }

    /// The problems of the minimal file with more lines.
    fn problems(&self, more: &str) -> Vec<Problem> {
        self.load(&format!("{MINIMAL}{more}"), &[], &[]).expect_err("expected problems").problems
    }
}

pub fn of<'a>(problems: &'a [Problem], key: &str) -> &'a Problem {
    let found: Vec<&Problem> = problems.iter().filter(|problem| problem.key == key).collect();
    assert_eq!(found.len(), 1, "problems of {key} in {problems:#?}");
    found[0]
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_fix() {
    let bench = Bench::new();
    let text = "[kafka]\nbootstrap = \"broker\"\nprimary = 1\n[lanes]\ncuont = 2\ncount = \"two\"\n\
                [limits]\nbatch_rows_max = 0\n[model]\npackage = \"nowhere\"\nprovider = \"tpu\"\n";
    let env = [("SCOREWIRE__LIMITS__IDLE_WAIT_MS", "soon"), ("SCOREWIRE__LIMTIS__X", "1"), ("HOME", "/root")];
    let error = bench.load(text, &env, &[("log.level", "loud")]).unwrap_err();
    let problems = &error.problems;

    assert_eq!(of(problems, "lanes.cuont").fix, "did you mean lanes.count?");
    assert_eq!(of(problems, "lanes.cuont").origin, Origin::File { path: bench.path("scorewire.toml"), line: 5 });
    assert_eq!(of(problems, "lanes.count").what, "expected an integer from 1 to 1024, found a string");
    assert_eq!(of(problems, "kafka.bootstrap").what, "\"broker\" is not HOST:PORT");
    assert_eq!(of(problems, "kafka.group").origin, Origin::Default);
    assert_eq!(of(problems, "kafka.primary").what, "unknown key");
    assert!(of(problems, "limits.batch_rows_max").what.ends_with("found 0"));
    assert_eq!(of(problems, "model.provider").fix, "give \"cpu\" or \"cuda\"");
    assert!(of(problems, "model.package").what.ends_with("nowhere is not a directory"));
    let wait = of(problems, "limits.idle_wait_ms");
    assert_eq!(wait.origin, Origin::Env("SCOREWIRE__LIMITS__IDLE_WAIT_MS".to_owned()));
    assert_eq!(of(problems, "limtis.x").origin, Origin::Env("SCOREWIRE__LIMTIS__X".to_owned()));
    assert_eq!(of(problems, "log.level").origin, Origin::Flag("--set".to_owned()));
    assert_eq!(problems.len(), 11, "{error}");
    assert!(problems.iter().all(|problem| !problem.fix.is_empty()), "{error}");

    let fatal = Fatal::from(error.clone());
    assert_eq!(fatal.code, exit::CONFIG);
    assert!(
        fatal.to_string().contains("scorewire.toml:5: lanes.cuont: unknown key\n     fix: did you mean"),
        "{fatal}"
    );
}

#[test]
fn a_stronger_source_wins() {
    let bench = Bench::new();
    let text = format!("{MINIMAL}[limits]\nbatch_rows_max = 10\nidle_wait_ms = 20\ncommit_interval_ms = 30\n");
    let env = [("SCOREWIRE__LIMITS__IDLE_WAIT_MS", "21"), ("SCOREWIRE__LIMITS__COMMIT_INTERVAL_MS", "31")];
    let loaded = bench.load(&text, &env, &[("limits.commit_interval_ms", "32")]).unwrap();
    let limits = &loaded.config.limits;
    assert_eq!(limits.batch_rows_max, 10);
    assert_eq!(limits.idle_wait.as_millis(), 21);
    assert_eq!(limits.commit_interval.as_millis(), 32);
    assert_eq!(limits.payload_bytes_max, 1 << 20, "untouched keys keep their default");
    assert_eq!(loaded.origin("limits.commit_interval_ms"), Origin::Flag("--set".to_owned()));
    assert_eq!(loaded.origin("limits.payload_bytes_max"), Origin::Default);
}

#[test]
fn each_kind_of_value_reads_from_text_as_from_toml() {
    let bench = Bench::new();
    let toml = "[lanes]\ncount = 2\ncores = [4, 0]\n[schemas]\nwire_forms = [\"id\"]\n\
                [thresholds]\nreview = 0.25\ndecline = 1\nversion = \"v1\"\n[admin]\nlisten = \"off\"\n\
                [deadline]\nlimit_ms = 1_000\nfrom = \"receipt\"\n[headers]\nforward = [\"a\", \"b\"]\n";
    let env = [
        ("SCOREWIRE__LANES__COUNT", "2"),
        ("SCOREWIRE__LANES__CORES", "4, 0"),
        ("SCOREWIRE__SCHEMAS__WIRE_FORMS", "id"),
        ("SCOREWIRE__THRESHOLDS__REVIEW", "0.25"),
        ("SCOREWIRE__THRESHOLDS__DECLINE", "1"),
        ("SCOREWIRE__THRESHOLDS__VERSION", "v1"),
        ("SCOREWIRE__ADMIN__LISTEN", "off"),
        ("SCOREWIRE__DEADLINE__LIMIT_MS", "1_000"),
        ("SCOREWIRE__DEADLINE__FROM", "receipt"),
        ("SCOREWIRE__HEADERS__FORWARD", "a, b"),
    ];
    let config = bench.load(MINIMAL, &env, &[]).unwrap().config;
    assert_eq!(config, bench.with(toml));
    assert_eq!(config.lanes.iter().map(|lane| lane.cores.lane).collect::<Vec<_>>(), [Some(4), Some(0)]);
    assert_eq!(config.deadline, Some(Deadline { limit_ms: 1_000, from: DeadlineFrom::Receipt, then: WhenLate::Flag }));
    assert_eq!(config.forward_headers, ForwardHeaders::Only(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(config.admin_listen, None);
}

#[test]
fn a_dedicated_lane_has_two_cores_its_own_and_its_models() {
    let bench = Bench::new();
    let config = bench.with("[lanes]\nlayout = \"dedicated\"\ncores = [4, 0]\n");
    assert_eq!(config.layout, Layout::Dedicated);
    assert_eq!(config.lanes, [LaneConfig { cores: Cores { lane: Some(4), model: Some(0) } }]);
    let shown = show::values(&config).into_iter().collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!((&shown["lanes.layout"], &shown["lanes.cores"]), (&"dedicated".into(), &vec![4, 0].into()));
    assert_eq!(bench.with("[lanes]\ncores = [4]\n").lanes[0].cores, Cores { lane: Some(4), model: None });
}

#[test]
fn relative_paths_in_the_file_start_at_its_directory() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("schemas")).unwrap();
    let config = bench.with("[schemas]\ndirectory = \"schemas\"\n");
    assert_eq!(config.model.package, bench.path("package"));
    assert_eq!(config.schemas.directory, Some(bench.path("schemas")));
}

#[test]
fn syntax_errors_have_a_line_and_do_not_hide_other_problems() {
    let bench = Bench::new();
    let problems = bench.load("[kafka]\nbootstrap = broker:9092\n[lanes]\ncuont = 1\n", &[], &[]).unwrap_err().problems;
    let syntax = problems.iter().find(|problem| problem.what.starts_with("not TOML")).unwrap();
    assert_eq!(syntax.origin, Origin::File { path: bench.path("scorewire.toml"), line: 2 });
    assert_eq!(of(&problems, "lanes.cuont").fix, "did you mean lanes.count?");
}

#[test]
fn a_file_that_is_not_there_is_one_problem_among_the_others() {
    let sources = Sources { file: Some("/nowhere/scorewire.toml".into()), ..Sources::default() };
    let problems = Config::load(&sources, &Machine::current()).unwrap_err().problems;
    assert!(problems[0].what.starts_with("cannot read /nowhere/scorewire.toml"), "{problems:?}");
    for key in ["kafka.bootstrap", "kafka.group", "model.package"] {
        assert_eq!(of(&problems, key).what, "required, and not given");
    }
}

#[test]
fn limits_are_held_against_their_neighbours() {
    let bench = Bench::new();
    for (more, key) in [
        ("[limits]\nbatch_rows_max = 600\nin_flight_records_max = 599\n", "limits.batch_rows_max"),
        ("[limits]\nin_flight_bytes_max = 1000\n", "limits.in_flight_bytes_max"),
        ("[limits]\ncommit_interval_ms = 24000\ncommit_timeout_ms = 23000\n", "limits.commit_interval_ms"),
        ("[limits]\nrevoke_timeout_ms = 60001\n", "limits.revoke_timeout_ms"),
        ("[limits]\nwatchdog_timeout_ms = 29999\n", "limits.watchdog_timeout_ms"),
        ("[limits]\noutcome_bytes_max = 1000001\n", "limits.outcome_bytes_max"),
        ("batch_rows = 513\n", "model.batch_rows"),
        ("batch_slice_us = 10001\n", "model.batch_slice_us"),
    ] {
        let problems = bench.problems(more);
        assert_eq!(problems.len(), 1, "{more}: {problems:#?}");
        assert_eq!(problems[0].key, key, "{problems:#?}");
        assert!(problems[0].what.contains(" exceeds "), "{problems:#?}");
    }
    let raised =
        "[limits]\noutcome_bytes_max = 2000000\n[kafka.producer.properties]\n\"message.max.bytes\" = 2000000\n";
    assert_eq!(bench.with(raised).limits.outcome_bytes_max, 2_000_000);
}

#[test]
fn what_contradicts_itself_is_a_problem() {
    let bench = Bench::new();
    for (more, key, what) in [
        ("[topics]\noutputs = \"enriched-context\"\n", "topics.outputs", "is also topics.input"),
        ("[topics]\ninput = \"a b\"\n", "topics.input", "not a legal topic name"),
        ("[lanes]\ncores = [0, 2]\n", "lanes.cores", "core 2 is outside the process's cpuset"),
        ("[lanes]\ncores = [1, 1]\n", "lanes.cores", "two lanes on one core"),
        ("[lanes]\ncount = 3\ncores = [0, 1]\n", "lanes.cores", "2 cores for 3 lanes"),
        ("[lanes]\nlayout = \"dedicated\"\ncores = [0]\n", "lanes.cores", "1 core for 1 lane"),
        ("[lanes]\nlayout = \"dedicated\"\ncores = [0, 0]\n", "lanes.cores", "two threads on one core"),
        ("[lanes]\nlayout = \"dedicated\"\ncores = [0, 1, 4]\n", "lanes.cores", "3 cores for 1 lane"),
        ("[lanes]\nlayout = \"split\"\n", "lanes.layout", "none of its words"),
        (
            "[thresholds]\nreview = 0.5\n",
            "thresholds.review",
            "given without thresholds.decline and thresholds.version",
        ),
        ("[thresholds]\nreview = 0.9\ndecline = 0.5\nversion = \"v\"\n", "thresholds.review", "above decline"),
        ("[thresholds]\nreview = nan\ndecline = 0.5\nversion = \"v\"\n", "thresholds.review", "a number from 0 to 1"),
        ("[schemas]\nwire_forms = [\"raw\"]\n", "schemas.wire_forms", "without a schema"),
        ("[schemas]\nwire_forms = []\n", "schemas.wire_forms", "nothing could be decoded"),
        ("[deadline]\nfrom = \"receipt\"\n", "deadline.from", "no effect"),
        ("[headers]\nforward = [\"*\", \"a\"]\n", "headers.forward", "beside names"),
        ("[admin]\nlisten = \"localhost\"\n", "admin.listen", "is not ADDRESS:PORT"),
        ("[log]\nlevel = \"inof\"\n", "log.level", "no log filter"),
        ("[log]\nformat = \"xml\"\n", "log.format", "none of its words"),
    ] {
        let problems = bench.problems(more);
        assert!(of(&problems, key).what.contains(what), "{more}: {problems:#?}");
    }
}

#[test]
fn exactly_once_needs_a_name_that_lasts_and_room_in_the_interval() {
    let bench = Bench::new();
    let with = |more: &str, set: &[(&str, &str)]| {
        bench.load(&format!("delivery = \"exactly_once\"\n{MINIMAL}{more}"), &[], set)
    };
    let problems = with("", &[]).unwrap_err().problems;
    assert!(of(&problems, "kafka.node").what.contains("names the transactions"), "{problems:#?}");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let named = [("kafka.node", "a")];
    let loaded = with("", &named).unwrap();
    assert_eq!(loaded.config.delivery, DeliveryMode::ExactlyOnce);
    assert!(show::toml(&loaded).contains("delivery = \"exactly_once\""));
    let problems = with("[limits]\ncommit_interval_ms = 10001\n", &named).unwrap_err().problems;
    assert!(of(&problems, "limits.commit_interval_ms").what.contains("more than a third"), "{problems:#?}");
    let long = "[limits]\ncommit_timeout_ms = 45000\n";
    let problems = with(long, &named).unwrap_err().problems;
    assert!(of(&problems, "limits.watchdog_timeout_ms").fix.starts_with("give at least 65000"), "{problems:#?}");
    assert!(bench.load(&format!("{MINIMAL}{long}"), &[], &named).is_ok());
    let problems = with("[kafka.producer.properties]\nretry.backoff.ms = 100\n", &named).unwrap_err().problems;
    assert!(of(&problems, "kafka.producer.properties.retry.backoff.ms").what.contains("sent twice"), "{problems:#?}");
    let problems = bench.load(&format!("delivery = \"at_most_once\"\n{MINIMAL}"), &[], &[]).unwrap_err().problems;
    assert!(of(&problems, "delivery").fix.contains("exactly_once"), "{problems:#?}");
}

#[test]
fn a_member_of_the_group_says_what_its_protocol_takes_and_keeps_its_name() {
    let bench = Bench::new();
    let with = |more: &str, set: &[(&str, &str)]| bench.load(&format!("{MINIMAL}{more}"), &[], set);
    let problems = with("", &[("kafka.membership", "static")]).unwrap_err().problems;
    assert!(of(&problems, "kafka.node").what.contains("names the members"), "{problems:#?}");
    let known = [("kafka.membership", "static"), ("kafka.node", "a")];
    assert_eq!(with("[lanes]\ncount = 2\n", &known).unwrap().config.kafka.membership, Membership::Static);
    let consumer = ("kafka.group_protocol", "consumer");
    let properties = "[kafka.consumer.properties]\n\"session.timeout.ms\" = 6000\n\"heartbeat.interval.ms\" = 100\n";
    let problems = with(properties, &[consumer]).unwrap_err().problems;
    assert_eq!(problems.len(), 2, "{problems:#?}");
    let session = of(&problems, "kafka.consumer.properties.session.timeout.ms");
    assert!(session.fix.contains("--entity-type groups sets consumer.session.timeout.ms"), "{problems:#?}");
    let loaded = with("", &[consumer, known[0], known[1]]).unwrap();
    assert_eq!(loaded.config.kafka.group_protocol, GroupProtocol::Consumer);
    assert!(loaded.warnings.iter().any(|warning| warning.contains("exit code 69")), "{:?}", loaded.warnings);
    for (property, fix) in [("group.instance.id", "kafka.membership"), ("group.protocol", "kafka.group_protocol")] {
        let problems =
            with(&format!("[kafka.consumer.properties]\n\"{property}\" = \"x\"\n"), &[]).unwrap_err().problems;
        assert!(problems[0].fix.contains(fix), "{problems:#?}");
    }
}

#[test]
fn lanes_take_their_cores_in_order_and_warn_when_they_share() {
    let bench = Bench::new();
    let config = bench.with("[lanes]\ncores = [4, 1]\n");
    assert_eq!(config.lanes.iter().map(|lane| lane.cores.lane).collect::<Vec<_>>(), [Some(4), Some(1)]);
    let crowded = bench.load(&format!("{MINIMAL}[lanes]\ncount = 4\n"), &[], &[]).unwrap();
    assert!(crowded.warnings.iter().any(|warning| warning.contains("4 lanes share 3 cores")), "{:?}", crowded.warnings);
}

#[test]
fn client_properties_pass_by_their_dotted_names_or_are_refused_with_the_reason() {
    let bench = Bench::new();
    let config = bench.with(
        "[kafka.properties]\nsecurity.protocol = \"SSL\"\n\"socket.keepalive.enable\" = true\n\
         [kafka.consumer.properties]\n\"session.timeout.ms\" = 6000\n[kafka.producer.properties]\nlinger.ms = 1\n",
    );
    assert_eq!(config.kafka.properties["security.protocol"], "SSL");
    assert_eq!(config.kafka.properties["socket.keepalive.enable"], "true");
    assert_eq!(config.kafka.consumer_properties["session.timeout.ms"], "6000");
    assert_eq!(config.kafka.producer_properties["linger.ms"], "1");

    let problems = bench.problems(
        "[kafka.properties]\n\"group.id\" = \"x\"\n\"plugin.library.paths\" = \"/evil.so\"\n\"sasl.usrname\" = \"u\"\n\
         [kafka.consumer.properties]\n\"enable.auto.commit\" = true\n\"linger.ms\" = 5\n\"session.timeout.ms\" = 500\n\
         [kafka.producer.properties]\nacks = 1\n\"max.in.flight.requests.per.connection\" = 6\n",
    );
    assert_eq!(of(&problems, "kafka.properties.group.id").fix, "say kafka.group");
    assert!(of(&problems, "kafka.properties.plugin.library.paths").what.contains("foreign code"));
    assert_eq!(of(&problems, "kafka.properties.sasl.usrname").fix, "did you mean sasl.username?");
    assert!(of(&problems, "kafka.consumer.properties.enable.auto.commit").what.contains("scorewire commits itself"));
    assert_eq!(of(&problems, "kafka.consumer.properties.linger.ms").fix, "move it to [kafka.producer.properties]");
    assert!(of(&problems, "kafka.consumer.properties.session.timeout.ms").what.contains("heartbeats"));
    assert!(of(&problems, "kafka.producer.properties.acks").what.starts_with("refused: "));
    assert!(of(&problems, "kafka.producer.properties.max.in.flight.requests.per.connection").what.contains("order"));
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn the_reference_reads_as_the_defaults_and_names_every_key() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("models/card-fraud-gbdt")).unwrap();
    let loaded = bench.load(&REFERENCE, &[], &[]).unwrap();
    let mut defaults = Config::new("127.0.0.1:9092", "scorewire", bench.path("models/card-fraud-gbdt"));
    defaults.kafka.node = "host-1".to_owned();
    assert_eq!(loaded.config, defaults);

    // With its examples switched on, it names every key there is, and no other.
    let full: String = REFERENCE.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let table: toml::Table = full.parse().unwrap();
    let mut named = BTreeSet::new();
    collect("", &table, &mut named);
    let missing: Vec<&&str> = KEYS.iter().filter(|key| !named.contains(**key)).collect();
    assert!(missing.is_empty(), "the reference lacks {missing:?}");
    for key in &named {
        let known = matches!(keys::name(key), keys::Named::Key | keys::Named::Property(..));
        assert!(known, "the reference names {key}, which is no key");
    }
    // Its examples hold as well: only files are not here, raw_schema waits for its wire form, time-outs for their layout, and a
    // registry has one login.
    let problems = bench.load(&full, &[], &[]).unwrap_err().problems;
    let keys = problems.iter().map(|problem| problem.key.as_str()).filter(|key| !key.contains(".registry."));
    let absent = ["schemas.directory", "schemas.raw_schema", "model.timeout_ms", "kafka.properties.sasl.password_file"];
    assert_eq!(keys.collect::<BTreeSet<_>>(), BTreeSet::from(absent), "{problems:#?}");
}

#[test]
fn what_show_prints_reads_back_as_the_same_configuration() {
    let bench = Bench::new();
    let text = format!(
        "{MINIMAL}[lanes]\ncores = [4, 0]\n[thresholds]\nreview = 0.1\ndecline = 0.7\nversion = \"v\\\"2\"\n\
         [deadline]\nlimit_ms = 50\n[kafka.consumer.properties]\n\"fetch.min.bytes\" = 1000\n",
    );
    let loaded = bench.load(&text, &[], &[("kafka.start_at", "earliest")]).unwrap();
    assert_eq!(loaded.config.kafka.start_at, Some(StartAt::Earliest));
    let shown = show::toml(&loaded);
    assert!(shown.contains("start_at = \"earliest\"  # --set\n"), "{shown}");
    assert!(shown.contains("cores = [4,0]  # ") && shown.contains("scorewire.toml:7\n"), "{shown}");
    assert!(shown.contains("batch_rows_max = 512  # default\n"), "{shown}");
    let again = bench.load(&shown, &[], &[]).unwrap();
    assert_eq!(again.config, loaded.config);

    let keys: Vec<String> = show::values(&loaded.config).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..KEYS.len()], KEYS.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()[..]);
    let json = show::json(&loaded.config);
    assert_eq!(json["kafka"]["consumer"]["properties"]["fetch.min.bytes"], "1000");
    assert_eq!(json["limits"]["commit_interval_ms"], 100);
    assert!(Path::new(json["model"]["package"].as_str().unwrap()).is_absolute());
}
