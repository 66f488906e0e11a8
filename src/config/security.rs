//! The client properties that decide who is let in and who may listen: values against each other, and what is better not done.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::keys::PROPERTY_SECTIONS;
use super::loopback::is_loopback;
use super::plan::Config;
use super::read::Reader;

/// A section, and the properties that hold for its client: those for both, and its own over them.
struct Login {
    section: &'static str,
    merged: BTreeMap<String, String>,
}

/// Files that the client reads when it is made.
const FILES: [&str; 5] =
    ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location"];

/// Notes what cannot work, and warns of what works and should not be.
pub fn check(reader: &mut Reader<'_>, config: &Config) {
    let kafka = &config.kafka;
    let sections = [
        ("kafka.properties", &kafka.properties),
        ("kafka.consumer.properties", &kafka.consumer_properties),
        ("kafka.producer.properties", &kafka.producer_properties),
    ];
    for (section, properties) in sections {
        verification(reader, section, properties);
        files(reader, section, properties);
    }
    for login in logins(config) {
        sasl(reader, &login);
        unused(reader, &login);
        in_the_clear(reader, &login, &kafka.bootstrap);
    }
}

/// One where both clients log in alike.
fn logins(config: &Config) -> Vec<Login> {
    let kafka = &config.kafka;
    let merge = |own: &BTreeMap<String, String>| {
        let all = kafka.properties.iter().chain(own);
        let of_login =
            all.filter(|(name, _)| ["sasl.", "ssl.", "security."].iter().any(|start| name.starts_with(start)));
        of_login.map(|(name, value)| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>()
    };
    let (consumer, producer) = (merge(&kafka.consumer_properties), merge(&kafka.producer_properties));
    if consumer == producer {
        return vec![Login { section: "kafka.properties", merged: consumer }];
    }
    vec![
        Login { section: "kafka.consumer.properties", merged: consumer },
        Login { section: "kafka.producer.properties", merged: producer },
    ]
}

impl Login {
    fn protocol(&self) -> String {
        self.merged.get("security.protocol").map_or_else(|| "PLAINTEXT".to_owned(), |value| value.to_ascii_uppercase())
    }

    fn has_sasl(&self) -> bool {
        self.protocol().starts_with("SASL")
    }

    fn has_tls(&self) -> bool {
        self.protocol().ends_with("SSL")
    }
}

fn verification(reader: &mut Reader<'_>, section: &str, properties: &BTreeMap<String, String>) {
    let is = |name: &str, values: &[&str]| {
        properties.get(name).is_some_and(|value| values.iter().any(|off| value.trim().eq_ignore_ascii_case(off)))
    };
    if is("enable.ssl.certificate.verification", &["false", "f", "0"]) {
        reader.warnings.push(format!("{section}: brokers' certificates are not verified: anyone can pose as one"));
    }
    if is("ssl.endpoint.identification.algorithm", &["none"]) {
        reader.warnings.push(format!("{section}: brokers' host names are not verified"));
    }
}

fn files(reader: &mut Reader<'_>, section: &str, properties: &BTreeMap<String, String>) {
    for name in FILES {
        let Some(path) = properties.get(name).map(Path::new).filter(|path| !path.is_dir()) else { continue };
        // The client probes for a bundle itself where it is told so.
        if name == "ssl.ca.location" && path == Path::new("probe") {
            continue;
        }
        if let Err(error) = File::open(path) {
            let what = format!("cannot read {}: {error}", path.display());
            reader.problem(&format!("{section}.{name}"), what, "name a file that this process's user can read");
        }
    }
}

fn sasl(reader: &mut Reader<'_>, login: &Login) {
    if !login.has_sasl() {
        return;
    }
    let (section, protocol) = (login.section, login.protocol());
    let mut need = |name: &str, fix: &str| {
        if login.merged.get(name).is_none_or(|value| value.trim().is_empty()) && !is_written(reader, name) {
            let what = format!("not given, and security.protocol = \"{protocol}\" logs in with it");
            reader.problem(&format!("{section}.{name}"), what, fix);
        }
    };
    need("sasl.mechanism", "give PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512: the one that the brokers' listener has");
    need("sasl.username", "give the user's name");
    need("sasl.password", "give sasl.password_file, a file with the user's password");
}

/// Given, and told of already where it cannot be read.
fn is_written(reader: &Reader<'_>, name: &str) -> bool {
    let sections = PROPERTY_SECTIONS.iter().flat_map(|section| reader.raw.properties(section));
    sections.map(|(written, _)| written).any(|written| written == name || written.strip_suffix("_file") == Some(name))
}

/// What is given for a login that does not take place.
fn unused(reader: &mut Reader<'_>, login: &Login) {
    let protocol = login.protocol();
    for (start, is_used, instead) in [
        ("sasl.", login.has_sasl(), "SASL_SSL"),
        ("ssl.", login.has_tls(), if login.has_sasl() { "SASL_SSL" } else { "SSL" }),
    ] {
        let named: Vec<&str> = login.merged.keys().map(String::as_str).filter(|name| name.starts_with(start)).collect();
        if !is_used && !named.is_empty() {
            reader.warnings.push(format!(
                "{}: {} has no effect with security.protocol = \"{protocol}\"; security.protocol = \"{instead}\" uses it",
                login.section,
                named.join(", ")
            ));
        }
    }
}

/// Whoever is on the way reads the records, and the password of PLAIN.
fn in_the_clear(reader: &mut Reader<'_>, login: &Login, bootstrap: &str) {
    let far = bootstrap.split(',').map(str::trim).find(|address| !address.is_empty() && !is_loopback(address));
    let Some(broker) = far.filter(|_| !login.has_tls()) else { return };
    let section = login.section;
    let is_plain = login.has_sasl() && login.merged.get("sasl.mechanism").is_some_and(|mechanism| mechanism == "PLAIN");
    reader.warnings.push(match is_plain {
        true => format!("{section}: PLAIN without TLS sends the password to {broker} in the clear: use security.protocol = \"SASL_SSL\""),
        false => format!(
            "{section}: records go to and from {broker} in the clear (security.protocol = \"{}\"): use \"{}\"",
            login.protocol(),
            if login.has_sasl() { "SASL_SSL" } else { "SSL" }
        ),
    });
}
