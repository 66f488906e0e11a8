//! A real schema registry for tests, shared by all of them: each takes subjects of its own.
//!
//! `scripts/test` starts one (`scripts/registry up`) and names it in `SCOREWIRE_TEST_REGISTRY`. Without it the tests that need
//! it say so on stderr and pass, except where nothing may be left out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// Where its API is.
#[derive(Clone, Debug)]
pub struct RealRegistry {
    /// `127.0.0.1:PORT`
    authority: String,
    /// Before the API's own paths.
    path: String,
}

impl RealRegistry {
    /// The registry that the environment names. `None` (said loudly) when there is none and tests may do without.
    pub fn connect() -> Option<RealRegistry> {
        let Some(url) = std::env::var("SCOREWIRE_TEST_REGISTRY").ok().filter(|url| !url.is_empty()) else {
            skip_or_panic();
            return None;
        };
        let rest = url.strip_prefix("http://").expect("SCOREWIRE_TEST_REGISTRY is http://...");
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let path = if path.is_empty() { String::new() } else { format!("/{}", path.trim_end_matches('/')) };
        Some(RealRegistry { authority: authority.to_owned(), path })
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    /// Status and body.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
        let body = body.map(Json::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.authority).expect("the registry listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let head = format!("{method} {}{path} HTTP/1.0\r\nhost: {}\r\n", self.path, self.authority);
        let content = "content-type: application/vnd.schemaregistry.v1+json\r\naccept: application/json\r\n";
        let request = format!("{head}{content}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("the registry reads");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    /// Registers a schema, with subjects and versions that it refers to, and returns its id.
    #[track_caller]
    pub fn register(&self, subject: &str, schema: &str, references: &[(&str, &str, u32)]) -> u32 {
        let references: Vec<Json> = references
            .iter()
            .map(|(name, subject, version)| json!({ "name": name, "subject": subject, "version": version }))
            .collect();
        let body = json!({ "schema": schema, "references": references });
        let (status, answer) = self.ask("POST", &format!("/subjects/{subject}/versions"), Some(&body));
        assert_eq!(status, 200, "{subject}: {answer}");
        u32::try_from(answer["id"].as_u64().expect("an id")).expect("of 32 bits")
    }

    /// The text of an id.
    #[track_caller]
    pub fn schema(&self, id: u32) -> String {
        let (status, answer) = self.ask("GET", &format!("/schemas/ids/{id}"), None);
        assert_eq!(status, 200, "{answer}");
        answer["schema"].as_str().expect("a schema").to_owned()
    }

    /// Versions of a subject; none where it is not there.
    pub fn versions(&self, subject: &str) -> usize {
        let (_, answer) = self.ask("GET", &format!("/subjects/{subject}/versions"), None);
        answer.as_array().map_or(0, Vec::len)
    }

    /// A way to it that can be closed.
    pub fn behind_a_door(&self) -> Door {
        Door::before(&self.authority, &self.path)
    }
}

/// A listener of the test's own that hands on what comes, while it is open. Closed, it refuses connections.
pub struct Door {
    port: u16,
    path: String,
    target: String,
    open: Option<Arc<AtomicBool>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    fn before(target: &str, path: &str) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut door =
            Door { port, path: path.to_owned(), target: target.to_owned(), open: None, streams: Arc::default() };
        door.serve(listener);
        door
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    pub fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.store(false, Ordering::SeqCst);
        // Wakes the thread that accepts, which lets the port go.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for stream in self.streams.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::yield_now();
        }
    }

    pub fn open(&mut self) {
        self.serve(TcpListener::bind(("127.0.0.1", self.port)).expect("the port is ours"));
    }

    fn serve(&mut self, listener: TcpListener) {
        let open = Arc::new(AtomicBool::new(true));
        self.open = Some(Arc::clone(&open));
        let (target, streams) = (self.target.clone(), Arc::clone(&self.streams));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(near), Ok(far)) = (stream, TcpStream::connect(&target)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let mut pair = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut pair.0, &mut pair.1);
                        let _ = pair.1.shutdown(Shutdown::Write);
                    });
                }
                streams.lock().expect("nobody panics").extend([near, far]);
            }
        });
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

fn skip_or_panic() {
    let is_set = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    let how = "start one with 'scripts/registry up' and set SCOREWIRE_TEST_REGISTRY=URL, or run scripts/test";
    if is_set("CI", "true") || is_set("SCOREWIRE_REQUIRE_KAFKA", "1") {
        panic!("this test needs a real schema registry, and nothing may be left out: {how}");
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the test harness's capture, which would hide what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no schema registry: {test} ({how})");
}
