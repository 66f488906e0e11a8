//! What the configuration says of who is let in and who may listen: mistakes are refused with what to give instead, and what
//! works and should not be is warned of.

use std::path::{Path, PathBuf};

use scorewire::config::machine::Machine;
use scorewire::config::problem::ConfigError;
use scorewire::config::sources::Sources;
use scorewire::config::{Config, Loaded};
use tempfile::TempDir;

fn load(bootstrap: &str, properties: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { file: Some(write(&folder, bootstrap, properties)), ..Sources::default() };
    Config::load(&sources, &Machine::current())
}

fn write(folder: &TempDir, bootstrap: &str, properties: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt");
    let file = folder.path().join("scorewire.toml");
    let text = format!(
        "[kafka]\nbootstrap = \"{bootstrap}\"\ngroup = \"g\"\nnode = \"n\"\n[model]\npackage = \"{}\"\n{properties}",
        package.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// The warnings that speak of security.
fn warnings(bootstrap: &str, properties: &str) -> Vec<String> {
    let loaded = load(bootstrap, properties).unwrap_or_else(|error| panic!("{properties}: {error:?}"));
    loaded.warnings.into_iter().filter(|warning| warning.starts_with("kafka.")).collect()
}

const SCRAM: &str =
    "\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"u\"\n\"sasl.password_file\" = \"/dev/null\"\n";

#[test]
fn verification_that_is_switched_off_is_warned_of_however_and_wherever_it_is_written() {
    for section in ["kafka.properties", "kafka.consumer.properties", "kafka.producer.properties"] {
        for value in ["false", "False", "0", "f"] {
            let off = format!(
                "[{section}]\n\"security.protocol\" = \"SSL\"\n\"enable.ssl.certificate.verification\" = \"{value}\"\n"
            );
            let found = warnings("127.0.0.1:9092", &off);
            let told = found.iter().filter(|warning| warning.contains("anyone can pose as one")).count();
            assert_eq!(told, 1, "{section} {value}: {found:?}");
            assert!(found.iter().any(|warning| warning.starts_with(&format!("{section}: "))), "{found:?}");
        }
    }
    let on =
        "[kafka.properties]\n\"security.protocol\" = \"SSL\"\n\"enable.ssl.certificate.verification\" = \"true\"\n";
    assert_eq!(warnings("kafka:9092", on), [] as [&str; 0]);
    let names = "[kafka.consumer.properties]\n\"security.protocol\" = \"SSL\"\n\"ssl.endpoint.identification.algorithm\" = \"None\"\n";
    assert!(warnings("127.0.0.1:1", names).iter().any(|warning| warning.contains("host names are not verified")));
}

#[test]
fn what_goes_in_the_clear_to_another_machine_is_warned_of() {
    assert_eq!(warnings("localhost:9092,127.0.0.1:9093", ""), [] as [&str; 0]);
    let clear = warnings("localhost:9092, kafka-1:9092", "");
    assert!(clear.len() == 1 && clear[0].contains("kafka-1:9092") && clear[0].contains("\"SSL\""), "{clear:?}");
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "p").unwrap();
    let plain = |protocol: &str| {
        let login = SCRAM.replace("SCRAM-SHA-512", "PLAIN").replace("/dev/null", &password.display().to_string());
        warnings("kafka-1:9092", &format!("[kafka.properties]\n\"security.protocol\" = \"{protocol}\"\n{login}"))
    };
    let told = plain("SASL_PLAINTEXT");
    assert!(told.iter().any(|warning| warning.contains("sends the password to kafka-1:9092 in the clear")), "{told:?}");
    assert!(plain("SASL_SSL").iter().all(|warning| !warning.contains("in the clear")));
    let unused = plain("SSL");
    assert!(
        unused.iter().any(|warning| warning.contains("sasl.mechanism") && warning.contains("no effect")),
        "{unused:?}"
    );
}

#[test]
fn a_login_that_cannot_take_place_is_refused_with_all_that_it_lacks() {
    let problems = |properties: &str| load("localhost:1", properties).unwrap_err().problems;
    let keys =
        |properties: &str| -> Vec<String> { problems(properties).into_iter().map(|problem| problem.key).collect() };
    let sasl = "[kafka.properties]\n\"security.protocol\" = \"SASL_SSL\"\n";
    let lacking = ["sasl.mechanism", "sasl.username", "sasl.password"].map(|name| format!("kafka.properties.{name}"));
    assert_eq!(keys(sasl), lacking);
    let of_one = "[kafka.producer.properties]\n\"security.protocol\" = \"SASL_SSL\"\n";
    assert!(keys(of_one).iter().all(|key| key.starts_with("kafka.producer.properties.")), "{:?}", keys(of_one));
    for (property, says) in [
        ("\"security.protocol\" = \"SSLL\"", "\"SSLL\" is none of its values"),
        ("\"sasl.mechanism\" = \"SCRAM-SHA-1\"", "\"SCRAM-SHA-1\" is none of its values"),
        ("\"sasl.mechanism\" = \"GSSAPI\"", "Kerberos (GSSAPI) is not compiled into"),
        ("\"sasl.oauthbearer.method\" = \"oidc\"", "OAUTHBEARER (OIDC) is not compiled into"),
        ("\"ssl.ca.location\" = \"/nowhere/ca.pem\"", "cannot read /nowhere/ca.pem"),
    ] {
        let found = problems(&format!("[kafka.properties]\n{property}\n"));
        assert!(
            found.iter().any(|problem| problem.what.contains(says) && !problem.fix.is_empty()),
            "{property}: {found:?}"
        );
    }
}
