//! The sections of librdkafka's own properties: no keys of ours, but names that pass an allow-list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::key::{Reread, Section, apart};
use crate::config::allow_list;
use crate::config::problem::Origin;
use crate::config::raw::Value;
use crate::config::read::Reader;
use crate::kafka::settings::secrets::{PASSWORD, PasswordFiles, is_secret, read_secret};

pub const BOTH: Section = Section {
    head: r#"

# librdkafka's own properties, by their dotted names, for both clients. An allow-list lets them pass; those that
# scorewire's promises stand on (acks, enable.auto.commit, ...) are refused with the reason. docs/secured-cluster.md has a
# section for each login (client certificates, SCRAM, PLAIN), the rights that are needed, and what messages mean.
[kafka.properties]
#"security.protocol" = "SASL_SSL"
#"sasl.mechanism" = "SCRAM-SHA-512"
#"sasl.username" = "scorewire"
# Without it: the file of SSL_CERT_FILE, or the machine's own bundle of CA certificates.
#"ssl.ca.location" = "/etc/ssl/certs/ca-certificates.crt"
# Secrets: NAME_file reads the value from a file (a trailing newline is dropped). The environment does as well:
# SCOREWIRE__KAFKA__PROPERTIES__SASL__PASSWORD. Inline in this file works too, with a warning if others can read it.
# The file of sasl.password (PLAIN, SCRAM) is read again for each new connection, so that a password can be rotated while the
# process runs: replace the file. Keys of TLS, other secrets, and a password from the environment or from this file need a
# restart.
#"sasl.password_file" = "/run/secrets/kafka-password""#,
    keys: &[],
    finish: apart,
};

pub const CONSUMER: Section = Section {
    head: r#"

# Properties of the consumer alone, such as session.timeout.ms, fetch.min.bytes.
[kafka.consumer.properties]
#"fetch.wait.max.ms" = "100""#,
    keys: &[],
    finish: apart,
};

pub const PRODUCER: Section = Section {
    head: r#"

# Properties of the producer alone, such as linger.ms, compression.type, queue.buffering.max.kbytes.
[kafka.producer.properties]
#"compression.type" = "lz4""#,
    keys: &[],
    finish: apart,
};

/// When another value of a property holds.
pub fn reread(name: &str) -> Reread {
    match name.strip_suffix("_file") {
        Some(PASSWORD) => Reread::EachConnection,
        _ => Reread::AtStart,
    }
}

/// Reads all three.
pub fn read(reader: &mut Reader<'_>, draft: &mut Draft) {
    let kafka = &mut draft.config.kafka;
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
    let client = allow_list::Side::of_section(section);
    let raw = reader.raw;
    let (mut passed, mut password_file) = (BTreeMap::new(), None);
    for (written, setting) in raw.properties(section) {
        let key = format!("{section}.{written}");
        let Value::Property(value) = &setting.value else { continue };
        let secret_file = written.strip_suffix("_file").filter(|name| is_secret(name));
        let name = secret_file.unwrap_or(written);
        if let Err(refusal) = allow_list::check(name, client) {
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
        if let Err(refusal) = allow_list::check_value(name, &value) {
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

pub(super) fn secret_from_file(reader: &mut Reader<'_>, key: &str, path: &Path) -> Option<String> {
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

pub(super) fn warn_if_world_readable(reader: &mut Reader<'_>, path: Option<&Path>, key: &str) {
    use std::os::unix::fs::PermissionsExt;
    let Some(path) = path else { return };
    if std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0) {
        let path = path.display();
        reader.warnings.push(format!("{key}: every user can read {path}, which holds a secret: chmod o-r {path}"));
    }
}
