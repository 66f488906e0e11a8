//! One request: at one URL after the other until one answers, each within its deadline.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;
use ureq::Agent;
use ureq::http::Response;

use super::answers::{Answer, Away, Reach, Reply, answer};
use super::login::Credentials;
use super::settings::RegistrySettings;
use super::tls;
use crate::error::Fatal;

/// What the registry's API calls itself.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json";
/// A larger answer is no schema.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// A registry may ask for rest, but not for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Asks the registry. Shared by all who do.
pub struct Client {
    settings: RegistrySettings,
    agent: Agent,
    credentials: Credentials,
    /// The URL that answered last: it is asked first.
    first: AtomicUsize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// [`crate::error::exit::CONFIG`] for certificates that cannot be read.
    pub fn new(settings: &RegistrySettings) -> Result<Client, Fatal> {
        let config = Agent::config_builder()
            .tls_config(tls::config(&settings.tls)?)
            .timeout_global(Some(settings.request_timeout))
            // What a status means is said in one place; and a redirect is a page before the registry.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("scorewire/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client {
            settings: settings.clone(),
            agent: config.new_agent(),
            credentials: Credentials::new(settings.login.clone()),
            first: AtomicUsize::new(0),
        })
    }

    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// What stands at `path`, which begins with a slash.
    ///
    /// # Errors
    /// No URL gave an answer.
    pub fn get<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Result<Answer<T>, Away> {
        self.ask(path, None)
    }

    /// The same at this URL alone.
    ///
    /// # Errors
    /// It gave no answer.
    pub fn get_at<T: for<'a> Deserialize<'a>>(&self, url: &str, path: &str) -> Result<Answer<T>, Away> {
        self.ask_at(url, path, None)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// No URL gave an answer.
    pub fn post<T: for<'a> Deserialize<'a>>(&self, path: &str, body: &Json) -> Result<Answer<T>, Away> {
        self.ask(path, Some(body))
    }

    fn ask<T: for<'a> Deserialize<'a>>(&self, path: &str, body: Option<&Json>) -> Result<Answer<T>, Away> {
        let urls = &self.settings.urls;
        let first = self.first.load(Ordering::Relaxed);
        let mut problems: Vec<Away> = Vec::new();
        for turn in 0..urls.len() {
            let at = (first + turn) % urls.len();
            match self.ask_at(&urls[at], path, body) {
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                // Another server of the same registry says the same of a right that is lacking.
                Err(away) if away.reach == Reach::Question => return Err(away),
                Err(away) => problems.push(away),
            }
        }
        Err(together(problems))
    }

    fn ask_at<T: for<'a> Deserialize<'a>>(
        &self,
        url: &str,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Answer<T>, Away> {
        let mut reply = self.request(url, path, body)?;
        if reply.status == 401 && self.credentials.refuse() {
            reply = self.request(url, path, body)?;
        }
        answer(&reply, url)
    }

    fn request(&self, url: &str, path: &str, body: Option<&Json>) -> Result<Reply, Away> {
        let login = self.credentials.header(&self.agent)?;
        let login = login.as_ref().map(|secret| ("authorization", secret.expose()));
        let own = self.settings.headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = [("accept", ACCEPT)].into_iter().chain(own).chain(login);
        let place = format!("{url}{path}");
        let sent = match body {
            None => headers.fold(self.agent.get(&place), |request, (name, value)| request.header(name, value)).call(),
            Some(body) => {
                let request = self.agent.post(&place).content_type(CONTENT_TYPE);
                headers.fold(request, |request, (name, value)| request.header(name, value)).send(body.to_string())
            }
        };
        let mut response = sent.map_err(|error| no_answer(url, &error))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let body = body.map_err(|error| no_answer(url, &error))?;
        Ok(Reply { status, body, retry_after })
    }
}

fn no_answer(url: &str, error: &ureq::Error) -> Away {
    let fix = match error {
        ureq::Error::NativeTls(_) | ureq::Error::Tls(_) => {
            "see schemas.registry.tls: whose CA signed the registry's certificate, and for which host name?"
        }
        ureq::Error::HostNotFound => "see the host's name in schemas.registry.urls",
        _ => "is the registry there? See schemas.registry.urls; it is asked again by itself",
    };
    Away::registry(format!("{url}: {}", words(error)), fix)
}

/// The library's words for what went wrong, in ours where they say more.
pub(super) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time (schemas.registry.request_timeout_ms)".to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::NativeTls(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}

/// In seconds; a date is not heeded.
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let said = response.headers().get("retry-after")?.to_str().ok()?;
    Some(Duration::from_secs(said.trim().parse().ok()?).min(RETRY_AFTER_MAX))
}

/// What every URL said, as one.
fn together(mut problems: Vec<Away>) -> Away {
    let Some(mut last) = problems.pop() else {
        return Away::registry("no URL is configured", "set schemas.registry.urls");
    };
    let others: Vec<String> = problems.into_iter().map(|away| away.why).collect();
    if !others.is_empty() {
        last.why = format!("{}; {}", others.join("; "), last.why);
    }
    last
}

/// A text as one segment of a path, or one value of a query.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        assert_eq!(escaped(":.ctx:a/b c-é"), "%3A.ctx%3Aa%2Fb%20c-%C3%A9");
    }
}
