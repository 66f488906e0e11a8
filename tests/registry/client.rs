//! One request: who it says we are, where it goes next, and when it gives up.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scorewire::registry::answers::{Answer, Away, Reach, Registered};
use scorewire::registry::client::Client;
use scorewire::registry::settings::{Headers, Login, OAuth, RegistrySettings};
use scorewire::values::secret::{Secret, SecretFrom};
use serde_json::json;

use crate::stub::{Request, Said, Stub};

fn settings(url: &str) -> RegistrySettings {
    RegistrySettings::new(url, "unused")
}

fn ask(settings: &RegistrySettings) -> Result<Answer<Registered>, Away> {
    Client::new(settings).unwrap().get("/schemas/ids/1")
}

fn an_int() -> Answer<Registered> {
    Answer::Is(Registered { schema: "\"int\"".into(), ..Registered::default() })
}

fn stub() -> Stub {
    Stub::of_ids([(1, json!({ "schema": "\"int\"" }))])
}

/// A port of this machine that nobody listens on.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_request_says_who_we_are_and_what_the_configuration_adds() {
    let stub = stub();
    let mut settings = settings(&stub.url());
    settings.login = Login::Basic { user: "scorer".into(), password: SecretFrom::Given(Secret::new("s:cret".into())) };
    settings.headers = Headers(vec![("target-sr-cluster".into(), "lsrc-1".into())]);
    assert_eq!(ask(&settings), Ok(an_int()));
    let [Request { method, path, headers, .. }] = &stub.requests()[..] else { panic!("one request") };
    assert_eq!((method.as_str(), path.as_str()), ("GET", "/schemas/ids/1"));
    assert_eq!(headers["authorization"], "Basic c2NvcmVyOnM6Y3JldA==");
    assert_eq!(headers["target-sr-cluster"], "lsrc-1");
    assert!(headers["accept"].starts_with("application/vnd.schemaregistry.v1+json"));
    assert!(headers["user-agent"].starts_with("scorewire/"));
}

#[test]
fn a_token_in_a_file_is_read_for_each_request() {
    let stub = stub();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut settings = settings(&stub.url());
    settings.login = Login::Bearer(SecretFrom::File(file.path().to_owned()));
    let client = Client::new(&settings).unwrap();
    for token in ["one\n", "two"] {
        std::fs::write(file.path(), token).unwrap();
        assert_eq!(client.get("/schemas/ids/1"), Ok(an_int()));
    }
    let said: Vec<String> = stub.requests().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(said, ["Bearer one", "Bearer two"]);
    drop(file);
    let away = client.get::<Registered>("/schemas/ids/1").unwrap_err();
    assert!(away.why.contains("cannot read") && away.reach == Reach::Registry, "{away}");
}

/// A server of tokens, and a registry that takes the newest alone.
#[test]
fn a_token_of_oauth_is_fetched_once_and_again_when_it_is_refused() {
    let tokens = AtomicUsize::new(0);
    let server = Stub::new(move |_| {
        let token = format!("t{}", tokens.fetch_add(1, Ordering::SeqCst));
        Said::json(200, json!({ "access_token": token, "expires_in": 3_600, "token_type": "Bearer" }))
    });
    let stub = stub();
    let mut settings = settings(&stub.url());
    settings.login = Login::OAuth(OAuth {
        token_url: format!("{}/token", server.url()),
        client_id: "me".into(),
        client_secret: SecretFrom::Given(Secret::new("p&q".into())),
        scope: Some("registry read".into()),
    });
    let client = Client::new(&settings).unwrap();
    for _ in 0..3 {
        assert_eq!(client.get("/schemas/ids/1"), Ok(an_int()));
    }
    let [Request { method, path, headers, body }] = &server.requests()[..] else { panic!("one token for all") };
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/token"));
    assert_eq!(body, "grant_type=client_credentials&scope=registry%20read");
    assert_eq!(headers["authorization"], "Basic bWU6cCUyNnE=");
    stub.say(|request| match request.headers["authorization"].as_str() {
        "Bearer t1" => Said::json(200, json!({ "schema": "\"int\"" })),
        _ => Said::json(401, json!({ "error_code": 401, "message": "Unauthorized" })),
    });
    assert_eq!(client.get("/schemas/ids/1"), Ok(an_int()), "a token that was taken back is fetched anew");
    assert_eq!(server.requests().len(), 2);
    stub.say(|_| Said::Answer(401, String::new()));
    let away = client.get::<Registered>("/schemas/ids/1").unwrap_err();
    assert!(away.why.contains("401") && server.requests().len() == 3, "once more, and not for ever: {away}");
    server.say(|_| Said::json(400, json!({ "error": "invalid_client", "error_description": "c4n4ry" })));
    let away = client.get::<Registered>("/schemas/ids/1").unwrap_err();
    assert!(away.why.contains("invalid_client") && !away.to_string().contains("c4n4ry"), "{away}");
}

#[test]
fn another_url_is_asked_when_one_is_closed_silent_or_busy_and_the_one_that_answered_goes_first() {
    let (good, silent, busy) = (stub(), Stub::new(|_| Said::Silence), Stub::new(|_| Said::Answer(503, "busy".into())));
    let mut settings = settings(&closed());
    settings.request_timeout = Duration::from_millis(300);
    settings.urls.extend([silent.url(), busy.url(), good.url()]);
    let client = Client::new(&settings).unwrap();
    assert_eq!(client.get("/schemas/ids/1"), Ok(an_int()));
    assert_eq!((silent.requests().len(), busy.requests().len(), good.requests().len()), (1, 1, 1));
    assert_eq!(client.get("/schemas/ids/1"), Ok(an_int()));
    assert_eq!((silent.requests().len(), busy.requests().len(), good.requests().len()), (1, 1, 2));
    good.say(|_| Said::Answer(502, String::new()));
    let away = client.get::<Registered>("/schemas/ids/1").unwrap_err();
    for word in ["502", "refused", "no answer in time", "503"] {
        assert!(away.why.contains(word), "{word} in {away}");
    }
}

#[test]
fn an_answer_that_says_no_is_not_asked_for_elsewhere() {
    let (first, second) = (Stub::of_ids([]), stub());
    let mut settings = settings(&first.url());
    settings.urls.push(second.url());
    assert_eq!(ask(&settings), Ok(Answer::Unknown));
    first.say(|_| Said::json(403, json!({ "error_code": 40301, "message": "denied" })));
    assert_eq!(ask(&settings).unwrap_err().reach, Reach::Question);
    assert!(second.requests().is_empty());
}

#[test]
fn a_path_before_the_api_is_kept_and_a_redirect_is_not_followed() {
    let elsewhere = stub();
    let target = format!("{}/login", elsewhere.url());
    let stub = Stub::new(move |request| match request.path.as_str() {
        "/apis/ccompat/v7/schemas/ids/1" => Said::json(200, json!({ "schema": "\"int\"" })),
        _ => Said::WithHeader(302, "location", target.clone(), String::new()),
    });
    assert_eq!(ask(&settings(&format!("{}/apis/ccompat/v7/", stub.url()))), Ok(an_int()));
    let away = ask(&settings(&stub.url())).unwrap_err();
    assert!(away.why.contains("HTTP 302") && elsewhere.requests().is_empty(), "{away}");
}

#[test]
fn every_request_has_a_deadline_to_its_last_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(&format!("http://{}", listener.local_addr().unwrap()));
    settings.request_timeout = Duration::from_millis(200);
    let before = Instant::now();
    let away = ask(&settings).unwrap_err();
    assert!(away.why.contains("no answer in time"), "{away}");
    assert!(before.elapsed() < Duration::from_secs(20), "it came back at all");
}

#[test]
fn what_a_registry_asks_for_is_heeded_within_bounds() {
    let stub = Stub::new(|_| Said::WithHeader(429, "retry-after", "7".into(), String::new()));
    assert_eq!(ask(&settings(&stub.url())).unwrap_err().retry_after, Some(Duration::from_secs(7)));
    stub.say(|_| Said::WithHeader(429, "retry-after", "99999".into(), String::new()));
    assert_eq!(ask(&settings(&stub.url())).unwrap_err().retry_after, Some(Duration::from_secs(60)));
}
