//! The admin port of a process that has no descriptor left: it waits for one, and closes its oldest connection
//! for it. In a file of
//! its own, since the limit is the whole process's.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scorewire::config::Config;
use scorewire::lane::clock::SystemClock;
use scorewire::observe::admin::{self, ModelInfo, Phase};
use scorewire::observe::connections::ConnectionLimits;

const STEP: Duration = Duration::from_secs(30);

fn ask(mut stream: &TcpStream, connection: &str) {
    write!(stream, "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: {connection}\r\n\r\n").unwrap();
}

fn answer(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_lack_of_descriptors_is_waited_out_and_costs_the_oldest_connection() {
    let config = Config::new("b:9092", "g", "models/m");
    let model = ModelInfo {
        name: "m".to_owned(),
        version: "1".to_owned(),
        sha256: "ab".to_owned(),
        provider: "CPU".to_owned(),
        trees: vec!["100 trees by scorewire (AVX2: prefix)".to_owned()],
        native_bytes: 0,
    };
    let state = config.admin_state(Vec::new(), model, Arc::new(Phase::default()), Arc::new(SystemClock::new()));
    let limits = ConnectionLimits { first_request: 100 * STEP, next_request: 100 * STEP, connections_max: 100 };
    let server = admin::start("127.0.0.1:0".parse().unwrap(), Arc::new(state), limits).unwrap();
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(STEP)).unwrap();
        stream
    };
    let held = connect();
    ask(&held, "keep-alive");
    (&held).read_exact(&mut [0; 12]).unwrap();

    // The client's end is there already; the server's would be one descriptor more.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
    let fill = |fill: &mut Vec<File>| fill.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
    let mut files = Vec::new();
    fill(&mut files);
    files.pop();
    let first = connect();
    ask(&first, "close");
    assert!(answer(&first).starts_with("HTTP/1.1 200"), "the oldest connection makes room");
    assert!(answer(&held).ends_with("ok\n"), "which is closed after all of its answer");

    // Nothing is left to close: it waits.
    drop((first, held));
    fill(&mut files);
    files.pop();
    let second = connect();
    ask(&second, "close");
    drop(files);
    assert!(answer(&second).starts_with("HTTP/1.1 200"), "a lack of descriptors ended the server");
}
