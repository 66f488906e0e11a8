//! Where the registry is, who we are there, and under which names schemas stand.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::values::secret::{MASK, SecretFrom};

/// The registry as the configuration gives it, already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Without a slash at their ends; asked in this order until one answers.
    pub urls: Vec<String>,
    pub login: Login,
    /// Go with each request.
    pub headers: Headers,
    pub tls: TlsFiles,
    /// `.name`: all ids and subjects are of this context.
    pub context: Option<String>,
    pub subject_strategy: SubjectStrategy,
    /// How outputs and copies for review name their schema.
    pub outputs: OwnForm,
    /// Our own schemas are registered at start where they are not yet.
    pub auto_register: bool,
    /// What was fetched is kept here.
    pub cache_dir: PathBuf,
    /// For one request, from the look-up of the host's name to the last byte.
    pub request_timeout: Duration,
    pub lookups_per_second_max: u32,
}

/// How a request says who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Nobody,
    Basic {
        user: String,
        password: SecretFrom,
    },
    /// A token that somebody else keeps fresh.
    Bearer(SecretFrom),
    OAuth(OAuth),
}

/// Tokens by client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: SecretFrom,
    pub scope: Option<String>,
}

/// Names and values. Only the names are shown: a gateway's key is as good as a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, MASK))).finish()
    }
}

/// Files in PEM. Without a CA of its own, those of the machine count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// The name under which a topic's values are registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectStrategy {
    /// `<topic>-value`
    #[default]
    TopicName,
    /// The record's full name.
    RecordName,
    /// `<topic>-<record's full name>`
    TopicRecordName,
}

/// How what we write names its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnForm {
    /// `00` + the id under which it is registered.
    #[default]
    Id,
    /// `C3 01` + its fingerprint: the registry is only read.
    SingleObject,
}

impl RegistrySettings {
    /// With one URL and nothing else.
    pub fn new(url: &str, cache_dir: impl Into<PathBuf>) -> RegistrySettings {
        RegistrySettings {
            urls: vec![url.trim_end_matches('/').to_owned()],
            login: Login::Nobody,
            headers: Headers::default(),
            tls: TlsFiles::default(),
            context: None,
            subject_strategy: SubjectStrategy::default(),
            outputs: OwnForm::default(),
            auto_register: false,
            cache_dir: cache_dir.into(),
            request_timeout: REQUEST_TIMEOUT,
            lookups_per_second_max: LOOKUPS_PER_SECOND_MAX,
        }
    }

    /// The subject of a topic's values, where `record` is their schema's full name.
    pub fn subject(&self, topic: &str, record: &str) -> String {
        let name = match self.subject_strategy {
            SubjectStrategy::TopicName => format!("{topic}-value"),
            SubjectStrategy::RecordName => record.to_owned(),
            SubjectStrategy::TopicRecordName => format!("{topic}-{record}"),
        };
        self.qualified(&name)
    }

    /// A subject in the configured context. One that names its context stays as it is.
    pub fn qualified(&self, subject: &str) -> String {
        match &self.context {
            Some(context) if !subject.starts_with(":.") => format!(":{context}:{subject}"),
            _ => subject.to_owned(),
        }
    }
}

/// What holds unless the configuration says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
pub const LOOKUPS_PER_SECOND_MAX: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::secret::Secret;

    #[test]
    fn a_subject_is_named_by_its_strategy_and_stands_in_its_context() {
        let mut settings = RegistrySettings::new("http://r:8081/", "kept");
        assert_eq!(settings.urls, ["http://r:8081"]);
        assert_eq!(settings.subject("out", "a.B"), "out-value");
        settings.subject_strategy = SubjectStrategy::RecordName;
        assert_eq!(settings.subject("out", "a.B"), "a.B");
        settings.subject_strategy = SubjectStrategy::TopicRecordName;
        settings.context = Some(".risk".into());
        assert_eq!(settings.subject("out", "a.B"), ":.risk:out-a.B");
        assert_eq!(settings.qualified(":.other:x"), ":.other:x");
    }

    #[test]
    fn nothing_secret_is_in_what_is_printed() {
        let secret = || SecretFrom::Given(Secret::new("c4n4ry".into()));
        let login =
            OAuth { token_url: "https://t".into(), client_id: "me".into(), client_secret: secret(), scope: None };
        let logins =
            [Login::Basic { user: "u".into(), password: secret() }, Login::Bearer(secret()), Login::OAuth(login)];
        for login in logins {
            let mut settings = RegistrySettings::new("http://r:1", "kept");
            settings.login = login;
            settings.headers = Headers(vec![("x-api-key".into(), "c4n4ry".into())]);
            let printed = format!("{settings:?} {settings:#?}");
            assert!(!printed.contains("c4n4ry") && printed.contains("x-api-key"), "{printed}");
        }
    }
}
