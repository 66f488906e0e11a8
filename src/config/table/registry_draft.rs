//! The keys of `[schemas.registry]` as they were given, before it is known what they make together.

use std::path::PathBuf;
use std::time::Duration;

use crate::registry::settings::{
    Headers, LOOKUPS_PER_SECOND_MAX, Login, OwnForm, REQUEST_TIMEOUT, RegistrySettings, SubjectStrategy,
};
use crate::values::secret::{Secret, SecretFrom};

/// Whose user and password basic authentication sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BasicSource {
    #[default]
    Own,
    Kafka,
}

/// The keys as they were given.
#[derive(Clone, Debug)]
pub struct RegistryDraft {
    pub urls: Vec<String>,
    pub cache_dir: Option<PathBuf>,
    pub context: Option<String>,
    pub subject_strategy: SubjectStrategy,
    pub outputs: OwnForm,
    pub auto_register: bool,
    pub headers: Headers,
    pub request_timeout: Duration,
    pub lookups_per_second_max: u32,
    pub basic_source: BasicSource,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
    pub token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    pub scope: Option<String>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Default for RegistryDraft {
    fn default() -> RegistryDraft {
        RegistryDraft {
            urls: Vec::new(),
            cache_dir: None,
            context: None,
            subject_strategy: SubjectStrategy::default(),
            outputs: OwnForm::default(),
            auto_register: false,
            headers: Headers::default(),
            request_timeout: REQUEST_TIMEOUT,
            lookups_per_second_max: LOOKUPS_PER_SECOND_MAX,
            basic_source: BasicSource::default(),
            user: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            token_url: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            scope: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }
}

impl RegistryDraft {
    /// What makes these settings.
    pub fn of(settings: &RegistrySettings) -> RegistryDraft {
        let mut draft = RegistryDraft {
            urls: settings.urls.clone(),
            cache_dir: Some(settings.cache_dir.clone()),
            context: settings.context.clone(),
            subject_strategy: settings.subject_strategy,
            outputs: settings.outputs,
            auto_register: settings.auto_register,
            headers: settings.headers.clone(),
            request_timeout: settings.request_timeout,
            lookups_per_second_max: settings.lookups_per_second_max,
            ca: settings.tls.ca.clone(),
            certificate: settings.tls.certificate.clone(),
            key: settings.tls.key.clone(),
            ..RegistryDraft::default()
        };
        let put = |from: &SecretFrom, given: &mut Option<Secret>, file: &mut Option<PathBuf>| match from {
            SecretFrom::Given(secret) => *given = Some(secret.clone()),
            SecretFrom::File(path) => *file = Some(path.clone()),
        };
        match &settings.login {
            Login::Nobody => {}
            // Shown with what it came to.
            Login::Basic { user, password } => {
                draft.user = Some(user.clone());
                put(password, &mut draft.password, &mut draft.password_file);
            }
            Login::Bearer(token) => put(token, &mut draft.token, &mut draft.token_file),
            Login::OAuth(oauth) => {
                draft.token_url = Some(oauth.token_url.clone());
                draft.client_id = Some(oauth.client_id.clone());
                draft.scope = oauth.scope.clone();
                put(&oauth.client_secret, &mut draft.client_secret, &mut draft.client_secret_file);
            }
        }
        draft
    }
}
