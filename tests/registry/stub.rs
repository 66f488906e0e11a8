//! A registry of a test's own: an HTTP server on loopback that answers what the test says, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

/// What came in. Names of headers are in lower case.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

#[derive(Clone, Debug)]
pub enum Said {
    /// Status, and what stands in the body.
    Answer(u16, String),
    WithHeader(u16, &'static str, String, String),
    /// Nothing, ever, on this connection.
    Silence,
}

impl Said {
    pub fn json(status: u16, body: Json) -> Said {
        Said::Answer(status, body.to_string())
    }

    /// As a registry says that it has no such schema.
    pub fn not_found() -> Said {
        Said::json(404, json!({ "error_code": 40403, "message": "Schema not found" }))
    }
}

type Answers = dyn FnMut(&Request) -> Said + Send;

/// Ends when it is dropped; `stop` and `start` leave it its port.
pub struct Stub {
    address: SocketAddr,
    state: Arc<State>,
    running: Option<Arc<AtomicBool>>,
}

struct State {
    answers: Mutex<Box<Answers>>,
    requests: Mutex<Vec<Request>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Stub {
    pub fn new(answers: impl FnMut(&Request) -> Said + Send + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            State { answers: Mutex::new(Box::new(answers)), requests: Mutex::default(), open: Mutex::default() };
        let mut stub = Stub { address, state: Arc::new(state), running: None };
        stub.serve(listener);
        stub
    }

    /// A registry that has these schemas, by id: what stands in its answer.
    pub fn of_ids(schemas: impl IntoIterator<Item = (u32, Json)>) -> Stub {
        let paths = schemas.into_iter().map(|(id, answer)| (format!("/schemas/ids/{id}"), answer));
        Stub::of_paths(paths)
    }

    pub fn of_paths(paths: impl IntoIterator<Item = (String, Json)>) -> Stub {
        let paths: BTreeMap<String, Json> = paths.into_iter().collect();
        Stub::new(move |request| match paths.get(request.path.split('?').next().unwrap()) {
            Some(answer) => Said::json(200, answer.clone()),
            None => Said::not_found(),
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn say(&self, answers: impl FnMut(&Request) -> Said + Send + 'static) {
        *self.state.answers.lock().unwrap() = Box::new(answers);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How often a path that begins so was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path.starts_with(path)).count()
    }

    /// From now on connections are refused, and those that are open end.
    pub fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.store(false, Ordering::SeqCst);
        // Wakes the thread that accepts, which lets the port go.
        let _ = TcpStream::connect(self.address);
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    pub fn start(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let running = Arc::new(AtomicBool::new(true));
        self.running = Some(Arc::clone(&running));
        let state = Arc::clone(&self.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !running.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                state.open.lock().unwrap().push(stream.try_clone().unwrap());
                let state = Arc::clone(&state);
                std::thread::spawn(move || state.talk(stream));
            }
        });
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn talk(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some(request) = read(&mut reader) {
            self.requests.lock().unwrap().push(request.clone());
            let said = (self.answers.lock().unwrap())(&request);
            let (status, header, body) = match said {
                Said::Answer(status, body) => (status, String::new(), body),
                Said::WithHeader(status, name, value, body) => (status, format!("{name}: {value}\r\n"), body),
                Said::Silence => {
                    // Until the other side, or the test, ends the connection.
                    let _ = reader.read(&mut [0]);
                    return;
                }
            };
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n{header}");
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        reader.read_line(line).ok().filter(|read| *read > 0)
    };
    next(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    while next(&mut line).is_some() && line != "\r\n" {
        let (name, value) = line.trim_end().split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).ok()? })
}
