//! Secrets stay secret: canaries planted wherever a secret may be given, and everything the configuration can say
//! searched for them.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use scorewire::config::allow_list::{self, Side};
use scorewire::config::machine::Machine;
use scorewire::config::raw::RawConfig;
use scorewire::config::secret::Secret;
use scorewire::config::sources::{FlagValue, Sources};
use scorewire::config::{Config, LogConfig, LogFormat, show};
use scorewire::error::Fatal;
use scorewire::kafka::settings::{PasswordFiles, SECRET_PROPERTIES};
use scorewire::observe::log;
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;

const CANARY: &str = "c4n4ry";

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("package")).unwrap();
    dir
}

/// Writes a file that only its owner may read.
fn private(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn minimal(more: &str) -> String {
    format!("[kafka]\nbootstrap = \"b:9092\"\ngroup = \"g\"\n[model]\npackage = \"package\"\n{more}")
}

fn sources(file: PathBuf) -> Sources {
    Sources { file: Some(file), ..Sources::default() }
}

/// Some secrets belong to logins that the client cannot do.
fn passes(property: &str) -> bool {
    allow_list::check(property, Side::Both).is_ok()
}

#[test]
fn no_secret_is_shown_from_wherever_it_came() {
    let dir = folder();
    private(&dir, "password", "c4n4ry-file\n");
    let inline: String = SECRET_PROPERTIES
        .iter()
        .filter(|name| !["sasl.password", "ssl.key.password"].contains(name) && passes(name))
        .map(|name| format!("\"{name}\" = \"c4n4ry-{name}\"\n"))
        .collect();
    let text = minimal(&format!("[kafka.properties]\n\"sasl.password_file\" = \"password\"\n{inline}"));
    let mut sources = sources(private(&dir, "scorewire.toml", &text));
    let variable = OsString::from("SCOREWIRE__KAFKA__PRODUCER__PROPERTIES__SSL__KEY__PASSWORD");
    sources.env.push((variable, OsString::from("c4n4ry-env")));

    let loaded = Config::load(&sources, &Machine::current()).unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!(kafka.properties["sasl.password"], "c4n4ry-file", "the value itself arrives, without its newline");
    assert_eq!(kafka.producer_properties["ssl.key.password"], "c4n4ry-env");
    let secrets = SECRET_PROPERTIES.iter().filter(|name| passes(name)).count();
    assert_eq!(kafka.properties.len(), secrets - 1);

    let shown = [
        format!("{loaded:?}"),
        format!("{loaded:#?}"),
        format!("{:?}", loaded.config),
        format!("{kafka:?}"),
        show::toml(&loaded),
        show::json(&loaded.config).to_string(),
        format!("{:?}", loaded.warnings),
    ];
    for text in &shown {
        assert!(!text.contains(CANARY), "{text}");
    }
    assert_eq!(shown[4].matches("\"***\"").count(), secrets, "{}", shown[4]);
    assert!(loaded.warnings.iter().all(|warning| !warning.contains("chmod")), "{:?}", loaded.warnings);
}

#[test]
fn no_secret_is_shown_by_a_problem() {
    let dir = folder();
    let text = minimal(
        "[kafka.properties]\n\"sasl.pasword\" = \"c4n4ry\"\nsasl.password = \"c4n4ry\"\nssl.key.passwrd = \"c4n4ry\"\n\
         \"sasl.password_file\" = \"absent\"\n[kafka.secret]\npassword = \"c4n4ry\"\n\
         [kafka.consumer.properties]\nsession.timeout.ms = \"c4n4ry\"\n\
         [kafka.producer.properties]\n\"sasl.password\" = c4n4ry\n",
    );
    let mut sources = sources(private(&dir, "scorewire.toml", &text));
    sources.env.push((OsString::from("SCOREWIRE__SASL__PASSWORD"), OsString::from(CANARY)));
    sources.flags.push(FlagValue {
        flag: "--set".to_owned(),
        key: "kafka.properties.sasl.password".to_owned(),
        value: CANARY.to_owned(),
    });
    let error = Config::load(&sources, &Machine::current()).unwrap_err();
    assert!(error.problems.len() >= 7, "{error}");
    assert!(error.problems.iter().any(|problem| problem.what.contains("on the command line")), "{error}");
    let mut problems = Vec::new();
    let raw = RawConfig::read(&sources, &mut problems);
    for text in [format!("{error}"), format!("{error:?}"), Fatal::from(error).to_string(), format!("{raw:?}")] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_secret_has_one_way_out() {
    let secret = Secret::new(CANARY.to_owned());
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(secret.expose(), CANARY);
}

#[test]
fn secret_files_are_read_or_explained() {
    let dir = folder();
    private(&dir, "empty", "\n");
    private(&dir, "password", "p");
    for (property, what) in [
        ("\"sasl.password_file\" = \"absent\"", "cannot read"),
        ("\"sasl.password_file\" = \"empty\"", "is empty"),
        ("\"sasl.password_file\" = \"password\"\n\"sasl.password\" = \"q\"", "as a value and as a file"),
        ("\"sasl.username_file\" = \"password\"", "not on the list"),
    ] {
        let file = private(&dir, "scorewire.toml", &minimal(&format!("[kafka.properties]\n{property}\n")));
        let problems = Config::load(&sources(file), &Machine::current()).unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].what.contains(what), "{problems:#?}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_warned_about() {
    let dir = folder();
    let file = private(&dir, "scorewire.toml", &minimal("[kafka.properties]\n\"sasl.password\" = \"p\"\n"));
    let warnings = |file: &PathBuf| Config::load(&sources(file.clone()), &Machine::current()).unwrap().warnings;
    assert!(warnings(&file).iter().all(|warning| !warning.contains("chmod")));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(warnings(&file).iter().any(|warning| warning.contains("chmod o-r")), "{:?}", warnings(&file));
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, level: &str, speak: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let layer =
        log::layer(&LogConfig { format, level: level.to_owned() }, false, move || writer.clone()).expect("valid level");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_logged_configuration_keeps_its_secrets() {
    let dir = folder();
    let text = minimal("[kafka.properties]\n\"sasl.password\" = \"c4n4ry\"\n");
    let loaded = Config::load(&sources(private(&dir, "scorewire.toml", &text)), &Machine::current()).unwrap();
    for format in [LogFormat::Text, LogFormat::Json] {
        let lines = logged(format, "trace", || tracing::info!(config = ?loaded.config, "starting"));
        assert!(lines.contains("starting") && lines.contains("bootstrap") && !lines.contains(CANARY), "{lines}");
    }
}

#[test]
fn logs_keep_their_level_and_shape() {
    let speak = || {
        tracing::debug!("quiet");
        tracing::warn!(partition = 3, "loud");
    };
    let text = logged(LogFormat::Text, "info", speak);
    assert!(text.contains("WARN") && text.contains("loud partition=3") && !text.contains("quiet"), "{text}");
    let json: serde_json::Value = serde_json::from_str(logged(LogFormat::Json, "warn", speak).trim()).unwrap();
    assert_eq!((&json["level"], &json["message"], &json["partition"]), (&"WARN".into(), &"loud".into(), &3.into()));
    assert!(logged(LogFormat::Text, "error,config::secrets=debug", speak).contains("quiet"));
    assert!(log::filter("inof").is_err() && log::filter("info,scorewire=lout").is_err());
}

#[test]
fn the_file_of_a_password_is_known_for_the_client_that_it_belongs_to() {
    let dir = folder();
    private(&dir, "both", "one\n");
    private(&dir, "own", "two\n");
    let files = |more: &str| {
        let text = minimal(&format!("[kafka.properties]\n\"sasl.password_file\" = \"both\"\n{more}"));
        let loaded = Config::load(&sources(private(&dir, "scorewire.toml", &text)), &Machine::current()).unwrap();
        let PasswordFiles { consumer, producer } = loaded.config.kafka.password_files;
        [consumer, producer]
    };
    let path = |name: &str| Some(dir.path().join(name));
    assert_eq!(files(""), [path("both"), path("both")]);
    let own = "[kafka.producer.properties]\n\"sasl.password_file\" = \"own\"\n";
    assert_eq!(files(own), [path("both"), path("own")]);
    let inline = "[kafka.consumer.properties]\n\"sasl.password\" = \"three\"\n";
    assert_eq!(files(inline), [None, path("both")], "a value in the file itself is not read again");
    let other = "[kafka.consumer.properties]\n\"ssl.key.password_file\" = \"own\"\n";
    assert_eq!(files(other), [path("both"), path("both")], "another secret");
}
