//! From the keys of `[schemas.registry]` to the registry's settings: what makes sense together only.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::properties::{secret_from_file, warn_if_world_readable};
use super::registry_draft::{BasicSource, RegistryDraft};
use crate::config::loopback::is_loopback;
use crate::config::problem::Origin;
use crate::config::read::Reader;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::settings::secrets::PASSWORD;
use crate::registry::settings::{Login, OAuth, OwnForm, RegistrySettings, TlsFiles};
use crate::values::secret::{Secret, SecretFrom};

/// Keys that are nobody's without a registry. Those with a default may stand in what `config show` printed.
const WITHOUT_EFFECT: [&str; 16] = [
    "schemas.registry.cache_dir",
    "schemas.registry.context",
    "schemas.registry.headers",
    "schemas.registry.basic.user",
    "schemas.registry.basic.password",
    "schemas.registry.basic.password_file",
    "schemas.registry.bearer.token",
    "schemas.registry.bearer.token_file",
    "schemas.registry.oauth.token_url",
    "schemas.registry.oauth.client_id",
    "schemas.registry.oauth.client_secret",
    "schemas.registry.oauth.client_secret_file",
    "schemas.registry.oauth.scope",
    "schemas.registry.tls.ca",
    "schemas.registry.tls.certificate",
    "schemas.registry.tls.key",
];

pub(super) fn finish(reader: &mut Reader<'_>, draft: &mut Draft) {
    let given = draft.registry.clone();
    if reader.raw.get("schemas.registry.urls").is_none() {
        for key in WITHOUT_EFFECT.into_iter().filter(|key| reader.raw.get(key).is_some()) {
            reader.problem(key, "has no effect without schemas.registry.urls", "name the registry, or remove the key");
        }
        return;
    }
    let login = login(reader, &given, &draft.config.kafka);
    if given.cache_dir.is_none() {
        let fix = "name a folder of this process's user, on a disk that stays over restarts";
        reader.problem("schemas.registry.cache_dir", "required with schemas.registry.urls, and not given", fix);
    }
    if given.certificate.is_some() != given.key.is_some() {
        let missing = if given.key.is_some() { "certificate" } else { "key" };
        let key = format!("schemas.registry.tls.{missing}");
        reader.problem(&key, "not given, and its other half is", "give tls.certificate and tls.key together");
    }
    if given.auto_register && given.outputs == OwnForm::SingleObject {
        let fix = "remove it; or say \"id\" for outputs under ids of the registry";
        reader.problem(
            "schemas.registry.auto_register",
            "nothing of ours is registered with outputs = \"single_object\"",
            fix,
        );
    }
    in_the_clear(reader, &given.urls, &login);
    draft.config.schemas.registry = Some(RegistrySettings {
        urls: given.urls,
        login,
        headers: given.headers,
        tls: TlsFiles { ca: given.ca, certificate: given.certificate, key: given.key },
        context: given.context,
        subject_strategy: given.subject_strategy,
        outputs: given.outputs,
        auto_register: given.auto_register,
        cache_dir: given.cache_dir.unwrap_or_default(),
        request_timeout: given.request_timeout,
        lookups_per_second_max: given.lookups_per_second_max,
    });
}

fn login(reader: &mut Reader<'_>, given: &RegistryDraft, kafka: &KafkaSettings) -> Login {
    let is_given = |section: &str| reader.raw.properties(&format!("schemas.registry.{section}")).next().is_some();
    // The default of `source` says nothing.
    let from_kafka = given.basic_source == BasicSource::Kafka;
    let has_own = given.user.is_some() || given.password.is_some() || given.password_file.is_some();
    let said = [("basic", from_kafka || has_own), ("bearer", is_given("bearer")), ("oauth", is_given("oauth"))];
    let said: Vec<&str> = said.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
    if let [_, another, ..] = said[..] {
        let what = format!("given beside [schemas.registry.{}]", said[0]);
        reader.problem(&format!("schemas.registry.{another}"), what, "a request has one login: remove the others");
        return Login::Nobody;
    }
    let login = match said.first() {
        Some(&"basic") if from_kafka => of_kafka(reader, has_own, kafka),
        Some(&"basic") => own(reader, given),
        Some(&"bearer") => {
            secret(reader, "schemas.registry.bearer.token", &given.token, &given.token_file).map(Login::Bearer)
        }
        Some(_) => oauth(reader, given),
        None => None,
    };
    login.unwrap_or(Login::Nobody)
}

fn own(reader: &mut Reader<'_>, given: &RegistryDraft) -> Option<Login> {
    let password = secret(reader, "schemas.registry.basic.password", &given.password, &given.password_file);
    let user = given.user.clone();
    if user.is_none() && reader.raw.get("schemas.registry.basic.user").is_none() {
        reader.problem("schemas.registry.basic.user", "not given, and its password is", "give the user's name");
    }
    Some(Login::Basic { user: user?, password: password? })
}

fn of_kafka(reader: &mut Reader<'_>, has_own: bool, kafka: &KafkaSettings) -> Option<Login> {
    let key = "schemas.registry.basic.source";
    if has_own {
        reader.problem(key, "\"kafka\" beside a user or password of its own", "say \"own\", or remove those");
        return None;
    }
    let value = |name: &str| kafka.consumer_properties.get(name).or_else(|| kafka.properties.get(name)).cloned();
    let (Some(user), Some(password)) = (value("sasl.username"), value(PASSWORD)) else {
        let fix = "give sasl.username and sasl.password_file in [kafka.properties], or user and password_file here";
        reader.problem(key, "\"kafka\", and the consumer logs in with no user and password", fix);
        return None;
    };
    let file = kafka.password_files.consumer.clone().map(SecretFrom::File);
    Some(Login::Basic { user, password: file.unwrap_or_else(|| SecretFrom::Given(Secret::new(password))) })
}

fn oauth(reader: &mut Reader<'_>, given: &RegistryDraft) -> Option<Login> {
    let name = "schemas.registry.oauth.client_secret";
    let client_secret = secret(reader, name, &given.client_secret, &given.client_secret_file);
    for (key, value) in
        [("schemas.registry.oauth.token_url", &given.token_url), ("schemas.registry.oauth.client_id", &given.client_id)]
    {
        if value.is_none() && reader.raw.get(key).is_none() {
            reader.problem(key, "not given, and tokens are fetched with it", "give it, or remove the section");
        }
    }
    Some(Login::OAuth(OAuth {
        token_url: given.token_url.clone()?,
        client_id: given.client_id.clone()?,
        client_secret: client_secret?,
        scope: given.scope.clone(),
    }))
}

/// One of a secret and its file, which is tried.
fn secret(reader: &mut Reader<'_>, key: &str, given: &Option<Secret>, file: &Option<PathBuf>) -> Option<SecretFrom> {
    let file_key = format!("{key}_file");
    match (given, file) {
        (Some(_), Some(_)) => {
            reader.problem(key, "given as a value and as a file", "give one of the two");
            None
        }
        (Some(secret), None) => {
            if matches!(reader.raw.origin(key), Origin::File { .. }) {
                let config = reader.raw.file.clone();
                warn_if_world_readable(reader, config.as_deref().map(Path::new), key);
            }
            Some(SecretFrom::Given(secret.clone()))
        }
        (None, Some(path)) => secret_from_file(reader, &file_key, path).map(|_| SecretFrom::File(path.clone())),
        (None, None) => {
            // One that was given and is wrong was told already.
            if reader.raw.get(key).is_none() && reader.raw.get(&file_key).is_none() {
                reader.problem(&file_key, "not given, and the login needs it", "give a file with the secret");
            }
            None
        }
    }
}

/// Whoever is on the way reads the password.
fn in_the_clear(reader: &mut Reader<'_>, urls: &[String], login: &Login) {
    let far = urls.iter().filter_map(|url| url.strip_prefix("http://"));
    let far = far.map(|rest| rest.split('/').next().unwrap_or_default()).find(|authority| {
        let with_port =
            if authority.rsplit_once(':').is_some() { (*authority).to_owned() } else { format!("{authority}:80") };
        !is_loopback(&with_port)
    });
    if let Some(host) = far.filter(|_| *login != Login::Nobody) {
        let text = format!("schemas.registry.urls: the login goes to {host} in the clear: use https://");
        reader.warnings.push(text);
    }
}
