//! The header by which a request says who we are. Secrets are read for each request, so that a file can be replaced while
//! the process runs; a token of OAuth is fetched once and used until shortly before its end.
#![expect(
    clippy::disallowed_methods,
    reason = "a token's end is a matter of the clock, on threads that no record waits for"
)]

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use ureq::Agent;

use super::answers::Away;
use super::client::{escaped, words};
use super::settings::{Login, OAuth};
use crate::values::secret::{Secret, SecretFrom};

/// A token that says nothing of its end is fetched again after this.
const TOKEN_LIVES: Duration = Duration::from_secs(300);
/// The answer of a token's server at most.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Credentials {
    login: Login,
    token: Mutex<Option<Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    value: Secret,
    until: Instant,
}

impl Credentials {
    pub fn new(login: Login) -> Credentials {
        Credentials { login, token: Mutex::new(None) }
    }

    /// The value of the header `Authorization`.
    ///
    /// # Errors
    /// A secret's file that cannot be read; a token's server that gives none.
    pub fn header(&self, agent: &Agent) -> Result<Option<Secret>, Away> {
        Ok(match &self.login {
            Login::Nobody => None,
            Login::Basic { user, password } => Some(basic(user, &read(password)?)),
            Login::Bearer(token) => Some(bearer(&read(token)?)),
            Login::OAuth(oauth) => Some(bearer(&self.token(agent, oauth)?)),
        })
    }

    /// The registry did not take it. Returns whether another try has another token.
    pub fn refuse(&self) -> bool {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    fn token(&self, agent: &Agent, oauth: &OAuth) -> Result<Secret, Away> {
        // Held while it is fetched: one request brings the token for all.
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.value.clone());
        }
        let fresh = fetch(agent, oauth)?;
        let value = fresh.value.clone();
        *token = Some(fresh);
        Ok(value)
    }
}

fn fetch(agent: &Agent, oauth: &OAuth) -> Result<Token, Away> {
    let away = |what: String| {
        let fix = "see schemas.registry.oauth (token_url, client_id, client_secret_file, scope)";
        Away::registry(format!("no token from {}: {what}", oauth.token_url), fix)
    };
    let mut form = "grant_type=client_credentials".to_owned();
    if let Some(scope) = &oauth.scope {
        form += &format!("&scope={}", escaped(scope));
    }
    let header = basic(&escaped(&oauth.client_id), &Secret::new(escaped(read(&oauth.client_secret)?.expose())));
    let request = agent.post(&oauth.token_url).content_type("application/x-www-form-urlencoded");
    let request = request.header("authorization", header.expose()).header("accept", "application/json");
    let mut answer = request.send(&form).map_err(|error| away(words(&error)))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(TOKEN_BYTES_MAX).read_to_string();
    let json: Json = serde_json::from_str(&body.map_err(|error| away(words(&error)))?).unwrap_or_default();
    let Some(value) = json.get("access_token").and_then(Json::as_str).filter(|_| status == 200) else {
        // The error's name is the protocol's own; descriptions may say anything.
        let error = json.get("error").and_then(Json::as_str).filter(|error| error.len() < 64);
        return Err(away(format!("HTTP {status}, {}", error.unwrap_or("without a token"))));
    };
    let lives = json.get("expires_in").and_then(Json::as_u64).map_or(TOKEN_LIVES, Duration::from_secs);
    Ok(Token { value: Secret::new(value.to_owned()), until: Instant::now() + lives.mul_f64(0.8) })
}

fn read(secret: &SecretFrom) -> Result<Secret, Away> {
    match secret {
        SecretFrom::Given(secret) => Ok(secret.clone()),
        SecretFrom::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Secret::of_file(&text)),
            Err(error) => {
                let what = format!("cannot read {}: {error}", path.display());
                Err(Away::registry(what, "give the registry's secret back into this file"))
            }
        },
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose().trim()))
}
