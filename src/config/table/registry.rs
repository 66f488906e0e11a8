//! `[schemas.registry]` and the sections in it.

use serde_json::Value;

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{Flag, Integer, OwnKind, Path, Place, Text, Word, Words, any_path, any_text};
use super::registry_draft::BasicSource;
use super::registry_plan::finish;
use crate::config::read::Reader;
use crate::registry::settings::{OwnForm, SubjectStrategy};
use crate::values::secret::{MASK, Secret};

const STRATEGIES: Words<SubjectStrategy> = &[
    ("topic_name", SubjectStrategy::TopicName),
    ("record_name", SubjectStrategy::RecordName),
    ("topic_record_name", SubjectStrategy::TopicRecordName),
];

const OUTPUTS: Words<OwnForm> = &[("id", OwnForm::Id), ("single_object", OwnForm::SingleObject)];

const SOURCES: Words<BasicSource> = &[("own", BasicSource::Own), ("kafka", BasicSource::Kafka)];

pub const REGISTRY: Section = Section {
    head: "

# A schema registry with Confluent's API (Confluent, Apicurio at /apis/ccompat/v7, Karapace, Redpanda): writers' schemas are
# fetched from it, and outputs and copies for review are written as 00 + id of their own schemas, which
# `scorewire schema register` registers, unless `outputs` says otherwise. docs/schema-registry.md has the whole of it.
[schemas.registry]",
    keys: &[
        Key {
            name: "schemas.registry.urls",
            kind: &OwnKind { read: urls, show: |draft| list(&draft.registry.urls) },
            given: Given::Maybe(r#"["https://registry-1:8081", "https://registry-2:8081"]"#),
            reread: Reread::AtStart,
            text: "
# Asked in this order until one answers; a path stays before the API's own. Without user and password in them.",
        },
        Key {
            name: "schemas.registry.cache_dir",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.cache_dir), check: any_path },
            given: Given::Maybe(r#""/var/lib/scorewire/registry""#),
            reread: Reread::AtStart,
            text: "
# Needed with urls. What was fetched is kept in this folder, so that a process that starts while the registry is away scores
# on. It is made where it is absent; several processes may share it.",
        },
        Key {
            name: "schemas.registry.context",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.registry.context), check: context },
            given: Given::Maybe(r#"".risk""#),
            reread: Reread::AtStart,
            text: "\n# All ids and subjects are those of this context.",
        },
        Key {
            name: "schemas.registry.subject_strategy",
            kind: &Word { words: STRATEGIES, place: Place::Always(|draft| &mut draft.registry.subject_strategy) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# The subjects of our own schemas: "topic_name" (TOPIC-value), "record_name" (the record's full name) or
# "topic_record_name" (TOPIC-RECORD)."#,
        },
        Key {
            name: "schemas.registry.outputs",
            kind: &Word { words: OUTPUTS, place: Place::Always(|draft| &mut draft.registry.outputs) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Outputs and copies for review: "id" (00 + the id of their schema there), or "single_object" (C3 01 + its fingerprint), with
# which the registry is only read: nothing of ours is looked up or registered there."#,
        },
        Key {
            name: "schemas.registry.auto_register",
            kind: &Flag(Place::Always(|draft| &mut draft.registry.auto_register)),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# true: our own schemas are registered at start where they are not. false: the process does not start then, and
# `scorewire schema register` is somebody's decision.",
        },
        Key {
            name: "schemas.registry.headers",
            kind: &OwnKind { read: headers, show: shown_headers },
            given: Given::Maybe(r#"["target-sr-cluster: lsrc-123456", "Confluent-Identity-Pool-Id: pool-1"]"#),
            reread: Reread::AtStart,
            text: "
# Sent with each request. Their values are never shown.",
        },
        Key {
            name: "schemas.registry.request_timeout_ms",
            kind: &Integer { range: 100..=60_000, place: Place::Always(|draft| &mut draft.registry.request_timeout) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# For one request, from the look-up of the host's name to the last byte.",
        },
        Key {
            name: "schemas.registry.lookups_per_second_max",
            kind: &Integer {
                range: 1..=10_000,
                place: Place::Always(|draft| &mut draft.registry.lookups_per_second_max),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# Schemas asked for in a second, by all lanes together. A flood of ids that nobody knows is slowed to it, in its own partition.",
        },
    ],
    finish: apart,
};

pub const BASIC: Section = Section {
    head: "

# Who we are there: one of the three, or none. Secrets as for Kafka: a file, which is read again for each request, or the
# environment (SCOREWIRE__SCHEMAS__REGISTRY__BASIC__PASSWORD).
[schemas.registry.basic]",
    keys: &[
        Key {
            name: "schemas.registry.basic.source",
            kind: &Word { words: SOURCES, place: Place::Always(|draft| &mut draft.registry.basic_source) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# "own": the user and password below. "kafka": sasl.username and sasl.password of the consumer."#,
        },
        Key {
            name: "schemas.registry.basic.user",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.registry.user), check: user },
            given: Given::Maybe(r#""scorewire""#),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "schemas.registry.basic.password_file",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.password_file), check: any_path },
            given: Given::Maybe(r#""/run/secrets/registry-password""#),
            reread: Reread::EachConnection,
            text: "",
        },
        Key {
            name: "schemas.registry.basic.password",
            kind: &OwnKind {
                read: |reader, key, draft| draft.registry.password = reader.secret(key),
                show: |draft| masked(draft.registry.password.as_ref()),
            },
            given: Given::Maybe(r#""only from the environment, please""#),
            reread: Reread::AtStart,
            text: "",
        },
    ],
    finish: apart,
};

pub const BEARER: Section = Section {
    head: "

# A token that somebody else keeps fresh.
[schemas.registry.bearer]",
    keys: &[
        Key {
            name: "schemas.registry.bearer.token_file",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.token_file), check: any_path },
            given: Given::Maybe(r#""/run/secrets/registry-token""#),
            reread: Reread::EachConnection,
            text: "",
        },
        Key {
            name: "schemas.registry.bearer.token",
            kind: &OwnKind {
                read: |reader, key, draft| draft.registry.token = reader.secret(key),
                show: |draft| masked(draft.registry.token.as_ref()),
            },
            given: Given::Maybe(r#""only from the environment, please""#),
            reread: Reread::AtStart,
            text: "",
        },
    ],
    finish: apart,
};

pub const OAUTH: Section = Section {
    head: "

# Tokens by OAuth's client credentials, fetched again before they expire.
[schemas.registry.oauth]",
    keys: &[
        Key {
            name: "schemas.registry.oauth.token_url",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.registry.token_url), check: one_url },
            given: Given::Maybe(r#""https://login.example.com/oauth2/token""#),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "schemas.registry.oauth.client_id",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.registry.client_id), check: any_text },
            given: Given::Maybe(r#""scorewire""#),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "schemas.registry.oauth.client_secret_file",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.client_secret_file), check: any_path },
            given: Given::Maybe(r#""/run/secrets/registry-client-secret""#),
            reread: Reread::EachConnection,
            text: "",
        },
        Key {
            name: "schemas.registry.oauth.client_secret",
            kind: &OwnKind {
                read: |reader, key, draft| draft.registry.client_secret = reader.secret(key),
                show: |draft| masked(draft.registry.client_secret.as_ref()),
            },
            given: Given::Maybe(r#""only from the environment, please""#),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "schemas.registry.oauth.scope",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.registry.scope), check: any_text },
            given: Given::Maybe(r#""registry.read""#),
            reread: Reread::AtStart,
            text: "",
        },
    ],
    finish: apart,
};

pub const TLS: Section = Section {
    head: "

# TLS of the registry's own, in PEM; Kafka's certificates are not used. Without a CA: the machine's bundle.
[schemas.registry.tls]",
    keys: &[
        Key {
            name: "schemas.registry.tls.ca",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.ca), check: file },
            given: Given::Maybe(r#""/etc/scorewire/registry-ca.pem""#),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "schemas.registry.tls.certificate",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.certificate), check: file },
            given: Given::Maybe(r#""/etc/scorewire/registry-client.pem""#),
            reread: Reread::AtStart,
            text: "\n# The client's own certificate, and its key: PKCS#8, not encrypted.",
        },
        Key {
            name: "schemas.registry.tls.key",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.registry.key), check: file },
            given: Given::Maybe(r#""/etc/scorewire/registry-client.key""#),
            reread: Reread::AtStart,
            text: "",
        },
    ],
    finish,
};

fn list(items: &[String]) -> Value {
    if items.is_empty() { Value::Null } else { items.into() }
}

fn masked(secret: Option<&Secret>) -> Value {
    secret.map(|_| MASK).into()
}

fn shown_headers(draft: &Draft) -> Value {
    let names = draft.registry.headers.0.iter().map(|(name, _)| format!("{name}: {MASK}"));
    list(&names.collect::<Vec<_>>())
}

fn urls(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let Some(urls) = reader.list(key) else { return };
    if urls.is_empty() {
        reader.problem(key, "no URL", "name at least one, or remove the key");
    }
    let good = urls.into_iter().filter(|url| one_url(reader, key, url));
    draft.registry.urls = good.map(|url| url.trim_end_matches('/').to_owned()).collect();
}

/// What is wrong with a URL is said without it: it may hold a password.
fn one_url(reader: &mut Reader<'_>, key: &'static str, url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fix = "give http:// or https://, host, port, and a path where there is one";
    let Some(rest) = rest else {
        reader.problem(key, "one of them begins with neither https:// nor http://", fix);
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        let fix = "give them in [schemas.registry.basic]: user and password_file";
        reader.problem(key, "a user or a password within a URL is shown in logs", fix);
        return false;
    }
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains(['?', '#']);
    if authority.is_empty() || authority.starts_with(':') || !is_plain {
        reader.problem(key, "one of them names no host, or holds what no URL of a registry has", fix);
        return false;
    }
    true
}

fn context(reader: &mut Reader<'_>, key: &'static str, context: &str) -> bool {
    let is_name = context.len() > 1 && context.starts_with('.') && !context.contains([':', '/']);
    if !is_name {
        reader.problem(
            key,
            format!("{context:?} is no context"),
            "give a name that begins with a full stop: \".risk\"",
        );
    }
    is_name
}

fn user(reader: &mut Reader<'_>, key: &'static str, user: &str) -> bool {
    if user.contains(':') {
        reader.problem(key, "holds a colon, which ends a user's name", "give the user alone, and its password apart");
    }
    !user.contains(':')
}

fn file(reader: &mut Reader<'_>, key: &'static str, path: &std::path::Path) {
    if let Err(error) = std::fs::File::open(path) {
        let what = format!("cannot read {}: {error}", path.display());
        reader.problem(key, what, "name a file that this process's user can read");
    }
}

/// Lines of `Name: value`, or with commas where they come from the environment.
fn headers(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let is_text = reader.raw.origin(key).is_text();
    let Some(given) = reader.secret_list(key, if is_text { ',' } else { '\n' }) else { return };
    for header in given {
        let Some((name, value)) = header.split_once(':').map(|(name, value)| (name.trim(), value.trim())) else {
            reader.problem(key, "one of them is not NAME: VALUE", "give each as \"NAME: VALUE\"");
            continue;
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_name || value.is_empty() || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            reader.problem(key, "one of them holds what no header has", "give each as \"NAME: VALUE\", in ASCII");
        } else if ["authorization", "proxy-authorization"].contains(&name.to_ascii_lowercase().as_str()) {
            let fix = "use [schemas.registry.basic], bearer or oauth, whose secrets are never shown";
            reader.problem(key, format!("{name} is a login"), fix);
        } else {
            draft.registry.headers.0.push((name.to_owned(), value.to_owned()));
        }
    }
}
